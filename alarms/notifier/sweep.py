"""What hints miss: retries that have come due, and messages whose hint or notifier was lost."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection
from django.db.models.functions import Now

from alarms import outbox
from alarms.models import Destination, Notification
from alarms.notifier import limits, metrics

#: Each part by its partial index: delivered ones are many, and this runs every other second.
_COUNT = """
SELECT count(*),
       count(*) FILTER (WHERE next_attempt_at <= now()
                        AND (lease_until IS NULL OR lease_until < now())),
       greatest(extract(epoch FROM now() - min(coalesce(released_at, created_at))), 0),
       (SELECT count(*) FROM alarms_notification WHERE status = 'dead'),
       (SELECT count(*) FROM alarms_destination WHERE open_until > now())
FROM alarms_notification WHERE status = 'pending'
"""


#: So many receivers that are left alone are named in the metrics at a time, and in all: tenants say
#: which hosts there are.
NAMED = 100
MOST_NAMED = 1000
_named: set[str] = set()


class Backlog(NamedTuple):
    """`due` are the pending ones that somebody may send now."""

    pending: int
    due: int
    oldest_s: float
    dead: int
    breakers: int


def sweep() -> Backlog:
    """Measure the outbox, and hint at what is due. Of what waits too long in line for a limit, each
    alarm's newest word stays."""
    limits.coalesce()
    found = backlog()
    metrics.LIMITED.set(limits.held_up(Notification.objects.all()).count())
    metrics.PENDING.set(found.pending)
    metrics.OLDEST.set(found.oldest_s)
    metrics.DEAD.set(found.dead)
    metrics.BREAKERS.set(found.breakers)
    _name_left_alone()
    if found.due:
        outbox.hint(found.due)
    return found


def _name_left_alone() -> None:
    """By scheme, host and port, which is no secret: so people learn which one it is."""
    alone = Destination.objects.filter(open_until__gt=Now()).order_by("-failures")
    keys = set(alone.values_list("key", flat=True)[:NAMED])
    if len(_named | keys) <= MOST_NAMED:
        _named.update(keys)
    for key in _named:
        metrics.LEFT_ALONE.labels(key).set(key in keys)


def backlog() -> Backlog:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT)
        pending, due, oldest_s, dead, breakers = cursor.fetchone()
    return Backlog(pending, due, float(oldest_s), dead, breakers)
