from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Message(NamedTuple):
    """A claimed row of the outbox, as a scheme sends it. `attempt` counts from 1; `token` is the
    lease's; `created_at` is since when it may be sent; `now` is the database's clock at the
    claim; `template` is the alarm's own or its receiver's, as JSON; `secret` is the receiver's."""

    id: UUID
    alarm_id: UUID
    alarm_name: str
    project_id: str | None
    severity: str
    previous: str
    current: str
    url: str
    destination: str
    body: str
    is_test: bool
    attempt: int
    failures: int
    token: UUID
    created_at: datetime
    retrying_since: datetime
    now: datetime
    template: str | None = None
    secret: str | None = None
