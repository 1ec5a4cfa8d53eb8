"""Who asks in the tests of the metering and event API, and what they have measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from meters import wire
from meters.store.write import store_batch
from telemetry_site.clock import from_us, now
from tests.support.batches import SECOND, batch_of, event
from tests.support.doors import DoorClient

HOUR = 3600 * SECOND
#: A whole hour, two days ago; times in tests are seconds from here.
BEGIN = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
BEGIN_US = int(BEGIN.timestamp()) * SECOND


def at(seconds: float) -> int:
    """In microseconds."""
    return BEGIN_US + round(seconds * SECOND)


def text(seconds: float) -> str:
    """As the API writes times."""
    return from_us(at(seconds)).replace(tzinfo=None).isoformat()


def asked(*terms: tuple[str, ...], **more: Any) -> str:
    """A query string of (field, op, value[, type])."""
    pairs: list[tuple[str, Any]] = []
    for term in terms:
        names = ("q.field", "q.op", "q.value", "q.type")
        pairs += zip(names, (*term, "")[:4], strict=True)
    for name, value in more.items():
        name = name.replace("__", ".")
        pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return urlencode(pairs)


class ClassicClient(DoorClient):
    prefix = "/metering/v2"

    def __init__(self, user: str = "", project: str = "", roles: str = "") -> None:
        super().__init__(X_User_Id=user, X_Project_Id=project, X_Roles=roles)

    def listed(self, path: str, *terms: tuple[str, ...], **more: Any) -> Any:
        return self.fetch(f"{path}?{asked(*terms, **more)}")

    def posted(self, *samples: dict[str, Any]) -> Any:
        answer = self.ask("POST", f"/meters/{samples[0]['counter_name']}", list(samples))
        assert answer.status_code == 201, answer.content
        return answer.json()


class EventClient(ClassicClient):
    prefix = "/event/v2"


def sample(**fields: Any) -> dict[str, Any]:
    """The least that can be posted, changed; a field that is `...` is left out."""
    whole: dict[str, Any] = {
        "counter_name": "apples", "counter_type": "gauge", "counter_unit": "item",
        "counter_volume": 1, "resource_id": "r1", "timestamp": text(0),
    }  # fmt: skip
    return {name: value for name, value in (whole | fields).items() if value is not ...}


def measured(*samples: tuple[wire.Resource, str, float, float]) -> None:
    """As agents send it: (resource, meter, value, seconds from the beginning).

    One by one, as a batch describes a resource in one way.
    """
    for one, meter, value, when in samples:
        store_batch(batch_of((one, meter, value, at(when))))


def happened(message_id: str, event_type: str, seconds: float, *traits: wire.Trait) -> None:
    stored = event(message_id, *traits, event_type=event_type, generated=at(seconds))
    store_batch(batch_of(events=[stored]))
