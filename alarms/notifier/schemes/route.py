"""The scheme route: ``route://`` and nothing more, told with others by `alarms.telling.grouping`.

What comes this far is a test of an alarm that no route takes.
"""

from __future__ import annotations

from alarms.choices import ROUTE
from alarms.errors import ActionError
from alarms.models import Route
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

NO_ROUTE = "no_route"


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    if url != ROUTE:
        raise ActionError("bad_url", f"must be {ROUTE} and nothing more")
    own = Route.objects.filter(project_id=project_id)
    for_it = Route.objects.filter(project_id=None, match__project=project_id)
    if not own.exists() and not for_it.exists():
        raise ActionError(NO_ROUTE, "needs a route, and the project has none")


def send(message: Message) -> Outcome:
    return Outcome(NO_ROUTE, is_final=True, answer="No route of the project takes this alarm.")
