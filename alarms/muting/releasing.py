"""What was kept back is let go, or dropped, when nothing keeps it any more.

One statement decides and writes each, so it may be done twice at once and be killed anywhere: a
row that is `suppressed` no more is nobody's to release, and it keeps its id, the key by which a
receiver knows it. The alarms are locked meanwhile: no transition can overtake its own news.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from alarms.choices import ROUTE
from alarms.muting.hours import muted_now
from alarms.muting.judging import judge

#: Alarms looked at in one transaction.
BATCH = 1000
#: Over for good: the state has changed since (or said something newer), or a repetition, which the
#: next evaluation says again.
_DROP = """
UPDATE alarms_notification AS held
SET status = 'cancelled'
WHERE status = 'suppressed' AND alarm_id = ANY(%(ids)s) AND (
    previous = current AND repeat_no > 0
    OR NOT EXISTS (SELECT FROM alarms_alarm
                   WHERE id = held.alarm_id AND state = held.current AND enabled)
    OR EXISTS (SELECT FROM alarms_notification AS later
               WHERE later.alarm_id = held.alarm_id AND NOT later.is_test
                 AND later.state_version > held.state_version))
"""
_RELEASE = f"""
UPDATE alarms_notification
SET status = CASE WHEN url = '{ROUTE}' THEN 'gathering' ELSE 'pending' END,
    last_error = '', next_attempt_at = now(), released_at = now()
WHERE status = 'suppressed' AND alarm_id = ANY(%s)
"""
_KEEP = """
UPDATE alarms_notification SET silenced_by = %s, inhibited_by = %s
WHERE status = 'suppressed' AND alarm_id = %s
  AND (silenced_by, inhibited_by) IS DISTINCT FROM (%s::uuid[], %s::uuid[])
"""
#: What is held is asked about again when the silences are over and no inhibitor fires any more: so
#: thousands of held messages cost the sweep nothing meanwhile.
_CANDIDATES = """
SELECT DISTINCT alarm_id FROM alarms_notification AS held
WHERE status = 'suppressed' AND alarm_id > %s AND NOT EXISTS (
    SELECT FROM alarms_silence
    WHERE id = ANY(held.silenced_by) AND starts_at <= statement_timestamp()
      AND ends_at > statement_timestamp())
  AND NOT EXISTS (
    SELECT FROM alarms_alarm
    WHERE id = ANY(held.inhibited_by) AND state = 'alarm' AND enabled)
ORDER BY alarm_id LIMIT %s
"""
_LOCK = "SELECT id FROM alarms_alarm WHERE id = ANY(%s) ORDER BY id FOR SHARE"


def release() -> int:
    """Returns how many messages may be sent now."""
    released, last = 0, UUID(int=0)
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_CANDIDATES, [last, BATCH])
            ids: list[UUID] = [row[0] for row in cursor]
            if not ids:
                return released
            cursor.execute(_LOCK, [ids])
            cursor.execute(_DROP, {"ids": ids})
            muted = judge(ids)
            held = muted.keys() | muted_now(ids)
            cursor.execute(_RELEASE, [[one for one in ids if one not in held]])
            released += int(cursor.rowcount)
            kept = [
                (one.silences, one.inhibitors, alarm_id, one.silences, one.inhibitors)
                for alarm_id, one in muted.items()
            ]
            if kept:
                cursor.executemany(_KEEP, kept)
        last = ids[-1]
