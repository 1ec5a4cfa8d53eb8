"""Who asks at the metric API's door."""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.request import Request


@dataclass(frozen=True)
class Caller:
    """`creator` is what rows made by this caller carry; `tenant_filtered`: lists show its own."""

    user_id: str
    project_id: str
    roles: frozenset[str]
    creator: str
    tenant_filtered: bool
    is_admin: bool
    is_service: bool


def caller_of(request: Request) -> Caller | None:
    return request.user if isinstance(request.user, Caller) else None
