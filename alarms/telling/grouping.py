"""Messages of routes: what alarms with the action ``route://`` have to say is gathered, by group,
and told at once (alarms.md 8.2, item 8).

What an alarm has to say is a row of the outbox like any other, written with its transition. Here
rows are given to groups, and a group's message is made of them when it is due: in sets, and each
step in one transaction under one lock, so that being killed anywhere loses and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from alarms import outbox
from alarms.models import Notification
from alarms.muting.hours import muted_now
from alarms.muting.judging import judge_or_send
from alarms.rows import copy_in
from alarms.telling import bodies
from alarms.telling.addresses import destination, resolve
from alarms.telling.matching import ROUTE_OF, labels_of
from telemetry_site.failpoints import failpoint

#: Groups that are told in one transaction, and alarms in one message.
GROUPS = 100
LARGEST = 500
#: Who tells groups, and who changes a route, does so alone.
LOCK = 0x726F7574  # "rout"

_IS_ALONE = "SELECT pg_try_advisory_xact_lock(%s)"
_STAND_IN_LINE = "SELECT pg_advisory_xact_lock(%s)"
#: A group's first message is due `wait` after the first thing that it has to say, a later one not
#: before `interval` has gone since the last. What no route takes is refused, and can be retried.
#: A group's id follows from what it is, so that nothing here has to be looked for in anything else;
#: a route that is changed has other groups.
_GATHER = f"""
WITH waiting AS MATERIALIZED (
    SELECT row.id, row.project_id,
           least(coalesce(row.released_at, row.created_at), statement_timestamp()) AS since,
           route.id AS route_id, route.key, route.wait,
           md5(concat_ws('/', route.id, extract(epoch FROM route.updated_at),
                         row.project_id, array_to_json(route.key)))::uuid AS group_id
    FROM alarms_notification AS row JOIN alarms_alarm AS alarm ON alarm.id = row.alarm_id
    LEFT JOIN LATERAL {ROUTE_OF} AS route ON true
    WHERE row.status = 'gathering' AND row.group_id IS NULL),
gathered AS (
    INSERT INTO alarms_routegroup AS known (id, route_id, project_id, key, told, due_at, touched_at)
    SELECT group_id, route_id, project_id, key, 0,
           min(since) + min(wait) * interval '1 second', statement_timestamp()
    FROM waiting WHERE route_id IS NOT NULL GROUP BY group_id, route_id, project_id, key
    ON CONFLICT ON CONSTRAINT group_identity DO UPDATE
    SET touched_at = statement_timestamp(), due_at = coalesce(known.due_at, greatest(
        excluded.due_at, known.told_at + (
            SELECT route.interval * interval '1 second' FROM alarms_route AS route
            WHERE route.id = known.route_id))))
UPDATE alarms_notification AS row
SET group_id = CASE WHEN waiting.route_id IS NOT NULL THEN waiting.group_id END,
    status = CASE WHEN waiting.route_id IS NULL THEN 'failed' ELSE row.status END,
    last_error = CASE WHEN waiting.route_id IS NULL THEN 'no_route' ELSE '' END
FROM waiting WHERE row.id = waiting.id AND row.status = 'gathering'
"""
_DUE = """
SELECT id FROM alarms_routegroup WHERE due_at <= statement_timestamp()
ORDER BY due_at LIMIT %s FOR UPDATE
"""
_ALARMS = """
SELECT DISTINCT alarm_id FROM alarms_notification
WHERE status = 'gathering' AND group_id = ANY(%s)
"""
_HOLD = """
UPDATE alarms_notification SET status = 'suppressed', silenced_by = %s, inhibited_by = %s,
       last_error = %s, group_id = NULL
WHERE status = 'gathering' AND group_id = ANY(%s) AND alarm_id = ANY(%s)
"""
#: Of an alarm its newest row is told, of one on events each. Where it is as it was when the group
#: was told last, only a repetition says so, and a message of nothing else waits for the
#: `repeat_interval`. Where it is otherwise by now, the row is over.
_DECIDE = """
WITH said AS (
    SELECT row.id, row.group_id, row.created_at, known.told,
           alarm.type = 'event' AS is_event,
           alarm.enabled AND alarm.state = row.current AS holds,
           row.current <> first_value(row.previous) OVER (
               of_alarm ORDER BY row.state_version, row.repeat_no) AS is_other,
           bool_or(row.repeat_no > 0) OVER of_alarm AS repeats,
           row_number() OVER (
               of_alarm ORDER BY row.state_version DESC, row.repeat_no DESC) AS age,
           coalesce(known.told_at + route.repeat_interval * interval '1 second'
                    <= statement_timestamp(), true) AS may_repeat
    FROM alarms_notification AS row
    JOIN alarms_routegroup AS known ON known.id = row.group_id
    JOIN alarms_route AS route ON route.id = known.route_id
    LEFT JOIN alarms_alarm AS alarm ON alarm.id = row.alarm_id
    WHERE row.status = 'gathering' AND row.group_id = ANY(%(groups)s)
    WINDOW of_alarm AS (PARTITION BY row.group_id, row.alarm_id)),
judged AS (
    SELECT id, group_id, created_at, told, is_event OR is_other AS is_new, may_repeat,
           coalesce(holds AND (age = 1 OR is_event) AND (is_event OR is_other OR repeats), false)
               AS is_said
    FROM said),
