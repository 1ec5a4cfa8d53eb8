"""Who calls an OpenStack door: one frozen object, whatever way the caller proved who it is.

The native door knows `Principal`, who may be in several projects; OpenStack's clients act for one
project at a time, and what they make carries a `creator`.
"""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.request import Request

from telemetry_site.auth.principal import ALL_SCOPES, Scope

#: Longest id of a user or project, as the columns that hold them.
LONGEST_ID = 255


class UnusableIdError(ValueError):
    """An id of a user or project that cannot stand in a creator ("user:project")."""


@dataclass(frozen=True)
class Caller:
    """`roles` are lower case and count in `project_id`; `admin` and `service` in the whole cloud.

    `creator` is what the caller's resources and metrics carry: "user:project", or the name alone
    where callers have no projects (`tenant_filtered` is False: lists show everything to everybody).
    Raises `UnusableIdError`.
    """

    user_id: str
    project_id: str
    roles: frozenset[str]
    creator: str
    domain_id: str = ""
    tenant_filtered: bool = True
    scopes: frozenset[Scope] = ALL_SCOPES

    def __post_init__(self) -> None:
        for text in (self.user_id, self.project_id):
            # A creator is split at its first colon and found by its end: one id must not pass
            # for another's. PostgreSQL stores no NUL.
            if ":" in text or "\0" in text or len(text) > LONGEST_ID:
                raise UnusableIdError(f"{text[:40]!r} is no id that this API can use.")

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def is_service(self) -> bool:
        return "service" in self.roles

    @property
    def has_place(self) -> bool:
        """Whether there is anything here for this caller: not for a member of no project."""
        return bool(self.project_id or self.roles & {"admin", "service"}) or not (
            self.tenant_filtered
        )

    def is_creator(self, creator: str) -> bool:
        """Everybody in the creating project counts as the creator; of "" nobody is."""
        if creator and creator == self.creator:
            return True
        return bool(self.project_id) and creator.partition(":")[2] == self.project_id

    def may(self, scope: Scope) -> bool:
        """Whether the way in is good for it: our own tokens are cut down to their scopes."""
        return scope in self.scopes

    # What Django, DRF and the request log ask of a user.
    @property
    def pk(self) -> str:
        return self.user_id

    @property
    def is_authenticated(self) -> bool:
        return True


def of_project(
    user_id: str,
    project_id: str,
    roles: frozenset[str],
    domain_id: str = "",
    scopes: frozenset[Scope] = ALL_SCOPES,
) -> Caller:
    """A caller who acts for a project; "" is none. Raises `UnusableIdError`."""
    return Caller(
        user_id, project_id, roles, f"{user_id}:{project_id}", domain_id=domain_id, scopes=scopes
    )


def of_name(name: str) -> Caller:
    """The clients' basic mode: a name, believed; `admin` is one. Raises `UnusableIdError`."""
    roles = frozenset({"admin"}) if name == "admin" else frozenset[str]()
    return Caller(name, "", roles, name, tenant_filtered=False)


def caller_of(request: Request) -> Caller | None:
    """Who calls, at a view with `telemetry_site.auth.openstack.WAYS_IN`; None is anonymous."""
    return request.user if isinstance(request.user, Caller) else None
