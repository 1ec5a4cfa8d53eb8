"""Who may do what through the metric API: one table, and the filters of lists that follow from it.

A rule names the grounds on which it holds. In the clients' basic mode (`tenant_filtered` False)
reading a resource and listing need no ground.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from django.db.models import Q
from rest_framework.exceptions import PermissionDenied

from telemetry_site.auth.caller import Caller

Ground = Literal["anyone", "admin", "service", "creator", "owner"]
Rule = Literal[
    "get archive policy", "list archive policy", "create archive policy", "update archive policy",
    "delete archive policy", "get archive policy rule", "list archive policy rule",
    "create archive policy rule", "update archive policy rule", "delete archive policy rule",
    "get resource type", "list resource type", "create resource type", "update resource type",
    "delete resource type", "create resource", "get resource", "list resource", "search resource",
    "update resource", "delete resource", "delete resources", "create metric", "get metric",
    "list metric", "search metric", "delete metric", "get measures", "post measures",
    "get status", "get capabilities",
]  # fmt: skip

_ANYONE: frozenset[Ground] = frozenset({"anyone"})
_ADMIN: frozenset[Ground] = frozenset({"admin"})
_CLOUD: frozenset[Ground] = frozenset({"admin", "service"})
_CREATOR: frozenset[Ground] = frozenset({"admin", "creator"})
_WRITER: frozenset[Ground] = frozenset({"admin", "service", "creator"})
_READER: frozenset[Ground] = frozenset({"admin", "creator", "owner"})
_ALL_READERS: frozenset[Ground] = frozenset({"admin", "service", "creator", "owner"})

RULES: dict[Rule, frozenset[Ground]] = {
    "get archive policy": _ANYONE,
    "list archive policy": _ANYONE,
    "create archive policy": _CLOUD,
    "update archive policy": _ADMIN,
    "delete archive policy": _ADMIN,
    "get archive policy rule": _ANYONE,
    "list archive policy rule": _ANYONE,
    "create archive policy rule": _ADMIN,
    "update archive policy rule": _ADMIN,
    "delete archive policy rule": _ADMIN,
    "get resource type": _ANYONE,
    "list resource type": _ANYONE,
    "create resource type": _CLOUD,
    "update resource type": _CLOUD,
    "delete resource type": _ADMIN,
    "create resource": _ANYONE,
    "get resource": _READER,
    "list resource": _READER,
    "search resource": _ALL_READERS,
    "update resource": _WRITER,
    "delete resource": _CREATOR,
    "delete resources": _CREATOR,
    "create metric": _ANYONE,
    "get metric": _ALL_READERS,
    "list metric": _READER,
    "search metric": _READER,
    "delete metric": _CREATOR,
    "get measures": _ALL_READERS,
    "post measures": _WRITER,
    "get status": _ADMIN,
    "get capabilities": _ANYONE,
}
#: What the basic mode does not ask: names have no projects.
_OPEN_TO_NAMES: frozenset[Rule] = frozenset(
    {"get resource", "list resource", "search resource", "list metric", "search metric"}
)


class Target(NamedTuple):
    """What a rule is asked for. Of a metric: its creator, and its resource's owner."""

    creator: str = ""
    project_id: str | None = None


#: No object, or any: what holds for it holds for all.
ANY = Target()


def allows(rule: Rule, caller: Caller, target: Target = ANY) -> bool:
    """Whether the caller may. Anonymous callers are the view's business."""
    if not caller.has_place:
        return False
    if rule in _OPEN_TO_NAMES and not caller.tenant_filtered:
        return True
    return any(_holds(ground, caller, target) for ground in RULES[rule])


def _holds(ground: Ground, caller: Caller, target: Target) -> bool:
    match ground:
        case "anyone":
            return True
        case "admin":
            return caller.is_admin
        case "service":
            return caller.is_service
        case "creator":
            return caller.is_creator(target.creator)
        case "owner":
            return bool(caller.project_id) and target.project_id == caller.project_id


def allows_some(rule: Rule, caller: Caller) -> bool:
    """Whether there could be a target for which the rule holds."""
    if allows(rule, caller):
        return True
    grounds = RULES[rule]
    return caller.has_place and ("creator" in grounds or "owner" in grounds)


def resource_filter(rule: Rule, caller: Caller) -> Q:
    """The resources for which the rule holds. Raises `PermissionDenied` where none could be."""
    return _filter(rule, caller, owner="project_id")


def metric_filter(rule: Rule, caller: Caller) -> Q:
    """The metrics for which the rule holds. Raises `PermissionDenied` where none could be."""
    return _filter(rule, caller, owner="resource__project_id")


def _filter(rule: Rule, caller: Caller, owner: str) -> Q:
    if not allows_some(rule, caller):
        raise PermissionDenied("Insufficient privileges")
    if allows(rule, caller):
        return Q()
    condition = Q(creator=caller.creator)
    if caller.project_id:
        condition |= Q(creator__endswith=f":{caller.project_id}")
        if "owner" in RULES[rule]:
            condition |= Q(**{owner: caller.project_id})
    return condition
