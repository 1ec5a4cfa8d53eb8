"""What every kind of target has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from meters import wire
from pollers.publishers.addresses import Address
from pollers.publishers.items import Sample


class Sink:
    """One target. Made without connecting; raises `TargetError` for an address that can't be used.

    A delivery counts when its method has returned: then the target has it, as far as its protocol
    can tell. It raises `Unreachable` or `Refused`, and opens what it needs again by itself. One
    thread uses it.
    """

    #: What the URL may ask for.
    options: ClassVar[frozenset[str]] = frozenset()
    #: What stands in others' files and has no meaning here: a delivery is tried until it counts.
    needless: ClassVar[frozenset[str]] = frozenset()
    takes_events: ClassVar[bool] = True
    #: Samples, or events, of one delivery at the most.
    most: int = 500

    def __init__(self, address: Address, secret: str = "") -> None:
        """`secret` signs what is sent, where the form has a signature."""
        self.address = address
        self.secret = secret

    def send_samples(self, samples: Sequence[Sample]) -> None:
        raise NotImplementedError

    def send_events(self, events: Sequence[wire.Event]) -> None:
        """Called only where `takes_events`."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of connections; the next delivery opens them again."""
