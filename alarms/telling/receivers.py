"""Receivers by name: what may be written of one, making, changing, deleting, trying."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from alarms import outbox, trying
from alarms.choices import ACTION_FIELDS, RECEIVER, ROUTE, WAITING, Severity, State
from alarms.errors import ActionError, DefinitionError, QuotaError, StateError, TemplateError
from alarms.models import Alarm, Notification, Receiver, Route
from alarms.notifier.actions import check_action
from alarms.notifier.schemes.receiver import NAME
from alarms.notifier.templates import PARTS, check_template
from alarms.telling.addresses import destination
from telemetry_site.settings.senders import BASE64_SECRET, check_secrets

FIELDS = ("name", "url", "secret", "template")
#: Of one project.
MOST = 200
SHORTEST_SECRET, LONGEST_SECRET = 16, 255
#: Of those that use a receiver, so many are named.
NAMED = 3
_SECRET = re.compile(r"[\x21-\x7e]+")


class Asked(NamedTuple):
    """What somebody writes of a receiver, checked. `secret` None: as it was."""

    name: str
    url: str
    secret: str | None
    template: dict[str, str] | None


def check(
    fields: Mapping[str, Any], project_id: str | None, is_admin: bool, old: Receiver | None = None
) -> Asked:
    """All fields of a receiver of this project; of `old` what is not given stays. Raises
    `DefinitionError`."""
    for name in fields:
        if name not in FIELDS:
            raise DefinitionError(name[:80], "is no field of a receiver")
    before = {"name": old.name, "url": old.url, "template": old.template} if old else {}
    given = before | dict(fields)
    url = _text("url", given.get("url"))
    if old is None or url != old.url:
        _check_url(url, project_id, is_admin)
    return Asked(
        _name(given.get("name")), url, _secret(given.get("secret")),
        _template(given.get("template")),
    )  # fmt: skip


def _text(field: str, value: Any) -> str:
    if value in (None, ""):
        raise DefinitionError(field, "is required")
    if not isinstance(value, str) or "\0" in value or len(value) > 4096:
        raise DefinitionError(field, "must be a text of at most 4096 characters without NUL")
    return value


def _name(value: Any) -> str:
    name = _text("name", value)
    if not NAME.fullmatch(name):
        raise DefinitionError(
            "name", "must be 1 to 64 letters, digits, dots, hyphens and underscores"
        )
    return name


def _check_url(url: str, project_id: str | None, is_admin: bool) -> None:
    if url.startswith((RECEIVER, ROUTE)):
        raise DefinitionError("url", "must be an address, not another receiver or a route")
    try:
        check_action(url, project_id, is_admin)
    except ActionError as error:
        raise DefinitionError("url", error.detail) from error


def _secret(value: Any) -> str | None:
    """Empty takes it away."""
    if value is None:
        return None
    if value == "":
        return ""
    is_good = isinstance(value, str) and _SECRET.fullmatch(value)
    if not is_good or not SHORTEST_SECRET <= len(value) <= LONGEST_SECRET:
        raise DefinitionError(
            "secret",
            f"must be {SHORTEST_SECRET} to {LONGEST_SECRET} printable ASCII characters, no spaces",
        )
    try:
        check_secrets([value])
    except ImproperlyConfigured as error:
        raise DefinitionError(
            "secret", f"begins with {BASE64_SECRET} and is no base64 after it"
        ) from error
    return str(value)


def _template(value: Any) -> dict[str, str] | None:
    if value in (None, {}):
        return None
    if not isinstance(value, Mapping):
        raise DefinitionError("template", f"must be an object with {' and '.join(PARTS)}")
    for name in value:
        if name not in PARTS:
            raise DefinitionError(f"template.{name[:80]}", "is no part of a template")
    for name, text in value.items():
        try:
            check_template(text)
        except TemplateError as error:
            raise DefinitionError(f"template.{name}", str(error)) from error
    return {name: str(text) for name, text in value.items()}


def create(asked: Asked, project_id: str | None, user_id: str) -> Receiver:
    """Raises `QuotaError` where the project has as many as it may, `StateError` where it has one
    of this name."""
    if Receiver.objects.filter(project_id=project_id).count() >= MOST:
        raise QuotaError(f"The project has {MOST} receivers, the most it may have: delete some.")
    fields = asked._asdict() | {"secret": asked.secret or ""}
    made = Receiver(**fields, project_id=project_id, user_id=user_id)
    _save(made, is_new=True)
    return made


def change(receiver: Receiver, asked: Asked, user_id: str) -> Receiver:
    """What waits goes to the new address. Raises `StateError` for a new name of one that is used,
    and `Receiver.DoesNotExist` when it is gone."""
    with transaction.atomic():
        current: Receiver = Receiver.objects.select_for_update().get(pk=receiver.pk)
        if asked.name != current.name:
            _refuse_if_used(current, "given another name")
        moved = asked.url != current.url
        current.name, current.url, current.template = asked.name, asked.url, asked.template
        current.secret = current.secret if asked.secret is None else asked.secret
        current.user_id = user_id
        _save(current)
        if moved:
            _waiting(current).update(url=current.url, destination=current.destination)
    return current


def _save(receiver: Receiver, is_new: bool = False) -> None:
    receiver.updated_at = Now()
    receiver.destination = destination(receiver.url)
    try:
        with transaction.atomic():
            receiver.save(force_insert=is_new)
    except IntegrityError as error:
        raise StateError(f"The project has a receiver {receiver.name!r} already.") from error
    receiver.refresh_from_db()


def delete(receiver: Receiver) -> None:
    """With it what waits for it is cancelled. Raises `StateError` where something names it."""
    with transaction.atomic():
        current = Receiver.objects.select_for_update().filter(pk=receiver.pk).first()
        if current is None:
            return
        _refuse_if_used(current, "deleted")
        outbox.cancel_pending(_waiting(current))
        current.delete()


def _waiting(receiver: Receiver) -> QuerySet[Notification]:
    return Notification.objects.filter(receiver_id=receiver.pk, status__in=WAITING)


def _refuse_if_used(receiver: Receiver, what: str) -> None:
    found = used_by(receiver)
    if found:
        raise StateError(
            f"The receiver {receiver.name} can't be {what}: it is named by {found}. Take it out of "
            "their actions first."
        )


def used_by(receiver: Receiver) -> str:
    """Which alarms and routes name it, in words; empty where none does."""
    action = f"{RECEIVER}{receiver.name}"
    is_named = Q()
    for field in ACTION_FIELDS:
        is_named |= Q(**{f"{field}__contains": [action]})
    rows = Alarm.objects.filter(is_named, project_id=receiver.project_id).order_by("name", "pk")
    names = [f'"{name[:80]}"' for name in rows.values_list("name", flat=True)[:NAMED]]
    more = rows.count() - len(names)
    said = [f"the alarm{'s' if len(names) > 1 else ''} {', '.join(names)}"] if names else []
    if more > 0:
        said.append(f"{more} more")
    routes = Route.objects.filter(project_id=receiver.project_id, actions__contains=[action])
    if count := routes.count():
        said.append(f"{count} route{'' if count == 1 else 's'}")
    return " and ".join(said)


def send_test(receiver: Receiver, asked_by: str) -> Notification:
    """Put a test message to it into the outbox."""
    body: dict[str, Any] = {
        "alarm_name": f"Test of {receiver.name}", "alarm_id": str(receiver.pk),
        "severity": Severity.LOW.value, "previous": State.OK.value, "current": State.OK.value,
        "reason": f"Test notification requested by {asked_by}", "reason_data": {"type": "test"},
    }  # fmt: skip
    row = Notification(
        alarm_id=receiver.pk, alarm_name=body["alarm_name"], project_id=receiver.project_id,
        severity=Severity.LOW, previous=State.OK, current=State.OK,
        url=f"{RECEIVER}{receiver.name}", destination="receiver", body=json.dumps(body),
    )  # fmt: skip
    [sent] = outbox.put_tests([(row, receiver.project_id)])
    return sent


def try_out(receiver: Receiver, asked_by: str) -> trying.Tried:
    """Send it a test message as every message is sent, and wait for the answer."""
    [tried] = trying.wait([send_test(receiver, asked_by)], trying.PATIENCE_S)
    return tried
