"""What every view of this door shares: who asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from alarms.alarming_api.errors import not_found
from alarms.alarming_api.errors import translate as translate_alarms
from alarms.lifecycle import Author
from alarms.models import Alarm
from meters.api.params import is_uuid
from meters.metric_api import addresses
from meters.wsme import simple
from meters.wsme.errors import foreign
from meters.wsme.view import WsmeView
from telemetry_site.auth import tokens
from telemetry_site.auth.principal import Scope

#: Fields of a simple query that say whose rows are asked for (`AlarmingView.asked_projects`).
SCOPES = ("all_projects", "project_id")


class AlarmingView(WsmeView):
    """A view of this door: of alarms and what belongs to them."""

    scopes: Mapping[str, Scope] = {
        "GET": "read", "HEAD": "read", "POST": "alarms", "PUT": "alarms", "DELETE": "alarms",
    }  # fmt: skip
    translate = staticmethod(translate_alarms)

    # --- who asks ------------------------------------------------------------------------------

    @property
    def author(self) -> Author:
        return Author(self.caller.user_id, self.caller.project_id)

    @property
    def keystone_token(self) -> str:
        """The caller's own, or an empty text where none of Keystone's was brought."""
        given = self.request.META.get("HTTP_X_AUTH_TOKEN", "").strip()
        return "" if given.startswith(tokens.PREFIX) else given

    @property
    def of_own(self) -> Q:
        """Rows of the own project; of who has none there are none."""
        if self.own_project is None and not self.caller.is_admin:
            return Q(pk__in=[])
        return Q(project_id=self.own_project)

    @property
    def visible(self) -> Q:
        """Rows that the caller may know of."""
        return Q() if self.caller.is_admin else self.of_own

    def asked_projects(self, terms: Sequence[simple.Term]) -> Q:
        """What a simple query says of `project_id` and `all_projects`: the own project's rows,
        another's or all. What is not the caller's to see is refused."""
        wants_all = [simple.is_true(term) for term in terms if term.field == "all_projects"]
        if any(wants_all):
            self.require(self.caller.is_admin)
        asked = [simple.text_of(term) for term in terms if term.field == "project_id"]
        for project in asked:
            if project != self.own_project and not self.caller.is_admin:
                raise foreign("project", project)
        if asked:
            return Q(*[Q(project_id=project) for project in asked])
        return Q() if any(wants_all) else self.of_own

    @property
    def may_read(self) -> bool:
        return self.caller.is_admin or self._has_role("reader", "member")

    @property
    def may_write(self) -> bool:
        """Whether the caller may change alarms of the own project, and so see them whole."""
        is_member = self.caller.is_admin or self._has_role("member")
        return is_member and self.caller.may("alarms")

    def _has_role(self, *names: str) -> bool:
        return bool(self.caller.project_id) and not self.caller.roles.isdisjoint(names)

    def visible_alarm(self, alarm_id: str) -> Alarm:
        """404 for what is not the caller's to know of."""
        found: Alarm | None = self.visible_row(Alarm.objects.all(), alarm_id)
        if found is None:
            raise not_found()
        return found

    def visible_row(self, rows: QuerySet[Any], ident: Any) -> Any:
        """The row with this id if the caller may know of it, or None."""
        if not isinstance(ident, str) or not is_uuid(ident):
            return None
        return rows.filter(self.visible, pk=ident).first()


def root_url(request: HttpRequest) -> str:
    """The door's address, without a slash at the end."""
    here = f"{addresses.site_url(request)}/{settings.TELEMETRY_ALARMING_API_PREFIX}"
    return settings.TELEMETRY_ALARMING_API_URL or here
