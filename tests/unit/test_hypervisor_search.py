"""Finding the domains that hang among many. The process that asks libvirt is scripted here."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.compute.hypervisor import GROUP, Hypervisor
from pollers.compute.process import NoAnswerError

RUNNING = {"state.state": 1, "block.count": 1, "block.0.rd.reqs": 1, "balloon.rss": 1}
#: What libvirt says of a domain that a call beside this one waits for.
HELD = {"state.state": 1, "block.count": 1}


class Scripted(Hypervisor):
    """`many` domains, of which some make each call hang that is about them; no time passes."""

    def __init__(self, many: int, hanging: set[str], held: set[str]) -> None:
        super().__init__("test:///scripted", 8.0)
        self.names = [f"d{number}" for number in range(many)]
        self.hanging, self.held = hanging, held
        self.calls = 0

    def _ask(self, request: dict[str, Any], within_s: float) -> Any:
        self.calls += 1
        if request["do"] == "list":
            return [[name, name] for name in self.names]
        skipped = set(request.get("skip", ()))
        asked = [name for name in request.get("only", self.names) if name not in skipped]
        if self.hanging.intersection(asked):
            raise NoAnswerError("no answer before the deadline")
        domains = [[name, name, 1, HELD if name in self.held else RUNNING] for name in asked]
        return {"at": 1, "domains": domains}


@pytest.mark.parametrize(
    ("hanging", "held"),
    [({"d777"}, set()), (set(), {"d777"}), ({"d0", "d999"}, {"d500"})],
    ids=["hangs", "held by the call that hung", "several"],
)
def test_of_a_thousand_domains_only_those_that_hang_are_set_aside(
    hanging: set[str], held: set[str]
) -> None:
    hypervisor = Scripted(1000, hanging, held)
    if not hanging:  # the call for all waits for whom later ones pass over
        hypervisor._stats = first_hangs(hypervisor._stats)  # type: ignore[method-assign]
    rows, problems = hypervisor.read()
    assert {row.uuid for row in rows} == set(hypervisor.names) - hanging
    assert set(hypervisor.aside.uuids) == hanging | held
    assert len(problems) == len(hanging | held)
    assert hypervisor.calls <= 2 + 1000 / GROUP + len(hanging) * GROUP

    calls = hypervisor.calls
    rows, _ = hypervisor.read()
    assert len(rows) >= 1000 - len(hanging | held)
    assert hypervisor.calls - calls <= 1 + len(held), "they are known and cost nothing more"


def first_hangs(stats: Any) -> Any:
    """The first of these calls hangs."""
    left = [True]

    def asked(which: dict[str, Any], within_s: float) -> Any:
        if left:
            left.pop()
            raise NoAnswerError("no answer before the deadline")
        return stats(which, within_s)

    return asked


def test_a_call_for_many_that_is_only_slow_says_what_to_set() -> None:
    hypervisor = Scripted(200, set(), set())
    hypervisor._stats = first_hangs(hypervisor._stats)  # type: ignore[method-assign]
    rows, problems = hypervisor.read()
    assert len(rows) == 200
    assert len(hypervisor.aside) == 0
    assert "TELEMETRY_LIBVIRT_DEADLINE" in problems[0]
