"""A folder's alarms and those in the database: what differs, and making it alike.

Alarms from files bear a mark (`managed_by`); only those are ever changed or deleted here, unless
others are adopted.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from alarms import files, lifecycle
from alarms.errors import AlarmingError, DefinitionError
from alarms.files import FileError, Written
from alarms.models import Alarm
from telemetry_site.yamlfile import Fault


class Difference(NamedTuple):
    """`kind` is made, changed, deleted or same; `before` None where there is no such alarm,
    `after` None where the files have none."""

    kind: str
    before: Alarm | None
    after: Written | None

    @property
    def name(self) -> str:
        one = self.after or self.before
        assert one is not None
        return f"{one.project_id or '(installation)'}/{one.name}"


def compare(written: Sequence[Written], mark: str, prune: bool, adopt: bool) -> list[Difference]:
    """Raises `FileError` where an alarm of that name is somebody's, or several are."""
    known: dict[tuple[str | None, str], list[Alarm]] = defaultdict(list)
    names = {one.name for one in written}
    for alarm in Alarm.objects.filter(managed_by=mark) | Alarm.objects.filter(name__in=names):
        known[alarm.project_id, alarm.name].append(alarm)
    faults: list[Fault] = []
    found = []
    for one in written:
        try:
            before = _match(known.get(one.key, []), mark, adopt)
        except DefinitionError as error:
            faults.append(one.fault(error))
            continue
        found.append(Difference(_kind(before, one, mark), before, one))
    if faults:
        raise FileError(faults)
    if prune:
        keys = {one.key for one in written}
        gone = Alarm.objects.filter(managed_by=mark).order_by("project_id", "name", "pk")
        found += [
            Difference("deleted", alarm, None)
            for alarm in gone
            if (alarm.project_id, alarm.name) not in keys
        ]
    return found


def apply(differences: Sequence[Difference], mark: str, user_id: str) -> None:
    """All or nothing. Raises `FileError` at the alarm at fault."""
    with transaction.atomic():
        for one in differences:
            try:
                _apply(one, mark, user_id)
            except DefinitionError as error:
                assert one.after is not None
                raise FileError([one.after.fault(error)]) from error
            except (AlarmingError, Alarm.DoesNotExist) as error:
                raise FileError([Fault(one.name, 0, str(error))]) from error


def diff(one: Difference) -> Iterator[str]:
    """A unified diff of the alarm as files have it."""
    before = _text(_fields(one.before), one.before.project_id) if one.before else []
    after = _text(one.after.definition, one.after.project_id) if one.after else []
    old, new = (f"{side}/{one.name}" if text else "/dev/null" for side, text in
                (("database", before), ("files", after)))  # fmt: skip
    yield from difflib.unified_diff(before, after, old, new, lineterm="")


def _match(alarms: list[Alarm], mark: str, adopt: bool) -> Alarm | None:
    own = [one for one in alarms if one.managed_by == mark] or (alarms if adopt else [])
    if len(own) > 1:
        raise DefinitionError("name", f"{len(own)} alarms of this project have it")
    if alarms and not own:
        raise DefinitionError("name", "an alarm with it was not made from files; see --adopt")
    return own[0] if own else None


def _kind(before: Alarm | None, after: Written, mark: str) -> str:
    if before is None:
        return "made"
    is_same = before.managed_by == mark and _fields(before) == after.definition
    return "same" if is_same else "changed"


def _apply(one: Difference, mark: str, user_id: str) -> None:
    if one.after and one.kind != "same":
        lifecycle.check_actions(one.after.definition, one.after.project_id, is_admin=True)
    if one.kind == "made" and one.after:
        lifecycle.create(one.after.definition, one.after.project_id, user_id, managed_by=mark)
    elif one.kind == "changed" and one.after and one.before:
        fields = one.after.definition | {"managed_by": mark}
        lifecycle.change(one.before, fields, user_id, one.before.definition_version)
    elif one.kind == "deleted" and one.before:
        lifecycle.delete(one.before, user_id)


def _fields(alarm: Alarm) -> dict[str, Any]:
    return {name: getattr(alarm, name) for name in lifecycle.FIELDS}


def _text(definition: dict[str, Any], project_id: str | None) -> list[str]:
    return files.dumped([files.document(definition, project_id)]).splitlines()[1:]
