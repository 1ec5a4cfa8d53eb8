"""When the database's clock is put back, nobody waits for it to come to where it was.

Due times are the database's (rule K1). Of each wait it is known when it began: one that began later
than now was begun by another clock. As with alarms, what is due by such a clock is due
(`alarms.evaluator.claims`); a lease, a breaker and a limit begin anew. So a wait grows by less than
its own length, and none of a living notifier's messages is taken from it.
"""

from __future__ import annotations

import structlog
from django.conf import settings
from django.db import connection, transaction

from alarms.notifier.breaker import OPEN_S

log = structlog.get_logger(__name__)

#: A message that was never tried is due since it is there.
_DUE = """
UPDATE alarms_notification SET next_attempt_at = now()
WHERE status = 'pending' AND next_attempt_at > now()
  AND coalesce(tried_at, next_attempt_at) > now()
"""
_LEASES = """
UPDATE alarms_notification SET lease_until = now() + %(lease)s * interval '1 second'
WHERE status = 'pending' AND lease_until > now() + %(lease)s * interval '1 second'
"""
_BREAKERS = """
UPDATE alarms_destination SET open_until = now() + %(open)s * interval '1 second'
WHERE open_until > now() + %(open)s * interval '1 second'
"""
_LIMITS = "UPDATE alarms_sendingbudget SET at = now() WHERE at > now()"
_GROUPS = """
UPDATE alarms_routegroup
SET due_at = CASE WHEN due_at > now() THEN now() ELSE due_at END,
    told_at = CASE WHEN told_at > now() THEN now() ELSE told_at END, touched_at = now()
WHERE touched_at > now()
"""


def mend() -> int:
    """Returns how many rows were from another time."""
    wanted = {"lease": settings.TELEMETRY_NOTIFIER_LEASE, "open": OPEN_S}
    mended = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_DUE, _LEASES, _BREAKERS, _LIMITS, _GROUPS):
            cursor.execute(statement, wanted)
            mended += cursor.rowcount
    if mended:
        log.warning("the database's clock was put back", rows=mended)
    return mended
