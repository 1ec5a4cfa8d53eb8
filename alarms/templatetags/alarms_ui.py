"""Template tags of alarms: counts for every page's head, badges, rules and answers in words."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from alarms.api.base import may_edit
from alarms.choices import Delivery, State
from alarms.models import Alarm, Notification, NotificationAttempt, Silence
from alarms.muting.marks import Mark
from alarms.muting.matchers import in_words
from alarms.notifier import urls
from alarms.ui import told
from alarms.ui.glance import Glance, glance, worst
from telemetry_site.auth.principal import Principal

register = template.Library()

#: How good or bad a state is: the class of its badge. The badge always says the state in words.
STATE_CLASSES: dict[str, str] = {
    State.OK: "ok",
    State.ALARM: "error",
    State.INSUFFICIENT_DATA: "warning",
}
DELIVERY_CLASSES: dict[str, str] = {
    Delivery.DELIVERED: "ok",
    Delivery.GROUPED: "ok",
    Delivery.PENDING: "warning",
    Delivery.GATHERING: "warning",
    Delivery.FAILED: "error",
    Delivery.DEAD: "error",
}


@register.simple_tag(takes_context=True)
def alarm_counts(context: template.Context) -> Glance:
    """Counted once a request; zeros on pages of nobody (login, errors)."""
    request = context.get("request")
    principal = getattr(request, "principal", None)
    if not isinstance(principal, Principal):
        return Glance()
    known: Glance | None = getattr(request, "_alarm_counts", None)
    if known is None:
        known = glance(principal)
        request._alarm_counts = known  # type: ignore[union-attr]
    return known


@register.simple_tag
def worst_alarms(principal: Principal) -> list[Alarm]:
    return worst(principal)


@register.filter
def may_alarm(principal: Principal, project_id: str | None) -> bool:
    """Whether this principal may make an alarm on what is this project's."""
    return may_edit(principal, project_id)


@register.simple_tag
def state_badge(state: str) -> SafeString:
    return _badge(state, STATE_CLASSES.get(state, ""))


@register.simple_tag
def delivery_badge(status: str) -> SafeString:
    return _badge(status, DELIVERY_CLASSES.get(status, ""))


def _badge(word: str, kind: str) -> SafeString:
    return format_html('<span class="badge {}">{}</span>', kind, word)


@register.simple_tag
def invalid(errors: dict[str, list[str]], name: str) -> SafeString:
    """What a field with an error says of itself."""
    if name not in errors:
        return SafeString("")
    return format_html('aria-invalid="true" aria-describedby="{}-error"', name)


@register.simple_tag
def field_errors(errors: dict[str, list[str]], name: str) -> SafeString:
    """The errors of a field, right below it."""
    if name not in errors:
        return SafeString("")
    lines = format_html_join("", '<span class="block">{}</span>', ((one,) for one in errors[name]))
    return format_html('<span class="field-error" id="{}-error">{}</span>', name, lines)


@register.filter
def state_class(state: str) -> str:
    return STATE_CLASSES.get(state, "")


@register.filter
def of(known: dict[UUID, Mark], alarm: Alarm) -> Mark | None:
    """An alarm's marks."""
    return known.get(alarm.pk)


@register.filter
def matchers_in_words(silence: Silence) -> str:
    return in_words(silence.matchers)


@register.filter
def rule_in_words(alarm: Alarm) -> str:
    return told.rule_in_words(alarm)


@register.filter
def shown(url: str) -> str:
    """An action's URL without what may be secret in it."""
    return urls.shown(url)


@register.filter
def answer(one: Notification | NotificationAttempt) -> str:
    """The receiver's answer in a word or two."""
    if isinstance(one, Notification):
        return told.answer_in_words(one.last_status, one.last_error)
    return told.answer_in_words(one.status_code, one.error)


@register.filter
def last_answer(receiver: Any) -> str:
    """What became of the last message to a receiver, in a word or two."""
    return told.answer_in_words(receiver.last_code, receiver.last_error or "")


@register.filter
def next_try(notification: Notification, now: datetime) -> datetime | None:
    return told.next_try(notification, now)
