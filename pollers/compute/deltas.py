"""Growth of counters from sample to sample: the meters of type delta (sources.md 2.1)."""

from __future__ import annotations

from collections.abc import Collection

from meters import wire
from pollers.batch import BatchBuilder


class Deltas:
    """Remembers the last values of each domain's NICs.

    The first sample is 0, as the classic agent has it: how much came before is not known. A
    counter that fell began anew, so all it says came since. A NIC is its resource and its MAC
    address: a tap's name alone goes from guest to guest.
    """

    def __init__(self) -> None:
        self._last: dict[str, dict[tuple[str, str | None, str], int]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def add(
        self, builder: BatchBuilder, domain: str, nic: wire.Resource, meter: str, value: int,
        at_us: int,
    ) -> None:  # fmt: skip
        """`value` is remembered only where the sample is wanted: a delta is to the last sample."""
        last = self._last.get(domain, {})
        key = nic.id, nic.metadata.get("mac"), meter
        before = last.get(key, value)
        growth = value - before if value >= before else value
        if builder.add(nic, meter, growth, at_us, "B", "delta"):
            self._last.setdefault(domain, {})[key] = value

    def keep(self, domains: Collection[str]) -> None:
        """Forget all others."""
        self._last = {uuid: last for uuid, last in self._last.items() if uuid in domains}
