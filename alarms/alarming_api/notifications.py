"""Rows of `/v2/notifications`: each attempt to send a message is one, and so is a message that was
not tried yet or never will be. aodh has none.

A row's id is the message's and the attempt's number, ``3f0c….2``; 0 is that of a message without an
attempt. The order is by what never changes, so a page goes on behind a row that has become another.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from alarms.alarming_api.base import SCOPES
from alarms.alarming_api.paging import MOST, Listing
from alarms.alarming_api.rows import severity_rank
from alarms.alarming_api.shapes import time_text
from alarms.choices import Delivery, Severity, State
from alarms.models import AlarmHistory, Notification, Receiver
from alarms.notifier.urls import shown
from alarms.queries import NotificationQuerySet
from meters.api.params import is_uuid
from meters.metric_api.paging import Sort
from meters.wsme import simple
from meters.wsme.errors import invalid


class RowId(NamedTuple):
    """`number` 0: not tried."""

    message: UUID
    number: int

    def __str__(self) -> str:
        return f"{self.message}.{self.number}"


def read_id(text: str) -> RowId | None:
    """None: it can be no row's."""
    message, _, number = text.partition(".")
    if not is_uuid(message) or not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    return RowId(UUID(message), int(number))


def messages() -> NotificationQuerySet:
    """With what rows are sorted and looked for by, but for the attempt.

    A route of the installation may send a project's messages to a receiver of the installation,
    of which the project is told nothing.
    """
    owner = Coalesce(OuterRef("project_id"), Value(""))
    receivers = Receiver.objects.alias(owner=Coalesce("project_id", Value(""))).filter(
        pk=OuterRef("receiver_id"), owner=owner
    )
    found: NotificationQuerySet = Notification.objects.alias(
        severity_rank=severity_rank(), receiver_name=Subquery(receivers.values("name")[:1])
    )
    return found


def attempts(found: QuerySet[Notification]) -> QuerySet[Any]:
    """Each message once for each of its attempts, or once without any."""
    transitions = AlarmHistory.objects.filter(
        alarm_id=OuterRef("alarm_id"), state_version=OuterRef("state_version")
    )
    each: QuerySet[Any] = found.annotate(
        attempt_no=Coalesce(F("tries__number"), 0),
        started_at=F("tries__started_at"),
        took_s=F("tries__duration_s"),
        status_code=F("tries__status_code"),
        fault=F("tries__error"),
        answer=F("tries__answer"),
        receiver=F("receiver_name"),
        transition_id=Subquery(transitions.values("event_id")[:1]),
    )
    return each


def _marked(found: QuerySet[Any], marker: str) -> QuerySet[Any] | None:
    """Where the row stands, or stood before its message was tried."""
    row_id = read_id(marker)
    if row_id is None:
        return None
    row: QuerySet[Any] = found.filter(pk=row_id.message).alias(attempt_no=Value(row_id.number))
    return row


LISTING = Listing(
    fields={
        "timestamp": "created_at", "notification_id": "id", "attempt": "attempt_no",
        "alarm_id": "alarm_id", "project_id": "project_id", "severity": "severity_rank",
        "state": "current",
    },
    usual=(Sort("timestamp", "desc", "created_at"),),
    ties=(Sort("notification_id", "asc", "id"), Sort("attempt", "desc", "attempt_no")),
    marked=_marked,
    most=MOST,
)  # fmt: skip

# --- the simple query --------------------------------------------------------------------------

_IDS = {"alarm_id": "alarm_id", "notification_id": "id"}
_CHOICES = {
    "state": ("current", State.values),
    "status": ("status", Delivery.values),
    "severity": ("severity", Severity.values),
}
_OTHERS = ("destination", "receiver", "test", "timestamp", "transition_id")
KEYS = sorted([*_IDS, *_CHOICES, *_OTHERS, *SCOPES])


def condition(terms: Sequence[simple.Term]) -> Q:
    """On messages; whose are asked for is another question. Raises `Fault`."""
    found = Q()
    for term in terms:
        simple.check_type(term)
        if term.field not in KEYS:
            raise simple.unrecognized(term, terms, KEYS)
        if term.field == "timestamp":
            at = simple.widened(term, timedelta())
            found &= Q((f"created_at__{simple.BOUNDS[term.op]}", at))
            continue
        simple.require_operator(term)
        if term.field not in SCOPES:
            found &= _equal(term)
    return found


def _equal(term: simple.Term) -> Q:
    if term.field == "test":
        return Q(is_test=simple.is_true(term))
    text = simple.text_of(term)
    if term.field == "destination":
        return Q(destination=text)
    if term.field == "receiver":
        named = Receiver.objects.filter(name=text).values("pk")
        return Q(receiver_id__in=named, receiver_name=text)
    if term.field in _CHOICES:
        field, known = _CHOICES[term.field]
        if text not in known:
            raise invalid(term.field, text, f"Value should be one of: {', '.join(known)}")
        return Q((field, text))
    if not is_uuid(text):
        raise invalid(term.field, text, "it is no UUID")
    return _of_transition(text) if term.field == "transition_id" else Q((_IDS[term.field], text))


def _of_transition(event_id: str) -> Q:
    """What a row of history asked to be sent, with its repetitions."""
    known = AlarmHistory.objects.filter(event_id=event_id, state_version__isnull=False)
    found = known.values_list("alarm_id", "state_version").first()
    if found is None:
        return Q(pk__in=[])
    alarm_id, version = found
    return Q(alarm_id=alarm_id, state_version=version)


# --- how a row looks ---------------------------------------------------------------------------


def row_json(row: Any, is_admin: bool) -> dict[str, Any]:
    """Of one of `attempts`. The action is never whole; what the receiver answered is for
    administrators, as it may come out of the operator's network."""
    waits = row.status == Delivery.PENDING and row.attempt_no == row.attempts
    return {
        "id": str(RowId(row.pk, row.attempt_no)),
        "notification_id": str(row.pk),
        "alarm_id": str(row.alarm_id),
        "alarm_name": row.alarm_name,
        "project_id": row.project_id,
        "severity": row.severity,
        "previous": row.previous,
        "state": row.current,
        "transition_id": _text(row.transition_id),
        "test": row.is_test,
        "action": shown(row.url),
        "receiver": row.receiver,
        "destination": row.destination,
        "timestamp": time_text(row.created_at),
        "status": row.status,
        "silenced_by": list(map(str, row.silenced_by)),
        "inhibited_by": list(map(str, row.inhibited_by)),
        "group_id": _text(row.group_id),
        "attempt": row.attempt_no or None,
        "started": _time(row.started_at),
        "took_ms": None if row.took_s is None else round(row.took_s * 1000),
        "status_code": row.status_code,
        "error": row.fault if row.attempt_no else row.last_error,
        "answer": row.answer if is_admin and row.attempt_no else None,
        "next_attempt": time_text(row.next_attempt_at) if waits else None,
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)
