"""What an alarm does beyond its rule: waits, other limits, silence, repeats (alarms.md 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from alarms.choices import Type
from alarms.definition import Part, Rule
from alarms.definition.constraints import TimeConstraint, parse_constraints
from alarms.definition.fields import definition_error
from alarms.errors import DefinitionError

NoData = Literal["insufficient", "alarm", "ok", "keep"]
Wait = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
#: What makes sense where no series are looked at.
_FOR_ANY = frozenset(["mute", "template"])
_WITHOUT_SERIES = frozenset([Type.EVENT.value, Type.MEMBER_HEALTH.value])
_DOWNWARD = ("gt", "ge")
_UPWARD = ("lt", "le")


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What mails and chats say instead of the usual words."""

    subject: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    body: Annotated[str, msgspec.Meta(max_length=65_536)] = ""


class Policy(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True,
    rename={"for_": "for"},
):  # fmt: skip
    """Times are seconds.

    `for_` is how long the condition must hold before the alarm fires, `keep_firing_for` how long
    it must have gone before the alarm is ok, `recovery_threshold` the limit while it fires.
    `no_data` is what it means that there is nothing to compare, once that has lasted
    `no_data_for`. `repeat_interval` is the least time between two repeats. While one of `mute` is
    open nothing is sent.
    """

    for_: Wait = 0
    keep_firing_for: Wait = 0
    recovery_threshold: float | None = None
    no_data: NoData = "insufficient"
    no_data_for: Wait = 0
    repeat_interval: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] | None = None
    mute: list[TimeConstraint] = []
    template: Template | None = None


def read_policy(value: Any) -> Policy:
    """The policy by itself. Raises `DefinitionError` that names the field at fault."""
    if not isinstance(value, Mapping):
        raise DefinitionError("policy", "must be an object")
    mute = parse_constraints(value.get("mute"), "policy.mute")
    fields = {name: one for name, one in value.items() if name != "mute"}
    try:
        policy = msgspec.convert(fields, Policy)
    except msgspec.ValidationError as error:
        raise definition_error("policy", str(error)) from error
    return msgspec.structs.replace(policy, mute=mute)


def has_series(alarm_type: str) -> bool:
    """Whether alarms of this type look at series, which may be late or missing."""
    return alarm_type not in _WITHOUT_SERIES


def parse_policy(value: Any, alarm_type: str, rule: Rule) -> Policy:
    """A policy that suits an alarm of this type and rule. Raises `DefinitionError`."""
    policy = read_policy(value)
    if not has_series(alarm_type):
        for name in value:
            if name not in _FOR_ANY:
                raise DefinitionError(
                    f"policy.{name}", f"means nothing to an alarm of type {alarm_type}"
                )
    if policy.recovery_threshold is not None:
        _check_recovery(policy.recovery_threshold, rule)
    return policy


def policy_as_stored(policy: Policy) -> dict[str, Any] | None:
    """As it is stored and shown, without what says nothing; None where nothing is left."""
    stored: dict[str, Any] = msgspec.to_builtins(policy)
    if policy.mute:
        stored["mute"] = [one.described() for one in policy.mute]
    return stored or None


def _check_recovery(limit: float, rule: Rule) -> None:
    name = "policy.recovery_threshold"
    if not isinstance(rule, Part):
        raise DefinitionError(name, "needs a rule with one threshold")
    if not abs(limit) < float("inf"):
        raise DefinitionError(name, "must be a finite number")
    if rule.comparison_operator in _DOWNWARD:
        if limit > rule.threshold:
            raise DefinitionError(name, f"must not be above the threshold {rule.threshold}")
    elif rule.comparison_operator in _UPWARD:
        if limit < rule.threshold:
            raise DefinitionError(name, f"must not be below the threshold {rule.threshold}")
    else:
        raise DefinitionError(name, f"means nothing to {rule.comparison_operator}")
