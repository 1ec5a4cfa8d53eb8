"""The scheme receiver: a receiver of the alarm's project, by its name.

Its address stands in the message from when that is written (`alarms.telling.addresses`), so nothing
is sent here: what comes this far has no receiver.
"""

from __future__ import annotations

import re

from alarms.choices import RECEIVER
from alarms.errors import ActionError
from alarms.models import Receiver
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
NO_RECEIVER = "no_receiver"


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    name = url.removeprefix(RECEIVER)
    if not url.startswith(RECEIVER) or not NAME.fullmatch(name):
        raise ActionError("bad_url", f"must be {RECEIVER} and the name of a receiver")
    if not Receiver.objects.filter(project_id=project_id, name=name).exists():
        raise ActionError(NO_RECEIVER, f"names {name!r}, which is no receiver of this project")


def send(message: Message) -> Outcome:
    words = "The alarm's project had no receiver of this name."
    return Outcome(NO_RECEIVER, is_final=True, answer=words)
