"""Prometheus figures of processes, dead ones included.

prometheus_client's multiprocess mode keeps each process's values in a mapped file, which a SIGKILL
leaves whole. A restarted role begins with an empty directory, so what it held is added up first.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from prometheus_client import CollectorRegistry

from telemetry_site.listener import Figures

Sample = tuple[str, frozenset[tuple[str, str]]]


class Counters:
    """Counters by process key; `directory` holds one directory a key."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._before: dict[str, Counter[Sample]] = {}

    def harvest(self, key: str) -> None:
        """Add up what the last incarnation counted; call once between its death and the next."""
        self._before.setdefault(key, Counter()).update(self._read(key))

    def value(self, key: str, name: str, **labels: str) -> float:
        """Sum of a counter over all incarnations; labels not named may have any value."""
        wanted = set(labels.items())
        present = self._read(key)
        return sum(
            counts[sample]
            for counts in (self._before.get(key, Counter()), present)
            for sample in counts
            if sample[0] == name and wanted <= sample[1]
        )

    def _read(self, key: str) -> Counter[Sample]:
        directory = self._directory / key
        found: Counter[Sample] = Counter()
        if not directory.is_dir():
            return found
        registry = CollectorRegistry()
        Figures(registry, path=str(directory))  # type: ignore[no-untyped-call]
        for family in registry.collect():
            if family.type == "counter":
                for one in family.samples:
                    found[one.name, frozenset(one.labels.items())] += one.value  # type: ignore[assignment]
        return found
