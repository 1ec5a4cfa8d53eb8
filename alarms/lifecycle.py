"""What people do to alarms: make, change, delete, set the state. Every door comes through here.

Each function is one transaction with its history row, and leaves the evaluator's columns alone:
what it writes is compared with what it read (`definition_version`, `state_version`), so neither
undoes the other (rule E3). Texts, defaults and history rows are aodh's (alarms.md 1.4, 1.9, 5).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from alarms import changes, trusting
from alarms.choices import ACTION_FIELDS, HOUSE_DESTINATIONS, Change, Severity, State
from alarms.definition import Rule, as_stored, parse_rule
from alarms.definition.constraints import parse_constraints
from alarms.definition.policy import Template, parse_policy, policy_as_stored
from alarms.errors import ActionError, ChangedError, DefinitionError, QuotaError, TemplateError
from alarms.models import Alarm, AlarmHistory, AlarmQuota, Notification, PolicyMemory
from alarms.notifier.actions import check_action
from alarms.notifier.templates import PARTS, check_template
from alarms.outbox import announce, cancel_pending
from meters.api.names import flaw_of, unstorable
from telemetry_site.failpoints import failpoint

MANUALLY = "Manually set via API"
#: The fields of a definition, in aodh's order. What is not among them nobody can write.
FIELDS = (
    "enabled", "name", "description", "type", "rule", "severity", "repeat_actions",
    "ok_actions", "alarm_actions", "insufficient_data_actions", "time_constraints", "policy",
)  # fmt: skip
_REQUIRED = ("name", "type", "rule")
#: Columns beside the definition of which history does not tell.
_UNTOLD = ("is_unscoped", "managed_by")
MAX_NAME = 255
MAX_TEXT = 4096
#: Time for the names in all actions of one alarm.
LOOK_UP_S = 10.0
#: First half of the key of the lock under which a project's alarms are counted.
_QUOTA_LOCK = 0x616C6172


class Author(NamedTuple):
    """Who did it, and for which project; "" where that is not known."""

    user_id: str
    project_id: str = ""


def create(
    fields: Mapping[str, Any],
    project_id: str | None,
    user_id: str,
    by: Author | None = None,
    **more: Any,
) -> Alarm:
    """Make an alarm of checked fields (see `check`). It is due at once.

    `user_id` is whose it is, and who made it unless `by` says otherwise. `more` may be a `state`
    to begin in, and `is_unscoped`. Raises `QuotaError` where the project has as many as it may.
    """
    alarm = Alarm(**fields, project_id=project_id, user_id=user_id, **more)
    with transaction.atomic():
        _check_quota(project_id, user_id)
        alarm.save(force_insert=True)
        alarm.refresh_from_db()
        author = by or Author(user_id)
        _record(alarm, Change.CREATION, author, described(alarm), severity=alarm.severity)
    failpoint("api.after_commit")
    return alarm


def quota(project_id: str) -> int:
    """How many alarms the project may have; -1: any number."""
    own = AlarmQuota.objects.filter(pk=project_id).values_list("limit", flat=True).first()
    usual: int = settings.TELEMETRY_ALARMS_PER_PROJECT
    return max(usual if own is None else own, -1)


def _check_quota(project_id: str | None, user_id: str) -> None:
    """Counting and inserting are one step for all processes (S54): the lock is held until then.

    The installation's own alarms are not counted: only administrators make them.
    """
    if project_id is None:
        return
    limits = {
        "project": (quota(project_id), Alarm.objects.filter(project_id=project_id)),
        "user": (settings.TELEMETRY_ALARMS_PER_USER, Alarm.objects.filter(user_id=user_id)),
    }
    for name, (most, rows) in limits.items():
        if most < 0:
            continue
        _lock(f"{name} {project_id if name == 'project' else user_id}")
        if rows.count() >= most:
            fault = f"Alarm quota exceeded for user {user_id} on project {project_id}"
            words = f"The {name} has {most} alarms, the most it may have: delete some."
            raise QuotaError(words, fault)


def _lock(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_QUOTA_LOCK, name])


def change(
    alarm: Alarm,
    fields: Mapping[str, Any],
    user_id: str,
    version: int | None = None,
    by: Author | None = None,
) -> Alarm:
    """Write what differs; nothing that does leaves no trace. The next evaluation is at once.

    `fields` may hold whose it is from now on (`project_id`, `user_id`, `is_unscoped`), and a
    `state` to set with the rest. With a `version` only if that is still the alarm's
    `definition_version`; else `ChangedError`.
    Raises `Alarm.DoesNotExist` when the alarm is gone.
    """
    author = by or Author(user_id)
    with transaction.atomic():
        current: Alarm = Alarm.objects.select_for_update(no_key=True).get(pk=alarm.pk)
        if version not in (None, current.definition_version):
            raise ChangedError(
                f"Somebody has changed the alarm meanwhile: its definition_version is "
                f"{current.definition_version}, not {version}. Read it again, then change it."
            )
        fields = trusting.reattached(current, fields)
        changed = {name: value for name, value in fields.items() if getattr(current, name) != value}
        if changed:
            before = trusting.urls_of(current)
            _write_definition(current, changed, author)
            trusting.let_go(current, before, trusting.urls_of(current))
    return current


def touch(alarm: Alarm) -> None:
    """The definition was written once more as it was."""
    Alarm.objects.filter(pk=alarm.pk).update(updated_at=Now())
    alarm.refresh_from_db()


def _write_definition(alarm: Alarm, changed: dict[str, Any], author: Author) -> None:
    if changed.keys() & {"type", "rule"}:
        # Who may not look at everything must not get to it by rewriting an administrator's rule.
        changed = {"is_unscoped": False} | changed
    before, more = alarm.state, {}
    if "state" in changed:
        changed |= {"state_reason": MANUALLY}
        more = {
            "state_timestamp": Now(), "state_reason_data": {}, "repeat_no": 0,
            "state_version": F("state_version") + 1,
        }  # fmt: skip
    Alarm.objects.filter(pk=alarm.pk).update(
        **changed,
        **more,
        definition_version=F("definition_version") + 1,
        updated_at=Now(),
        evaluate_at=Now(),
        evaluation_error="",
        evaluation_failures=0,
    )
    alarm.refresh_from_db()
    if alarm.policy is None and "policy" in changed:
        PolicyMemory.objects.filter(pk=alarm.pk).delete()
    states = {
        "state_version": alarm.state_version, "from_state": before, "to_state": alarm.state,
    }  # fmt: skip
    detail = {name: value for name, value in changed.items() if name not in _UNTOLD}
    if detail:
        _record(
            alarm, Change.RULE_CHANGE, author, detail,
            severity=alarm.severity if "severity" in changed else "",
            **(states if "state" in changed else {}),
        )  # fmt: skip


def delete(alarm: Alarm, user_id: str, by: Author | None = None) -> None:
    """Delete the alarm and cancel what waits to be sent for it; history stays."""
    with transaction.atomic():
        gone, _ = Alarm.objects.filter(pk=alarm.pk).delete()
        if gone:
            detail = {"state": alarm.state}
            author = by or Author(user_id)
            _record(alarm, Change.DELETION, author, detail, severity=alarm.severity)
            own = Notification.objects.filter(alarm_id=alarm.pk)
            cancel_pending(own.exclude(destination__in=HOUSE_DESTINATIONS))
            trusting.let_go(alarm, trusting.urls_of(alarm), [])


def set_state(
    alarm: Alarm, state: str, user_id: str, reason: str = MANUALLY, by: Author | None = None
) -> Alarm:
    """Set the state by hand: recorded also where it is the same, and no action fires.

    Raises `Alarm.DoesNotExist` when the alarm is gone.
    """
    if state not in State.values:
        raise DefinitionError("state", f"must be one of {', '.join(State.values)}")
    with transaction.atomic():
        current: Alarm = Alarm.objects.select_for_update(no_key=True).get(pk=alarm.pk)
        before = current.state
        Alarm.objects.filter(pk=alarm.pk).update(
            state=state,
            state_reason=reason,
            state_reason_data={},
            state_timestamp=current.state_timestamp if before == state else Now(),
            state_version=F("state_version") + 1,
            repeat_no=0,
        )
        current.refresh_from_db()
        _record(
            current, Change.STATE_TRANSITION, by or Author(user_id),
            {"state": state, "state_reason": reason}, severity=current.severity,
            state_version=current.state_version, from_state=before, to_state=state,
        )  # fmt: skip
    return current


def check(fields: Mapping[str, Any], policy: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a whole definition, checked and filled up with defaults.

    `policy` is the one that the alarm has: without a word about it, it stays. Actions are only
    looked at as a list of texts; whether somebody may send there is `check_actions`' to say.
    Raises `DefinitionError`.
    """
    unknown = sorted(fields.keys() - set(FIELDS))
    if unknown:
        raise DefinitionError(unknown[0][:80], "is no field of an alarm's definition")
    for name in _REQUIRED:
        if name not in fields:
            raise DefinitionError(name, "is required")
    known = _defaults() | {"policy": policy} | dict(fields)
    for name, checker in _CHECKERS.items():
        known[name] = checker(name, known.get(name))
    rule = parse_rule(str(known.get("type")), known.get("rule"))
    return known | {"rule": as_stored(rule), "policy": _policy(known, rule)}


