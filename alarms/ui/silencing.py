"""The form of a silence: from lines and a duration to what `alarms.muting.silences` takes.

Matchers are lines as Alertmanager writes them: ``severity = low``, ``name =~ "web-.*"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from alarms.api.base import may_edit
from alarms.errors import DefinitionError
from alarms.models import Alarm, Silence
from alarms.muting import matchers, silences
from alarms.ui.forms import usual_project
from alarms.ui.typed import Typed
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now

#: Seconds as text → words.
DURATIONS = {"3600": "1 h", "14400": "4 h", "86400": "1 day", "604800": "1 week"}
OWN = "own"
MAX_INPUT = 16_384
BLANK = {
    "matchers": "", "length": "3600", "starts": "", "ends": "", "comment": "", "project": "",
}  # fmt: skip
#: Field of a silence → the form's.
_FIELDS = {"startsAt": "starts", "endsAt": "ends", "createdBy": "form"}
_LINE = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*(.*)")


class SilenceForm(Typed):
    @property
    def problems(self) -> list[str]:
        return [words for lines in self.errors.values() for words in lines]

    def matchers(self) -> list[dict[str, Any]]:
        """Checked; what is wrong stands in `errors`."""
        try:
            return matchers.check("matchers", to_matchers(self.values["matchers"]))
        except DefinitionError as error:
            self._fail(error)
            return []

    def asked(self, who: str) -> silences.Asked | None:
        """None where something is wrong."""
        start = self.values["starts"] or now().isoformat()
        end = self.values["ends"] if self.values["length"] == OWN else self._end(start)
        fields = {
            "matchers": self.matchers(), "startsAt": start, "endsAt": end, "createdBy": who,
            "comment": self.values["comment"],
        }  # fmt: skip
        if self.errors:
            return None
        try:
            return silences.check(fields)
        except DefinitionError as error:
            self._fail(error)
            return None

    def project(self, principal: Principal) -> str | None:
        asked = self.values["project"] or usual_project(principal)
        if len(asked) > 255 or "\0" in asked or not may_edit(principal, asked or None):
            self.add("project", "You may silence no alarms of this project.")
        return asked or None

    def _end(self, start: str) -> str:
        try:
            moment = datetime.fromisoformat(start)
            return (moment + timedelta(seconds=int(self.values["length"]))).isoformat()
        except (ValueError, OverflowError):
            self.add("starts", "Give a time, or none for now.")
            return start

    def _fail(self, error: DefinitionError) -> None:
        name = error.field.partition("[")[0]
        place = re.match(r"matchers\[(\d+)\]", error.field)
        words = f"line {int(place[1]) + 1} {error.detail}" if place else error.detail
        self.add(_FIELDS.get(name, name if name in BLANK else "form"), f"{words}.")


def sent(posted: Mapping[str, str]) -> SilenceForm:
    """What somebody has typed."""
    values = {name: posted.get(name, "").replace("\r\n", "\n").strip() for name in BLANK}
    form = SilenceForm({name: value[:MAX_INPUT] for name, value in values.items()})
    if form.values["length"] not in (*DURATIONS, OWN):
        form.values["length"] = "3600"
    return form


def of_alarm(alarm: Alarm) -> SilenceForm:
    return SilenceForm(
        BLANK | {"matchers": f'alarm_id = "{alarm.pk}"', "project": alarm.project_id or ""}
    )


def of_silence(silence: Silence) -> SilenceForm:
    """To make one like it again."""
    return SilenceForm(
        BLANK
        | {
            "matchers": to_lines(silence.matchers),
            "comment": silence.comment,
            "project": silence.project_id or "",
            **_length(silence),
        }
    )


def _length(silence: Silence) -> dict[str, str]:
    """As long as it was to last, from now; of one that was ended early nobody knows that."""
    if silence.ended_by:
        return {}
    length = silence.ends_at - silence.starts_at
    seconds = str(round(length.total_seconds()))
    if seconds in DURATIONS:
        return {"length": seconds}
    ends = now() + min(length, datetime.max.replace(tzinfo=UTC) - now())
    return {"length": OWN, "ends": ends.isoformat(timespec="seconds")}


def to_lines(some: Sequence[dict[str, Any]]) -> str:
    """What `to_matchers` makes matchers of."""
    return "\n".join(matchers.in_words([one]) for one in some)


def to_matchers(text: str) -> list[dict[str, Any]]:
    """One a line. Raises `DefinitionError`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DefinitionError("matchers", "say which alarms: one condition a line")
    return [_matcher(place, line) for place, line in enumerate(lines)]


def _matcher(place: int, line: str) -> dict[str, Any]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise DefinitionError(f"matchers[{place}]", "is not like: severity = low (or !=, =~, !~)")
    name, sign, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    is_regex, is_equal = matchers.SIGNS[sign]
    return {"name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal}
