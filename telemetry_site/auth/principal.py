"""Who asks: one frozen object, made from a user, a token or (later) Keystone, used everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from django.http import HttpRequest
from rest_framework.request import Request

from telemetry_site.auth.models import ApiToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Role = Literal["reader", "member", "admin"]
Scope = Literal["read", "ingest", "alarms", "admin"]
ALL_SCOPES: frozenset[Scope] = frozenset(["read", "ingest", "alarms", "admin"])


@dataclass(frozen=True)
class Principal:
    """`roles` maps project id → role there; `is_admin` sees every project.

    `scopes` is what a token is good for; a session has all of them.
    """

    user_id: str
    name: str
    is_admin: bool = False
    roles: dict[str, Role] = field(default_factory=dict)
    scopes: frozenset[Scope] = ALL_SCOPES

    @property
    def projects(self) -> frozenset[str]:
        return frozenset(self.roles)

    @property
    def has_project(self) -> bool:
        """Whether there is anything for this principal here (an admin needs no membership)."""
        return self.is_admin or bool(self.roles)

    def may_write(self, project_id: str) -> bool:
        return self.is_admin or self.roles.get(project_id) in ("member", "admin")


def principal_of_user(user: User) -> Principal:
    return Principal(
        user_id=str(user.pk),
        name=user.get_username(),
        is_admin=user.is_superuser,
        roles={row.project_id: row.role for row in user.memberships.all()},  # type: ignore[misc]
    )


def principal_of_token(token: ApiToken) -> Principal:
    """The token's owner as he is now, cut down to the token's scopes and project.

    A token bound to a project sees that project only, even an administrator's.
    """
    owner = replace(principal_of_user(token.user), scopes=ALL_SCOPES & set(token.scopes))
    if not token.project_id:
        return owner
    role: Role | None = "admin" if owner.is_admin else owner.roles.get(token.project_id)
    return replace(owner, is_admin=False, roles={token.project_id: role} if role else {})


def principal_of(request: HttpRequest | Request) -> Principal:
    """The principal of an authenticated request; asked for once, then kept on the request."""
    known: Principal | None = getattr(request, "_principal", None)
    if known is None:
        token = getattr(request, "auth", None)
        known = (
            principal_of_token(token)
            if isinstance(token, ApiToken)
            else principal_of_user(request.user)  # type: ignore[arg-type]
        )
        request._principal = known  # type: ignore[union-attr]
    return known