def _policy(fields: Mapping[str, Any], rule: Rule) -> dict[str, Any] | None:
    if fields["policy"] is None:
        return None
    policy = parse_policy(fields["policy"], str(fields["type"]), rule)
    if policy.template:
        _check_template(policy.template)
    return policy_as_stored(policy)


def _check_template(template: Template) -> None:
    for name in PARTS:
        try:
            check_template(getattr(template, name))
        except TemplateError as error:
            raise DefinitionError(f"policy.template.{name}", str(error)) from error


def check_actions(
    fields: Mapping[str, Any], project_id: str | None, is_admin: bool, alarm: Alarm | None = None
) -> None:
    """Raises `DefinitionError` for the first of `action_faults`."""
    for name, place, words in action_faults(fields, project_id, is_admin, alarm):
        raise DefinitionError(f"{name}[{place}]", words)


def action_faults(
    fields: Mapping[str, Any], project_id: str | None, is_admin: bool, alarm: Alarm | None = None
) -> Iterator[tuple[str, int, str]]:
    """(field, position, sentence) of actions among `fields` to which messages for an alarm of this
    project may not be sent.

    Asked whenever somebody writes an alarm by hand. Names are looked up for it, for a while all
    together, so that nobody's slow name server holds a thread for long; then it ends. What `alarm`
    has a trust for stays as it is.
    """
    trusted = trusting.stored_urls(alarm)
    deadline = time.monotonic() + LOOK_UP_S
    for name in ACTION_FIELDS:
        for place, url in enumerate(fields.get(name, ())):
            if time.monotonic() >= deadline:
                yield name, place, "could not be looked up in time"
                return
            if url in trusted:
                continue
            try:
                check_action(url, project_id, is_admin)
            except ActionError as error:
                yield name, place, str(error)


