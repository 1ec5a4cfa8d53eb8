"""Alarms: list, make, show, replace, delete; their state; their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from alarms import cautions, lifecycle, trusting
from alarms.alarming_api import actions, paging, rows
from alarms.alarming_api.base import SCOPES, AlarmingView, root_url
from alarms.alarming_api.history import history_condition
from alarms.alarming_api.reading import Asked, read_alarm
from alarms.alarming_api.shapes import alarms_json, history_json
from alarms.choices import State
from alarms.models import Alarm
from alarms.standing import AlarmRow
from meters.wsme import simple
from meters.wsme.errors import bad, foreign, invalid

_QUERY = (*simple.NAMES, *paging.NAMES)
#: Field of the simple query → our own.
_FIELDS = {
    "user_id": "user_id", "type": "type", "name": "name", "enabled": "enabled", "state": "state",
    "severity": "severity", "timestamp": "updated_at", "repeat_actions": "repeat_actions",
}  # fmt: skip


class AlarmView(AlarmingView):
    """Of alarms, as they are shown to the caller."""

    def shown(self, alarm: Alarm) -> dict[str, Any]:
        [shown] = alarms_json([alarm], self.may_write)
        return shown

    def listed_alarms(self, alarms: Sequence[AlarmRow]) -> HttpResponse:
        """Of a thousand alarms a fifth of the time was JSON's: written by the fastest there is."""
        shown = alarms_json(alarms, self.may_write)
        return self.answer_text(msgspec.json.encode(shown).decode())


class Alarms(AlarmView):
    parameters = _QUERY

    def get(self, request: Request) -> HttpResponse:
        self.require(self.may_read)
        terms = simple.read_terms(request.GET)
        _check(terms)
        wanted = (self.asked_projects(terms), *map(_condition, terms))
        found = rows.alarms().filter(*wanted)
        listed = paging.page(found, request.GET, rows.ALARMS)
        return self.listed_alarms(listed)

    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_write)
        asked = read_alarm(self.object_body("data"))
        project, user = owner_of(self, asked)
        actions.check(asked.definition, self.caller.is_admin)
        with trusting.trusted(asked.definition, self.keystone_token) as definition:
            alarm = lifecycle.create(
                definition, project, user, by=self.author, state=asked.state,
                is_unscoped=self.caller.is_admin and project == self.own_project,
            )  # fmt: skip
        made = self.created(self.shown(alarm), f"{root_url(request)}/v2/alarms/{alarm.pk}")
        for name, words in cautions.headers_of(alarm).items():
            made[name] = words
        return made


def _check(terms: list[simple.Term]) -> None:
    """Refuse fields and operators that are none."""
    for term in terms:
        if term.field not in (*_FIELDS, *SCOPES):
            known = {*_FIELDS, *SCOPES}
            only = f"only fields {sorted(known)} are allowed"
            raise invalid("field", {term.field}, only)
        if term.op != "eq":
            raise invalid("op", {term.op}, "only operations {'eq'} are allowed")


def owner_of(view: AlarmingView, asked: Asked) -> tuple[str | None, str]:
    """Project and user of a new alarm. Only an administrator may make one for somebody else."""
    caller = view.caller
    if not caller.is_admin:
        if asked.user_id not in (None, caller.user_id):
            raise foreign("user", str(asked.user_id))
        if asked.project_id not in (None, view.own_project):
            raise foreign("project", str(asked.project_id))
    user = caller.user_id if asked.user_id is None else asked.user_id
    return asked.project_id or view.own_project, user


def _condition(term: simple.Term) -> Q:
    """By the field's own type, whatever is said of it."""
    if term.field in SCOPES:
        return Q()
    field, value = _FIELDS[term.field], simple.text_of(term)
    if term.field in ("enabled", "repeat_actions"):
        return Q((field, simple.is_true(term)))
    if term.field == "timestamp":
        return Q((field, simple.moment_of(term)))
    return Q((field, value))


class OneAlarm(AlarmView):
    def get(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_read)
        return self.answer(self.shown(alarm))

    def put(self, request: Request, alarm_id: str) -> HttpResponse:
        """Replace it: what is not given gets its default, the state too."""
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        asked = read_alarm(self.object_body("data"), alarm.policy)
        actions.check(asked.definition, self.caller.is_admin)
        with trusting.trusted(asked.definition, self.keystone_token, alarm) as definition:
            fields = {**definition, **self._ownership(alarm, asked), "state": asked.state}
            changed = lifecycle.change(alarm, fields, self.caller.user_id, by=self.author)
        if changed.definition_version == alarm.definition_version:
            lifecycle.touch(changed)
        return self.answer(self.shown(changed))

    def _ownership(self, alarm: Alarm, asked: Asked) -> dict[str, Any]:
        """Whose it is from now on: of who is no administrator, the caller's."""
        if not self.caller.is_admin:
            return {"user_id": self.caller.user_id, "is_unscoped": False}
        given = {"project_id": asked.project_id, "user_id": asked.user_id}
        project = asked.project_id or alarm.project_id
        return {
            **{name: value for name, value in given.items() if value is not None},
            "is_unscoped": project == self.own_project,
        }

    def delete(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        lifecycle.delete(alarm, self.caller.user_id, by=self.author)
        return self.no_content()


class AlarmState(AlarmView):
    def get(self, request: Request, alarm_id: str) -> HttpResponse:
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_read)
        return self.answer(alarm.state)

    def put(self, request: Request, alarm_id: str) -> HttpResponse:
        """Set it by hand: no action is taken, the next evaluation goes on from it."""
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_write)
        state = self.json_body("state")
        if not isinstance(state, str) or state not in State.values:
            raise bad("state invalid")
        changed = lifecycle.set_state(alarm, state, self.caller.user_id, by=self.author)
        return self.answer(changed.state)


class History(AlarmingView):
    parameters = _QUERY

    def get(self, request: Request, alarm_id: str) -> HttpResponse:
        """Newest first. What happened while it was another project's stays that one's."""
        alarm = self.visible_alarm(alarm_id)
        self.require(self.may_read)
        terms = simple.read_terms(request.GET)
        self._refuse_foreign(terms)
        wanted = history_condition(terms)
        found = rows.history().filter(self.visible, wanted, alarm_id=alarm.pk)
        listed = paging.page(found, request.GET, rows.HISTORY)
        return self.answer([history_json(row, self.may_write) for row in listed])

    def _refuse_foreign(self, terms: list[simple.Term]) -> None:
        for term in terms:
            is_project = term.field in ("project", "project_id")
            if is_project and not self.caller.is_admin and term.value != self.own_project:
                raise foreign("project", term.value)
