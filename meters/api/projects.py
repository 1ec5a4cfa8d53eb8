"""Which project a caller acts for: it comes from the principal, never just from the request."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.exceptions import PermissionDenied

from meters.api.errors import BadParameterError
from telemetry_site.auth.principal import Principal


def project_to_write(principal: Principal, asked: str | None) -> str:
    """The project, or "" for the installation itself (administrators only).

    Foreign projects and those one may only read give the same 403: nobody learns which exist.
    """
    if asked is not None:
        if not principal.may_write(asked):
            raise PermissionDenied(f"You may not write for the project {asked!r}.")
        return asked
    if principal.is_admin:
        return ""
    mine = sorted(filter(principal.may_write, principal.projects))
    if not mine:
        raise PermissionDenied("Readers may not write.")
    return _only(mine)


def project_to_read(principal: Principal, asked: str | None) -> str:
    """The same for what is only looked at."""
    if asked is not None:
        if not principal.is_admin and asked not in principal.projects:
            raise PermissionDenied(f"You may not read the project {asked!r}.")
        return asked
    return "" if principal.is_admin else _only(principal.projects)


def _only(projects: Iterable[str]) -> str:
    found = sorted(projects)
    if len(found) > 1:
        raise BadParameterError("project_id", f"You have several: say which of {', '.join(found)}.")
    return found[0]