def described(alarm: Alarm) -> dict[str, Any]:
    """The whole definition with the state, for the history row of a creation."""
    fields = {name: getattr(alarm, name) for name in FIELDS}
    if alarm.policy is None:
        del fields["policy"]
    return {
        "alarm_id": str(alarm.pk),
        **fields,
        "project_id": alarm.project_id,
        "user_id": alarm.user_id,
        "state": alarm.state,
        "state_reason": alarm.state_reason,
        "timestamp": alarm.updated_at.isoformat(),
        "state_timestamp": alarm.state_timestamp.isoformat(),
    }


def _defaults() -> dict[str, Any]:
    blank = Alarm()
    names = ("enabled", "description", "severity", "repeat_actions")
    return {name: getattr(blank, name) for name in names}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DefinitionError(name, "must be a text")
    if flaw := unstorable(value):
        raise DefinitionError(name, flaw)
    if len(value) > MAX_TEXT:
        raise DefinitionError(name, f"has {len(value)} characters, at most {MAX_TEXT} are allowed")
    return value


def check_name(name: str, value: Any) -> str:
    """A text of which something can be seen. Raises `DefinitionError`."""
    text = _text(name, value)
    if not 1 <= len(text) <= MAX_NAME:
        raise DefinitionError(name, f"must have 1 to {MAX_NAME} characters")
    if flaw := flaw_of(text):
        raise DefinitionError(name, flaw)
    return text


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise DefinitionError(name, "must be true or false")
    return value


def _severity(name: str, value: Any) -> str:
    if value not in Severity.values:
        raise DefinitionError(name, f"must be one of {', '.join(Severity.values)}")
    return str(value)


def _actions(name: str, value: Any) -> list[str]:
    """Texts without repetition, in the order of their first mention."""
    given: Iterable[Any] = [] if value is None else value
    if not isinstance(given, list):
        raise DefinitionError(name, "must be a list of URLs")
    most = settings.TELEMETRY_ACTIONS_PER_STATE
    if len(given) > most:
        fault = f"{name} count exceeds maximum value {most}"
        raise DefinitionError(name, f"has {len(given)} actions, at most {most} are allowed", fault)
    return list(dict.fromkeys(_text(f"{name}[{place}]", one) for place, one in enumerate(given)))


def _constraints(name: str, value: Any) -> list[dict[str, Any]]:
    return [one.described() for one in parse_constraints(value, name)]


_CHECKERS: dict[str, Any] = {
    "name": check_name,
    "description": _text,
    "enabled": _flag,
    "severity": _severity,
    "repeat_actions": _flag,
    "ok_actions": _actions,
    "alarm_actions": _actions,
    "insufficient_data_actions": _actions,
    "time_constraints": _constraints,
}


def _record(
    alarm: Alarm, change_type: str, by: Author, detail: dict[str, Any], **more: Any
) -> None:
    row = AlarmHistory.objects.create(
        alarm_id=alarm.pk,
        type=change_type,
        detail=detail,
        project_id=alarm.project_id,
        user_id=by.user_id,
        user_project_id=by.project_id,
        **more,
    )
    told = changes.rows([(alarm, row)])
    if told:
        Notification.objects.bulk_create(told)
        announce(len(told))
