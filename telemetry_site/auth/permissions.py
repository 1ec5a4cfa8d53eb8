"""What a principal may do at a view: by scope of the token, by role, by being an administrator.

A view says what each method needs::

    scopes = {"GET": "read", "POST": "ingest"}   # absent: reading needs `read`, all else is refused
    admin_only = True                            # rows that belong to no project

Which *rows* a principal sees is not decided here but by `Model.objects.scope(principal)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from telemetry_site.auth.principal import Scope, principal_of

if TYPE_CHECKING:
    from rest_framework.views import APIView

READ: dict[str, Scope] = {"GET": "read", "HEAD": "read", "OPTIONS": "read"}


class Access(BasePermission):
    """Default-deny: somebody signed in, in a project, with the scope that the method needs."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        problem = _problem(request, view)
        if problem:
            self.message = problem
        return not problem


def _problem(request: Request, view: Any) -> str:
    """Why not, or an empty text."""
    principal = principal_of(request)
    needed: Mapping[str, Scope] = READ | getattr(view, "scopes", {})
    scope = needed.get(request.method or "")
    if not principal.has_project:
        return "You are a member of no project. An administrator can add you to one."
    if scope is None:
        # A method that the view has not: answered by 405. One that it has but forgot: refused.
        return "" if request.method not in view.allowed_methods else "This method has no scope."
    if scope not in principal.scopes:
        return f"The token lacks the scope `{scope}`."
    if getattr(view, "admin_only", False):
        return _admin_problem(principal.is_admin, "admin" in principal.scopes)
    return ""


def _admin_problem(is_admin: bool, has_scope: bool) -> str:
    if not is_admin:
        return "This is for administrators."
    return "" if has_scope else "The token lacks the scope `admin`."
