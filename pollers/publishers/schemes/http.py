"""The schemes http and https: a POST of a JSON array of samples or of events, or one each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from meters import wire
from pollers.publishers.addresses import Address
from pollers.publishers.items import Sample, event_dict, sample_dict
from pollers.publishers.schemes.web import WebSink

JSON = "application/json"


class HttpSink(WebSink):
    """`batch=false`: a POST each. `raw_only`: of events only the notification's own payload."""

    options = WebSink.options | {"batch", "raw_only"}

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        self.most = 500 if address.flag("batch", default=True) else 1
        self._raw_only = address.flag("raw_only")

    def send_samples(self, samples: Sequence[Sample]) -> None:
        self._send([sample_dict(one) for one in samples])

    def send_events(self, events: Sequence[wire.Event]) -> None:
        if self._raw_only:
            self._send([one.raw["payload"] for one in events if "payload" in one.raw])
        else:
            self._send([event_dict(one) for one in events])

    def _send(self, documents: list[Any]) -> None:
        if documents:
            body = documents[0] if self.most == 1 else documents
            self.post(self.url, msgspec.json.encode(body), JSON)
