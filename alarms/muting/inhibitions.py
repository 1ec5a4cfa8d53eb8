"""Inhibitions: what may be written of one, making, changing and deleting one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db import transaction

from alarms.choices import Delivery
from alarms.errors import DefinitionError, QuotaError
from alarms.models import Inhibition, Notification
from alarms.muting import matchers
from alarms.muting.fields import free_text, names_of

#: Of one project.
MOST = 100


class Asked(NamedTuple):
    """Checked: `source` and `target` are matchers, `equal` are labels."""

    source: list[dict[str, Any]]
    target: list[dict[str, Any]]
    equal: list[str]
    comment: str


def check(fields: Mapping[str, Any]) -> Asked:
    """Raises `DefinitionError`."""
    for name in fields:
        if name not in Asked._fields:
            raise DefinitionError(name[:80], "is no field of an inhibition")
    comment = fields.get("comment") or ""
    return Asked(
        matchers.check("source", fields.get("source")),
        matchers.check("target", fields.get("target")),
        names_of("equal", fields.get("equal"), matchers.LABELS),
        free_text("comment", comment) if comment else "",
    )


def create(asked: Asked, project_id: str | None, user_id: str) -> Inhibition:
    """Raises `QuotaError` where the project has as many as it may."""
    if Inhibition.objects.filter(project_id=project_id).count() >= MOST:
        raise QuotaError(f"The project has {MOST} inhibitions, the most it may have: delete some.")
    made = Inhibition(**asked._asdict(), project_id=project_id, user_id=user_id)
    made.save(force_insert=True)
    made.refresh_from_db()
    return made


def change(one: Inhibition, asked: Asked, user_id: str) -> Inhibition:
    """What it may have kept back is judged anew by the next sweep. Raises `Inhibition.DoesNotExist`
    when it is gone."""
    with transaction.atomic():
        fields = {**asked._asdict(), "user_id": user_id}
        if not Inhibition.objects.filter(pk=one.pk).update(**fields):
            raise Inhibition.DoesNotExist
        _judge_anew(one.project_id)
    one.refresh_from_db()
    return one


def delete(one: Inhibition) -> None:
    """What it may have kept back is judged anew by the next sweep."""
    with transaction.atomic():
        one.delete()
        _judge_anew(one.project_id)


def _judge_anew(project_id: str | None) -> None:
    kept_back = Notification.objects.filter(status=Delivery.SUPPRESSED, project_id=project_id)
    kept_back.exclude(inhibited_by=[]).update(inhibited_by=[])
