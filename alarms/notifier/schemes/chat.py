"""Webhooks of chat services, ``slack+https://`` and ``chat+https://``: one POST of {"text": …}.

The text is the alarm's own template or the house's, its subject before its body.
"""

from __future__ import annotations

import json

from django.conf import settings

from alarms.notifier import templates
from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome
from alarms.notifier.schemes import http

#: What Slack would read as a mention or a link: "<!channel>".
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def is_enabled() -> bool:
    return bool(settings.TELEMETRY_CHAT_WEBHOOKS)


def check(url: str, project_id: str | None, is_admin: bool) -> None:
    http.check(_inner(url), project_id, is_admin)


def send(message: Message) -> Outcome:
    written = templates.written(message)
    text = f"{written.subject}\n{written.body}"
    if message.url.lower().startswith("slack+"):
        text = text.translate(_SLACK)
    return http.post(message, _inner(message.url), json.dumps({"text": text}).encode())


def _inner(url: str) -> str:
    return url.partition("+")[2]
