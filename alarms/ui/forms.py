"""The form of an alarm: from what was typed to a definition, with each error at its field.

Texts as they were typed are kept, so that a form with an error is shown as it was sent. What a
definition may be is `alarms.lifecycle.check`'s to say; here only texts become numbers and lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from alarms import lifecycle
from alarms.api.base import may_edit
from alarms.choices import ACTION_FIELDS, Severity, Type
from alarms.definition import parse_rule
from alarms.definition.policy import Policy, parse_policy
from alarms.errors import DefinitionError
from alarms.evaluator.selection import is_uuid
from alarms.models import Alarm
from alarms.notifier.schemes.trust import without_trust
from alarms.ui.filters import to_lines, to_search
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
RULE_FIELDS = (
    "metric", "resource_id", "query", "resource_type", "aggregation_method",
    "comparison_operator", "threshold", "evaluation_periods", "granularity",
)  # fmt: skip
#: How a bound reads to people: ``Expected `int` >= 1`` is what programs are told.
_BOUND = re.compile(r"Expected `\w+` (>=|<=)")
BOUNDS = {">=": "must be at least", "<=": "must be at most"}
#: Types that the form has fields for.
TYPES = (Type.RESOURCE_THRESHOLD, Type.GROUP_THRESHOLD)
FLAGS = ("enabled", "repeat_actions")
#: What the form has fields for of a policy, and how a field's text is read.
WAITS = ("for", "keep_firing_for", "no_data_for", "repeat_interval")
NO_DATA = {
    "insufficient": "insufficient data", "alarm": "alarm", "ok": "ok", "keep": "the state stays",
}  # fmt: skip
BLANK: dict[str, str] = {
    "name": "", "description": "", "severity": Severity.LOW, "enabled": "on",
    "repeat_actions": "", "type": Type.RESOURCE_THRESHOLD, "project": "",
    "metric": "", "resource_id": "", "query": "", "resource_type": "generic",
    "aggregation_method": "mean", "comparison_operator": "gt", "threshold": "",
    "evaluation_periods": "1", "granularity": "60",
    "ok_actions": "", "alarm_actions": "", "insufficient_data_actions": "", "version": "",
    **dict.fromkeys(WAITS, ""), "recovery_threshold": "", "no_data": "insufficient",
}  # fmt: skip


@dataclass
class AlarmForm:
    """`values` are texts by field; `errors` sentences by field, for actions by field and line.
    `kept` is what the alarm's policy says that the form has no fields for."""

    values: dict[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        return self.values["type"] == Type.GROUP_THRESHOLD

    @property
    def version(self) -> int | None:
        """The `definition_version` that was shown to be changed; None where it is not to count."""
        text = self.values["version"]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def definition(self) -> dict[str, Any]:
        """The checked fields; where there is an error, it stands in `errors`."""
        self._require("name", "Give it a name.")
        fields = {
            "name": self.values["name"],
            "description": self.values["description"],
            "severity": self.values["severity"],
            "type": self.values["type"],
            "rule": self.rule(),
            "policy": self.policy(),
            **{flag: self.values[flag] == "on" for flag in FLAGS},
            **self._actions(),
        }
        return {} if self.errors else self._checked(fields)

    def rule(self) -> dict[str, Any]:
        """The rule as an object, as far as it can be read."""
        self._require("metric", "Which meter?")
        rule: dict[str, Any] = {
            "metric": self.values["metric"],
            "aggregation_method": self.values["aggregation_method"],
            "comparison_operator": self.values["comparison_operator"],
            "threshold": self._number("threshold", float, "a number"),
            "evaluation_periods": self._number("evaluation_periods", int, "a whole number"),
            "granularity": self._number("granularity", int, "a whole number of seconds"),
        }
        if not self.is_group:
            self._require("resource_id", "Which resource?")
            return rule | {"resource_id": self.values["resource_id"]}
        return rule | {
            "resource_type": self.values["resource_type"] or "generic",
            "query": self._query(),
        }

    def policy(self) -> dict[str, Any]:
        """As far as it can be read; a field that is empty asks for nothing."""
        policy: dict[str, Any] = {
            name: self._number(name, int, "a whole number of seconds")
            for name in WAITS
            if self.values[name]
        }
        if self.values["recovery_threshold"]:
            limit = self._number("recovery_threshold", float, "a number")
            policy["recovery_threshold"] = limit
        policy["no_data"] = self.values["no_data"] or "insufficient"
        return self.kept | policy

    def check_rule(self) -> dict[str, Any]:
        """The rule alone, checked: for a preview, while the rest isn't filled in yet."""
        rule = self.rule()
        if not self.errors:
            try:
                parse_rule(self.values["type"], rule)
            except DefinitionError as error:
                self.fail(error)
        return rule

    def check_policy(self, rule: dict[str, Any]) -> Policy | None:
        """The policy alone, of a checked rule; None where it has errors."""
        fields = self.policy()
        if self.errors:
            return None
        kind = self.values["type"]
        try:
            return parse_policy(fields, kind, parse_rule(kind, rule))
        except DefinitionError as error:
            self.fail(error)
            return None

    def check_project(self, principal: Principal) -> str | None:
        """The project that the alarm shall be in."""
        asked = self.values["project"] or usual_project(principal)
        if not may_edit(principal, asked or None) or len(asked) > 255 or "\0" in asked:
            self._add("project", "You may make no alarms in this project.")
        return asked or None

    def check_actions(
        self, project_id: str | None, is_admin: bool, alarm: Alarm | None = None
    ) -> None:
        faults = lifecycle.action_faults(self._actions(), project_id, is_admin, alarm)
        for name, place, words in faults:
            self._add(name, f"Line {place + 1}: {words}.")

    def fail(self, error: DefinitionError) -> None:
        """Put an error of the definition to its field."""
        name = error.field.removeprefix("rule.").removeprefix("policy.").partition("[")[0]
        words = _BOUND.sub(lambda found: BOUNDS[found[1]], error.detail)
        self._add(name if name in BLANK else "form", f"{words.rstrip('.')}.")

    def _actions(self) -> dict[str, list[str]]:
        return {name: _lines(self.values[name]) for name in ACTION_FIELDS}

    def _checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            return lifecycle.check(fields)
        except DefinitionError as error:
            self.fail(error)
            return {}

    def _require(self, name: str, words: str) -> None:
        if not self.values[name]:
            self._add(name, words)

    def _number(self, name: str, kind: type[int] | type[float], words: str) -> float | None:
        """With a comma or a point; what is no number at all stands as an error."""
        try:
            return kind(self.values[name].replace(",", "."))
        except ValueError:
            self._add(name, f"Give {words}.")
            return None

    def _query(self) -> str:
        try:
            return to_search(self.values["query"])
        except DefinitionError as error:
            self.fail(error)
            return "{}"

    def _add(self, name: str, words: str) -> None:
        self.errors.setdefault(name, []).append(words[:1].upper() + words[1:])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def sent(posted: Mapping[str, str], alarm: Alarm | None = None) -> AlarmForm:
    """What somebody has typed, of an alarm that is changed. A checkbox that isn't there is off."""
    values = {name: posted.get(name, "").replace("\r\n", "\n").strip() for name in BLANK}
    form = AlarmForm(values, kept=_kept(alarm))
    for name, value in values.items():
        if len(value) > MAX_INPUT:
            values[name] = value[:MAX_INPUT]
            form.errors[name] = [f"At most {MAX_INPUT} characters are allowed."]
    return form


def _kept(alarm: Alarm | None) -> dict[str, Any]:
    policy = (alarm.policy if alarm else None) or {}
    return {name: value for name, value in policy.items() if name not in BLANK}


def of_alarm(alarm: Alarm) -> AlarmForm:
    """The form as it would have to be filled in for this alarm."""
    rule = {name: alarm.rule[name] for name in RULE_FIELDS if name in alarm.rule}
    values = BLANK | {name: _typed(value) for name, value in rule.items()}
    values |= {name: str(getattr(alarm, name)) for name in ("name", "description", "severity")}
    values |= {name: "on" if getattr(alarm, name) else "" for name in FLAGS}
    values |= {name: "\n".join(map(without_trust, getattr(alarm, name))) for name in ACTION_FIELDS}
    values |= {name: _typed(value) for name, value in (alarm.policy or {}).items() if name in BLANK}
    values |= {"type": alarm.type, "project": alarm.project_id or ""}
    values |= {"version": str(alarm.definition_version)}
    return AlarmForm(values | {"query": to_lines(values["query"])}, kept=_kept(alarm))


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
