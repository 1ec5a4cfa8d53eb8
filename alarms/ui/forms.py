"""The form of an alarm: from what was typed to a definition, with each error at its field.

Texts as they were typed are kept, so that a form with an error is shown as it was sent. What a
definition may be is `alarms.lifecycle.check`'s to say; here only texts become numbers and lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from alarms import lifecycle
from alarms.api.base import may_edit
from alarms.choices import ACTION_FIELDS, Severity, Type
from alarms.definition import as_stored, parse_rule
from alarms.definition.constraints import TimeConstraint, parse_constraints
from alarms.definition.policy import Policy, has_series, parse_policy
from alarms.errors import DefinitionError
from alarms.evaluator.selection import is_uuid
from alarms.models import Alarm
from alarms.notifier.schemes.trust import without_trust
from alarms.notifier.templates import PARTS
from alarms.ui import rulefields
from alarms.ui.constraints import to_constraints, to_lines
from alarms.ui.rulefields import FIELDS
from alarms.ui.typed import Typed
from meters.models import Metric, Resource
from telemetry_site.auth.principal import Principal

#: What the form offers; any method and period of `alarms.definition` may be written by the API.
METHODS = (
    "mean", "min", "max", "sum", "count", "last", "median", "95pct", "std",
    "rate:mean", "rate:max", "rate:sum",
)  # fmt: skip
GRANULARITIES = (10, 60, 300, 600, 900, 3600, 86400)
MAX_INPUT = 65_536
PROJECTS = 200
TEXTS = ("name", "description", "severity")
FLAGS = ("enabled", "repeat_actions")
#: What the form has fields for of a policy, and how a field's text is read.
WAITS = ("for", "keep_firing_for", "no_data_for", "repeat_interval")
NO_DATA = {
    "insufficient": "insufficient data", "alarm": "alarm", "ok": "ok", "keep": "the state stays",
}  # fmt: skip
BLANK: dict[str, str] = {
    "name": "", "description": "", "severity": Severity.LOW, "enabled": "on",
    "repeat_actions": "", "type": Type.RESOURCE_THRESHOLD, "project": "",
    "ok_actions": "", "alarm_actions": "", "insufficient_data_actions": "", "version": "",
    **dict.fromkeys(WAITS, ""), "recovery_threshold": "", "no_data": "insufficient",
    "time_constraints": "", "mute": "", **dict.fromkeys(PARTS, ""),
    **rulefields.BLANK,
}  # fmt: skip


@dataclass
class AlarmForm(Typed):
    @property
    def type(self) -> str:
        """One of those that there are."""
        asked = self.values["type"]
        return asked if asked in FIELDS else BLANK["type"]

    @property
    def has_begun(self) -> bool:
        """Whether enough stands there to show something of it."""
        return bool(self.values[FIELDS[self.type].begun])

    @property
    def version(self) -> int | None:
        """The `definition_version` that was shown to be changed; None where it is not to count."""
        text = self.values["version"]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def definition(self) -> dict[str, Any]:
        """The checked fields; where there is an error, it stands in `errors`."""
        self.require("name", "Give it a name.")
        fields = {
            **{name: self.values[name] for name in TEXTS},
            "type": self.type,
            "rule": self.rule(),
            "policy": self.policy(),
            "time_constraints": self.read("time_constraints", to_constraints),
            **{flag: self.values[flag] == "on" for flag in FLAGS},
            **self._actions(),
        }
        return {} if self.errors else self._checked(fields)

    def rule(self) -> dict[str, Any]:
        """The rule as an object, as far as it can be read."""
        if self.values["type"] not in FIELDS:
            self.add("type", "Choose one of these.")
        return FIELDS[self.type].read(self)

    def policy(self) -> dict[str, Any]:
        """As far as it can be read; a field that is empty asks for nothing."""
        hours = self.read("mute", to_constraints)
        policy: dict[str, Any] = {"mute": hours} if hours else {}
        if words := {part: self.values[part] for part in PARTS if self.values[part]}:
            policy["template"] = words
        if not has_series(self.type):
            return policy
        policy |= {
            name: self.number(name, int, "a whole number of seconds")
            for name in WAITS
            if self.values[name]
        }
        if self.values["recovery_threshold"] and self.type != Type.COMPOSITE:
            limit = self.number("recovery_threshold", float, "a number")
            policy["recovery_threshold"] = limit
        policy["no_data"] = self.values["no_data"] or "insufficient"
        return policy

    def check_rule(self) -> dict[str, Any]:
        """The rule alone, checked: for a preview, while the rest isn't filled in yet."""
        rule = self.rule()
        if not self.errors:
            try:
                parse_rule(self.type, rule)
            except DefinitionError as error:
                self.fail(error)
        return rule

    def check_policy(self, rule: dict[str, Any]) -> Policy | None:
        """The policy alone, of a checked rule; None where it has errors."""
        fields = self.policy()
        if self.errors:
            return None
        try:
            return parse_policy(fields, self.type, parse_rule(self.type, rule))
        except DefinitionError as error:
            self.fail(error)
            return None

    def check_constraints(self) -> tuple[TimeConstraint, ...]:
        """The time constraints alone, checked."""
        given = self.read("time_constraints", to_constraints)
        try:
            return tuple(parse_constraints(given))
        except DefinitionError as error:
            self.fail(error)
            return ()

    def check_project(self, principal: Principal) -> str | None:
        """The project that the alarm shall be in."""
        asked = self.values["project"] or usual_project(principal)
        if not may_edit(principal, asked or None) or len(asked) > 255 or "\0" in asked:
            self.add("project", "You may make no alarms in this project.")
        return asked or None

    def check_actions(
        self, project_id: str | None, is_admin: bool, alarm: Alarm | None = None
    ) -> None:
        faults = lifecycle.action_faults(self._actions(), project_id, is_admin, alarm)
        for name, place, words in faults:
            self.add(name, f"Line {place + 1}: {words}.")

    def fail(self, error: DefinitionError) -> None:
        """Put an error of the definition to its field."""
        self.place(error, FIELDS[self.type].names)

    def _actions(self) -> dict[str, list[str]]:
        return {name: self.lines(name) for name in ACTION_FIELDS}

    def _checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            return lifecycle.check(fields)
        except DefinitionError as error:
            self.fail(error)
            return {}


