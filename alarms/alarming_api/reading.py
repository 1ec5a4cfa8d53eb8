"""An alarm's body as aodh's clients send it, made into what the lifecycle takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from alarms import lifecycle
from alarms.alarming_api import wsme
from alarms.choices import ACTION_FIELDS, Severity, State, Type
from alarms.definition import RULES
from alarms.definition.constraints import TimeConstraint
from meters.api.params import moment
from meters.wsme import values
from meters.wsme.errors import bad, invalid

RULE_FIELDS = {f"{kind.value}_rule": kind for kind in Type}
_FLAGS = ("enabled", "repeat_actions")
_TEXTS = ("name", "description", "project_id", "user_id")
#: Read back from what we have answered, and not looked at but for their form.
_TIMES = ("timestamp", "state_timestamp", "evaluate_timestamp")
_IGNORED = ("alarm_id", "state_reason", "policy_status")
KNOWN = frozenset(
    ["type", "state", "severity", "time_constraints", *RULE_FIELDS, *ACTION_FIELDS, *_FLAGS,
     *_TEXTS, *_TIMES, *_IGNORED, "policy"]
)  # fmt: skip


class Asked(NamedTuple):
    """`definition` is checked (see `alarms.lifecycle.check`); the others are None where absent."""

    definition: dict[str, Any]
    project_id: str | None
    user_id: str | None
    state: str


def read_alarm(body: dict[str, Any], policy: dict[str, Any] | None = None) -> Asked:
    """`policy` is the one that the alarm has: clients that know nothing of it leave it as it is.

    Raises `Fault` and `DefinitionError`.
    """
    try:
        fields = _fields(body)
    except values.UnreadableError as error:
        raise invalid("data", repr(body), str(error)) from error
    owner = {name: fields.pop(name, None) for name in ("project_id", "user_id")}
    for name, value in owner.items():
        if value is not None:
            owner[name] = lifecycle.check_name(name, value)
    state = fields.pop("state", State.INSUFFICIENT_DATA.value)
    definition = lifecycle.check(_with_description(fields), policy)
    return Asked(definition, owner["project_id"], owner["user_id"], state)


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """Every field in our own names and types, with the rule as `rule`."""
    values.check_known(body, KNOWN, "data")
    for name in ("name", "type"):
        if body.get(name) is None:
            raise invalid(name, None, values.MISSING)
    found: dict[str, Any] = {"type": values.one_of("type", sorted(Type.values), body["type"])}
    for name in _TEXTS:
        if body.get(name) is not None:
            found[name] = values.text(name, body[name])
    for name in _FLAGS:
        if body.get(name) is not None:
            found[name] = values.flag(body[name])
    for name in ACTION_FIELDS:
        if body.get(name) is not None:
            found[name] = [values.text(name, url) for url in values.listed(body[name])]
    if body.get("severity") is not None:
        found["severity"] = values.one_of("severity", Severity.values, body["severity"])
    if "state" in body:
        found["state"] = values.one_of("state", State.values, body["state"])
    for name in _TIMES:
        _check_time(name, body.get(name))
    if "policy" in body:
        found["policy"] = body["policy"]
    given = body.get("time_constraints")
    constraints = values.listed([] if given is None else given)
    found["time_constraints"] = [
        wsme.read(TimeConstraint, one, "data.time_constraints") for one in constraints
    ]
    return found | {"rule": _rule(found["type"], body)}


def _rule(kind: str, body: dict[str, Any]) -> Any:
    """The one rule that fits the type."""
    given = {name: body[name] for name in RULE_FIELDS if body.get(name) is not None}
    own = f"{kind}_rule"
    if own not in given:
        raise bad(f"{own} must be set for {kind} type alarm")
    other = next((name for name in sorted(given) if name != own), None)
    if other:
        both = " and ".join(sorted([own, other]))
        raise bad(f"{both} cannot be set at the same time")
    if kind == Type.COMPOSITE:
        return _composite(given[own])
    return wsme.read(RULES[kind], given[own], f"data.{own}")


def _composite(node: Any) -> Any:
    """Numbers that come as texts become numbers; all else is the definition's to judge."""
    if isinstance(node, list):
        return [_composite(part) for part in node]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if len(node) > 1 and isinstance(kind, str) and kind in RULES:
        fields = {name: value for name, value in node.items() if name != "type"}
        return {**wsme.read(RULES[kind], fields, "data.composite_rule"), "type": kind}
    return {name: _composite(part) for name, part in node.items()}


def _check_time(name: str, value: Any) -> None:
    if value is None:
        return
    try:
        moment(values.text(name, value))
    except ValueError as error:
        raise invalid(name, value, str(error)) from error


def _with_description(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("description"):
        return fields
    kind, rule = fields["type"], fields["rule"]
    text = f"{kind} alarm rule"
    if kind == Type.EVENT:
        text = f"Alarm when {rule.get('event_type', '*')} event occurred."
    if kind == Type.CLASSIC_THRESHOLD:
        operator = rule.get("comparison_operator", "eq")
        text = (
            f"Alarm when {rule['meter_name']} is {operator} a {rule.get('statistic', 'avg')} of "
            f"{rule['threshold']} over {rule.get('period', 60)} seconds"
        )
    return fields | {"description": text}
