"""The complex queries: of alarms and of history, deleted alarms' included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from alarms.alarming_api import rows
from alarms.alarming_api.complexquery import Grammar, Query, read_query
from alarms.alarming_api.shapes import history_json
from alarms.alarming_api.views.alarms import AlarmView
from telemetry_site.auth.principal import Scope


class QueryView(AlarmView):
    """Reads, though it is asked by POST."""

    scopes: Mapping[str, Scope] = {"POST": "read"}

    @property
    def visible_project(self) -> str | None:
        """None: every project's."""
        return None if self.caller.is_admin else self.own_project

    def asked(self, grammar: Grammar) -> Query:
        return read_query(self.object_body("body"), grammar)

    def found(self, all_rows: QuerySet[Any], query: Query, usual: tuple[str, ...]) -> list[Any]:
        listed = all_rows.filter(self.visible, query.condition)
        order = usual if query.order is None else query.order
        return list(listed.order_by(*order)[: query.limit])


class QueryAlarms(QueryView):
    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_read)
        query = self.asked(rows.alarm_grammar(self.visible_project, self.may_write))
        found = self.found(rows.alarms(), query, ("-updated_at", "id"))
        return self.listed_alarms(found)


class QueryHistory(QueryView):
    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_read)
        query = self.asked(rows.history_grammar(self.visible_project, self.may_write))
        found = self.found(rows.history(), query, ("-timestamp", "-id"))
        return self.answer([history_json(row, self.may_write) for row in found])
