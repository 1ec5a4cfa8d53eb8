"""A host's SNMP agent as a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from pollers.batch import BatchBuilder
from pollers.central.snmp.address import SnmpAddress
from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.oids import dotted
from pollers.central.snmp.reading import Shaping, wanted
from pollers.errors import SourceError
from pollers.polls import Findings
from pollers.pollsters.fetching import Explanation

KIND = "snmp"
EXTRA_MISSING = "SNMP is not installed here: pip install telemetry[snmp]"


class SnmpSource:
    """One host: each object that its meters need is asked for once a poll.

    `named` are meters that somebody asked for by their own names: that the host lacks one of these
    is a problem. What a wildcard fits and the host does not have is in the report's details.
    """

    kind = KIND

    def __init__(
        self, name: str, address: SnmpAddress, meters: Sequence[SnmpMeter], deadline_s: float,
        named: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.name = name
        #: What `poll_once` finds it by, as it does those of pollsters.
        self.pollsters = list(meters)
        self.explanation = Explanation()
        self._address = address
        self._deadline_s = deadline_s
        self._named = frozenset(named)

    def poll(self, builder: BatchBuilder) -> Findings:
        self.explanation = Explanation()
        shown = self._address.shown
        try:
            answers = session().ask(
                self._address, wanted(self.pollsters), self._deadline_s, self.explanation
            )
        except SourceError as error:
            raise SourceError(f"{shown}: {error}") from None
        shaping = Shaping(self._address.host, shown, answers)
        made = shaping.samples(self.pollsters)
        if not made and not answers.problems and not shaping.problems:
            raise SourceError(
                f"{shown}: the agent has nothing of what is asked, or does not show it to this "
                "login (its configuration: view, access)"
            )
        for resource, meter, value in made:
            builder.add(resource, meter.name, value, builder.slot_us, meter.unit, meter.type)
        self._explain(Counter(meter.name for _, meter, _ in made))
        problems = [*answers.problems, *self._missed(shaping.lacking)]
        for text, count in shaping.problems.items():
            problems.append(f"{text} ({count} times)" if count > 1 else text)
        return Findings([f"{shown}: {one}" for one in problems], self._details(shaping.lacking))

    def _explain(self, samples: Counter[str]) -> None:
        for meter in self.pollsters:
            made = samples[meter.name]
            self.explanation.say(f"{meter.name}: {dotted(meter.column.oid)}, {made} samples")

    def _missed(self, lacking: list[SnmpMeter]) -> list[str]:
        """One sentence for all."""
        missed = [meter for meter in lacking if meter.name in self._named]
        if not missed:
            return []
        told = ", ".join(f"{meter.name} ({dotted(meter.column.oid)})" for meter in missed)
        return [f"the agent does not have {told}"]

    def _details(self, lacking: list[SnmpMeter]) -> dict[str, Any]:
        details: dict[str, Any] = {"requests": self.explanation.requests}
        if lacking:
            details["lacking"] = [{
                "why": "the host's SNMP agent does not have it, or does not show it to this login",
                "meters": [meter.name for meter in lacking],
                "resources": [self._address.host],
                "count": 1,
            }]  # fmt: skip
        return details


def session() -> ModuleType:
    """The module that asks. Raises `SourceError` where its library is missing."""
    try:
        return import_module("pollers.central.snmp.session")
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pysnmp", "pyasn1", "cryptography"):
            raise
        raise SourceError(EXTRA_MISSING) from None
