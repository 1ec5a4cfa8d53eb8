"""The forms of receivers and routes: from texts to what `alarms.telling` takes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied

from alarms.api.base import may_edit
from alarms.errors import DefinitionError
from alarms.models import Receiver, Route
from alarms.telling import receivers, routes
from alarms.telling.matching import GROUP_LABELS
from alarms.ui.forms import usual_project
from telemetry_site.auth.principal import Principal

MAX_INPUT = 16_384
BLANK_RECEIVER = {
    "name": "", "url": "", "secret": "", "no_secret": "", "subject": "", "body": "", "project": "",
}  # fmt: skip
BLANK_ROUTE = {
    "name": "", "severity": "", "type": "", "of_project": "", "wait": "30", "interval": "300",
    "repeat_interval": "14400", "actions": "", "position": "0", "project": "",
}  # fmt: skip
_MATCH = {"name": "name", "severity": "severity", "type": "type", "of_project": "project"}
_NUMBERS = (*routes.TIMES, "position")
#: Field of the error → the form's.
_PLACES = {
    "match.project": "of_project", "match.name": "name", "match.severity": "severity",
    "match.type": "type", "template.subject": "subject", "template.body": "body",
}  # fmt: skip


@dataclass
class TellingForm:
    """`values` are texts by field, `group_by` the labels that are ticked, `errors` sentences."""

    values: dict[str, str]
    group_by: list[str] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, error: DefinitionError) -> None:
        place = _PLACES.get(error.field, error.field.partition("[")[0])
        name = place if place in self.values or place == "group_by" else "form"
        words = f"{error.detail[:1].upper()}{error.detail[1:]}".rstrip(".")
        self.errors.setdefault(name, []).append(f"{words}.")

    def project(self, principal: Principal) -> str | None:
        """The project it shall be in. Raises `PermissionDenied`."""
        asked = self.values["project"] or usual_project(principal)
        if len(asked) > 255 or "\0" in asked or not may_edit(principal, asked or None):
            raise PermissionDenied("You may change nothing of this project.")
        return asked or None


def sent(posted: Any, blank: Mapping[str, str]) -> TellingForm:
    values = {name: posted.get(name, "").replace("\r\n", "\n").strip() for name in blank}
    cut = {name: text[:MAX_INPUT] for name, text in values.items()}
    return TellingForm(cut, [one for one in posted.getlist("group_by") if one in GROUP_LABELS])


def of_receiver(one: Receiver) -> TellingForm:
    """The secret is shown to nobody."""
    template = one.template or {}
    texts = {name: template.get(name, "") for name in ("subject", "body")}
    own = {"name": one.name, "url": one.url, "project": one.project_id or ""}
    return TellingForm(BLANK_RECEIVER | own | texts)


def asked_of_receiver(
    form: TellingForm, project_id: str | None, is_admin: bool, old: Receiver | None = None
) -> receivers.Asked | None:
    """None where something is wrong; it stands in the form's errors."""
    values = form.values
    template = {name: values[name] for name in ("subject", "body") if values[name]}
    fields: dict[str, Any] = {name: values[name] for name in ("name", "url")}
    fields |= {"template": template or None, "secret": values["secret"] or None}
    if values["no_secret"]:
        fields["secret"] = ""
    try:
        return receivers.check(fields, project_id, is_admin, old)
    except DefinitionError as error:
        form.fail(error)
        return None


def of_route(route: Route) -> TellingForm:
    match = {name: route.match.get(key, "") for name, key in _MATCH.items()}
    numbers = {name: str(getattr(route, name)) for name in _NUMBERS}
    own = {"actions": "\n".join(route.actions), "project": route.project_id or ""}
    return TellingForm(BLANK_ROUTE | match | numbers | own, list(route.group_by))


def asked_of_route(
    form: TellingForm, project_id: str | None, is_admin: bool
) -> routes.Asked | None:
    """None where something is wrong; it stands in the form's errors."""
    values = form.values
    fields: dict[str, Any] = {
        "match": {key: values[name] for name, key in _MATCH.items() if values[name]},
        "group_by": form.group_by,
        "actions": [line.strip() for line in values["actions"].splitlines() if line.strip()],
    }
    try:
        fields |= {name: _number(name, values[name]) for name in _NUMBERS}
        return routes.check(fields, project_id, is_admin)
    except DefinitionError as error:
        form.fail(error)
        return None


def _number(name: str, text: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError as error:
        raise DefinitionError(name, "must be a whole number") from error