heard AS (
    SELECT id, group_id, created_at, told,
           is_said AND bool_or(is_said AND (is_new OR may_repeat)) OVER (PARTITION BY group_id)
               AS tells
    FROM judged),
numbered AS MATERIALIZED (
    SELECT id, tells, told + 1 + (row_number() OVER (
        PARTITION BY group_id, tells ORDER BY created_at, id) - 1) / %(largest)s AS no
    FROM heard)
UPDATE alarms_notification AS row
SET status = CASE WHEN tells THEN 'grouped' ELSE 'cancelled' END,
    group_no = CASE WHEN tells THEN no END
FROM numbered WHERE row.id = numbered.id AND row.status = 'gathering'
"""
_MESSAGES = """
SELECT known.id, row.group_no, known.project_id, route.project_id, route.actions, route.group_by,
       known.key, string_agg(row.body, ', ' ORDER BY row.created_at, row.id), count(*),
       array_agg(DISTINCT row.severity), array_agg(DISTINCT row.current)
FROM alarms_notification AS row JOIN alarms_routegroup AS known ON known.id = row.group_id
JOIN alarms_route AS route ON route.id = known.route_id
WHERE row.status = 'grouped' AND row.group_id = ANY(%s) AND row.group_no > known.told
GROUP BY known.id, row.group_no, route.id
"""
_TOLD = """
UPDATE alarms_routegroup AS known
SET due_at = NULL, touched_at = statement_timestamp(), told = greatest(known.told, new.told),
    told_at = CASE WHEN new.told > known.told THEN statement_timestamp() ELSE told_at END
FROM unnest(%s::uuid[]) AS due (id) LEFT JOIN (
    SELECT group_id AS id, max(group_no) AS told FROM alarms_notification
    WHERE group_id = ANY(%s) AND group_no IS NOT NULL AND alarm_id <> group_id
    GROUP BY group_id) AS new USING (id)
WHERE known.id = due.id
"""


class _Told(NamedTuple):
    """One message, before it is one for each action; `payloads` are bodies with commas between."""

    group_id: UUID
    number: int
    project_id: str | None
    owner: str | None
    actions: list[str]
    group_by: list[str]
    key: list[str]
    payloads: str
    alarms: int
    severities: list[str]
    states: list[str]


def tell() -> int:
    """Gather, and make the messages that are due; returns how many. Of several processes that
    would, one does."""
    made = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_IS_ALONE, [LOCK])
            if not cursor.fetchone()[0]:
                return made
            cursor.execute(_GATHER, [])
            failpoint("routes.after_gather")
            cursor.execute(_DUE, [GROUPS])
            groups: list[UUID] = [row[0] for row in cursor]
            if not groups:
                return made
            made += _tell(cursor, groups)
            failpoint("routes.before_commit")


def _tell(cursor: Any, groups: list[UUID]) -> int:
    _hold_back(cursor, groups)
    cursor.execute(_DECIDE, {"groups": groups, "largest": LARGEST})
    cursor.execute(_MESSAGES, [groups])
    owned = [pair for row in cursor for pair in _messages(_Told(*row))]
    cursor.execute(_TOLD, [groups, groups])
    resolve(owned)
    rows = [row for row, _ in owned]
    copy_in(rows)
    outbox.announce(len(rows))
    return len(rows)


def _hold_back(cursor: Any, groups: list[UUID]) -> None:
    """What is silenced, inhibited or muted by now waits for the end of that, and is gathered
    anew then."""
    cursor.execute(_ALARMS, [groups])
    ids = [row[0] for row in cursor]
    held = [
        (one.silences, one.inhibitors, "", groups, [alarm_id])
        for alarm_id, one in judge_or_send(ids).items()
    ]
    quiet = muted_now(ids)
    if quiet:
        held.append(([], [], outbox.MUTED, groups, list(quiet)))
    if held:
        cursor.executemany(_HOLD, held)


def _messages(told: _Told) -> Iterator[tuple[Notification, str | None]]:
    """One for each action of the route, with whose receivers it may name."""
    labels = labels_of(told.group_by, told.key)
    state = bodies.worst_state(told.states)
    for number, url in enumerate(told.actions):
        row = Notification(
            id=outbox.key(told.group_id, told.number, number, 0),
            alarm_id=told.group_id,
            alarm_name=bodies.title(labels, told.alarms),
            project_id=told.project_id,
            severity=bodies.worst_severity(told.severities),
            state_version=told.number,
            action_no=number,
            previous=state,
            current=state,
            url=url,
            destination=destination(url),
            body=bodies.grouped(labels, told.payloads),
            group_id=told.group_id,
            group_no=told.number,
        )
        yield row, told.owner


def regroup(cursor: Any, route_ids: Sequence[UUID]) -> None:
    """Before routes change or go: what waits in their groups is gathered anew. The caller's
    transaction holds the lock until then."""
    cursor.execute(_STAND_IN_LINE, [LOCK])
    cursor.execute(_UNGROUP, [list(route_ids)])
    cursor.execute("DELETE FROM alarms_routegroup WHERE route_id = ANY(%s)", [list(route_ids)])


_UNGROUP = """
UPDATE alarms_notification SET group_id = NULL
WHERE status = 'gathering' AND group_id IN (
    SELECT id FROM alarms_routegroup WHERE route_id = ANY(%s))
"""
