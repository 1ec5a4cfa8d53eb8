"""The admin of alarms: looked at here, written by the UI and the API.

What may be done to rows is done by the lifecycle and the outbox, so that history has it. Receivers
are shown without what may be secret in their URLs.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import TabularInline

from alarms import lifecycle, outbox
from alarms.choices import ACTION_FIELDS, SilenceState
from alarms.models import (
    Alarm,
    AlarmAck,
    AlarmHistory,
    Destination,
    Inhibition,
    Notification,
    NotificationAttempt,
    Receiver,
    Route,
    Silence,
)
from alarms.muting import silences
from alarms.muting.matchers import in_words
from alarms.notifier.urls import shown
from alarms.ui import told
from meters.admin import ReadOnly
from telemetry_site.auth.principal import principal_of


class Decidable(ReadOnly):
    """Read-only, with actions for staff that have the change permission."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        name = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(name))


@admin.register(Alarm)
class AlarmAdmin(Decidable):
    list_display = ("name", "state", "severity", "enabled", "project_id", "state_timestamp")
    list_filter = ("state", "severity", "enabled", "type")
    search_fields = ("name", "project_id", "rule__metric", "rule__resource_id")
    ordering = ("name", "pk")
    exclude = ACTION_FIELDS
    readonly_fields = ("rule_in_words", "receivers")
    actions = ("enable", "disable")

    @admin.display(description="rule in words")
    def rule_in_words(self, alarm: Alarm) -> str:
        return told.rule_in_words(alarm)

    @admin.display(description="receivers")
    def receivers(self, alarm: Alarm) -> str:
        return "; ".join(
            f"{state}: {', '.join(urls)}" for state, urls in told.actions(alarm) if urls
        )

    @admin.action(description="Enable", permissions=["decide"])
    def enable(self, request: HttpRequest, rows: QuerySet[Alarm]) -> None:
        self._switch(request, rows, True)

    @admin.action(description="Disable", permissions=["decide"])
    def disable(self, request: HttpRequest, rows: QuerySet[Alarm]) -> None:
        self._switch(request, rows, False)

    def _switch(self, request: HttpRequest, rows: QuerySet[Alarm], enabled: bool) -> None:
        user_id = principal_of(request).user_id
        chosen = list(rows)
        for alarm in chosen:
            lifecycle.change(alarm, {"enabled": enabled}, user_id)
        word = "enabled" if enabled else "disabled"
        messages.info(request, f"{len(chosen)} {word}.")


@admin.register(AlarmHistory)
class AlarmHistoryAdmin(ReadOnly):
    list_display = ("timestamp", "type", "alarm_id", "from_state", "to_state", "project_id")
    list_filter = ("type", "to_state")
    search_fields = ("alarm_id", "project_id")
    ordering = ("-pk",)
    exclude = ("detail",)
    readonly_fields = ("what",)

    @admin.display(description="detail")
    def what(self, row: AlarmHistory) -> str:
        return "; ".join(f"{name}: {value}" for name, value in told.changes(row.detail))


class AttemptInline(TabularInline):  # type: ignore[misc]
    """Each try; the receiver's answer is for administrators."""

    model = NotificationAttempt
    extra = 0
    can_delete = False
    ordering = ("-number",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = ["number", "started_at", "duration_s", "status_code", "error"]
        return [*fields, "answer"] if principal_of(request).is_admin else fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notification)
class NotificationAdmin(Decidable):
    list_display = (
        "alarm_name", "current", "status", "receiver", "attempts", "last_status", "created_at",
    )  # fmt: skip
    list_filter = ("status", "is_test", "current", "last_error")
    search_fields = ("alarm_name", "alarm_id", "destination", "project_id")
    ordering = ("-created_at", "pk")
    exclude = ("url", "body", "lease_token")
    readonly_fields = ("receiver", "content")
    inlines = (AttemptInline,)
    actions = ("retry", "cancel")

    @admin.display(description="receiver")
    def receiver(self, one: Notification) -> str:
        return shown(one.url)

    @admin.display(description="body")
    def content(self, one: Notification) -> str:
        return format_html("<pre>{}</pre>", told.laid_out(one.body))

    @admin.action(description="Send again", permissions=["decide"])
    def retry(self, request: HttpRequest, rows: QuerySet[Notification]) -> None:
        messages.info(request, f"{outbox.retry(rows)} sent again.")

    @admin.action(description="Cancel what waits", permissions=["decide"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Notification]) -> None:
        messages.info(request, f"{outbox.cancel_pending(rows)} cancelled.")


@admin.register(Destination)
class DestinationAdmin(ReadOnly):
    list_display = ("key", "failures", "open_until", "last_error", "updated_at")
    search_fields = ("key",)
    ordering = ("-failures", "key")


@admin.register(Silence)
class SilenceAdmin(Decidable):
    list_display = ("what", "state", "starts_at", "ends_at", "created_by", "comment", "project_id")
    search_fields = ("comment", "created_by", "project_id")
    ordering = ("-ends_at", "pk")
    readonly_fields = ("what", "state")
    exclude = ("matchers",)
    actions = ("expire",)

    @admin.display(description="matchers")
    def what(self, silence: Silence) -> str:
        return in_words(silence.matchers)

    @admin.action(description="End now", permissions=["decide"])
    def expire(self, request: HttpRequest, rows: QuerySet[Silence]) -> None:
        user_id = principal_of(request).user_id
        chosen = [one for one in rows if one.state != SilenceState.EXPIRED]
        for one in chosen:
            silences.expire(one, user_id)
        messages.info(request, f"{len(chosen)} ended.")


@admin.register(Inhibition)
class InhibitionAdmin(ReadOnly):
    list_display = ("sources", "targets", "equal", "comment", "project_id", "created_at")
    search_fields = ("comment", "project_id")
    ordering = ("-created_at", "pk")
    readonly_fields = ("sources", "targets")
    exclude = ("source", "target")

    @admin.display(description="while one fires of")
    def sources(self, one: Inhibition) -> str:
        return in_words(one.source)

    @admin.display(description="quiet are")
    def targets(self, one: Inhibition) -> str:
        return in_words(one.target)


@admin.register(AlarmAck)
class AlarmAckAdmin(ReadOnly):
    list_display = ("alarm_id", "created_by", "comment", "created_at", "until", "ended_at")
    search_fields = ("alarm_id", "created_by", "comment", "project_id")
    ordering = ("-created_at", "pk")


@admin.register(Receiver)
class ReceiverAdmin(ReadOnly):
    list_display = ("name", "address", "project_id", "updated_at")
    search_fields = ("name", "project_id")
    ordering = ("name", "pk")
    exclude = ("url", "secret", "template")
    readonly_fields = ("address",)

    @admin.display(description="address")
    def address(self, one: Receiver) -> str:
        return shown(one.url)


@admin.register(Route)
class RouteAdmin(ReadOnly):
    list_display = ("position", "match", "group_by", "receivers", "project_id")
    search_fields = ("project_id",)
    ordering = ("position", "created_at", "pk")
    exclude = ("actions",)
    readonly_fields = ("receivers",)

    @admin.display(description="receivers")
    def receivers(self, route: Route) -> str:
        return ", ".join(map(shown, route.actions))