def sent(posted: Mapping[str, str]) -> AlarmForm:
    """What somebody has typed. A checkbox that isn't there is off."""
    values = {name: posted.get(name, "").replace("\r\n", "\n").strip() for name in BLANK}
    form = AlarmForm(values)
    for name, value in values.items():
        if len(value) > MAX_INPUT:
            values[name] = value[:MAX_INPUT]
            form.errors[name] = [f"At most {MAX_INPUT} characters are allowed."]
    return form


def of_alarm(alarm: Alarm) -> AlarmForm:
    """The form as it would have to be filled in for this alarm."""
    values = BLANK | {name: str(getattr(alarm, name)) for name in TEXTS}
    values |= {name: "on" if getattr(alarm, name) else "" for name in FLAGS}
    values |= {name: "\n".join(map(without_trust, getattr(alarm, name))) for name in ACTION_FIELDS}
    values |= {"type": alarm.type, "project": alarm.project_id or ""}
    values |= {"version": str(alarm.definition_version)}
    values |= {"time_constraints": to_lines(alarm.time_constraints)}
    rule = _rule_as_typed(alarm)
    policy = dict(alarm.policy or {})
    if "mute" in policy:
        policy["mute"] = to_lines(policy["mute"])
    words = policy.pop("template", None) or {}
    values |= {name: _typed(value) for name, value in (rule | policy | words).items()}
    return AlarmForm(values)


def _rule_as_typed(alarm: Alarm) -> dict[str, Any]:
    """Of a rule that nobody can read what has a field here, so that it can be put right."""
    try:
        return FIELDS[alarm.type].typed(as_stored(parse_rule(alarm.type, alarm.rule)))
    except DefinitionError:
        return {name: value for name, value in alarm.rule.items() if name in rulefields.BLANK}


def _typed(value: Any) -> str:
    """A number as people write it: 80, not 80.0."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else str(value)


def suggested(principal: Principal, resource: str, meter: str) -> AlarmForm:
    """A new alarm on what somebody was just looking at (`resource` by its UUID or id), or an
    empty form."""
    values = BLANK | {"resource_id": resource, "metric": meter}
    which = Q(resource__original_id=resource)
    if is_uuid(resource):
        which |= Q(resource__uuid=resource)
    found = Metric.objects.scope(principal).filter(which, name=meter).select_related("resource")
    metric = found.order_by("resource__creator", "pk").first()
    return AlarmForm(values | (_of_metric(metric) if metric else {}))


def _of_metric(metric: Metric) -> dict[str, str]:
    """A counter only ever grows, so what is compared of it is by how much."""
    resource = metric.resource
    counts = metric.type == Metric.Type.CUMULATIVE
    return {
        "name": f"{metric.name} of {resource.display_name}"[: lifecycle.MAX_NAME],
        "resource_id": str(resource.uuid) if resource.creator else resource.original_id,
        "resource_type": resource.type,
        "project": resource.project_id or "",
        "aggregation_method": "rate:mean" if counts else "mean",
    }


def usual_project(principal: Principal) -> str:
    """The first of `projects`."""
    return "" if principal.is_admin else next(iter(_writable(principal)), "")


def projects(principal: Principal) -> list[str]:
    """Those that this principal may make alarms in; "" is the installation itself."""
    if not principal.is_admin:
        return _writable(principal)
    known = Resource.objects.scope(principal).exclude(project_id=None).order_by("project_id")
    return ["", *known.values_list("project_id", flat=True).distinct()[:PROJECTS]]  # type: ignore[list-item]


def _writable(principal: Principal) -> list[str]:
    return sorted(filter(principal.may_write, principal.projects))
