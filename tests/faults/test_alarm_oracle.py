"""The oracle finds each kind of fault: an oracle that can't find one proves nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.faults.alarm_oracle import Alarm, Change, Message, Stored, judge
from tests.faults.receiver import Receipt

A = UUID(int=1)
ACTIONS = {"ok": 0, "alarm": 1, "insufficient data": 0}


def world() -> dict[str, Any]:
    """insufficient data → alarm → ok → alarm, each alarm delivered once."""
    return {
        "alarms": {A: Alarm("alarm", 3, ACTIONS)},
        "changes": [
            Change(A, 1, "insufficient data", "alarm", True),
            Change(A, 2, "alarm", "ok", True),
            Change(A, 3, "ok", "alarm", True),
        ],
        "messages": [
            Message("k1", A, 1, 0, 0, "delivered"),
            Message("k3", A, 3, 0, 0, "delivered"),
        ],
    }


def receipt(key: str, status: int = 200) -> Receipt:
    return Receipt(0.0, "/ok", key, 1, str(A), "ok", "alarm", status)


RECEIVED = [receipt("k1", 500), receipt("k1"), receipt("k3")]


def test_a_world_in_order_is_clean() -> None:
    verdict = judge(Stored(**world()), [*RECEIVED, receipt("k3")])
    assert verdict.clean, verdict
    assert (verdict.transitions, verdict.messages, verdict.again) == (3, 2, 1)


@pytest.mark.parametrize(
    ("found", "change"),
    [
        ("broken_chains", lambda w: w["changes"].pop(1)),
        ("broken_chains", lambda w: w["changes"].append(w["changes"][-1])),
        ("broken_chains", lambda w: w["changes"].pop()),
        ("broken_chains", lambda w: w["alarms"].update({A: Alarm("ok", 3, ACTIONS)})),
        ("broken_chains", lambda w: w["changes"].clear()),
        ("lost", lambda w: w["messages"].pop()),
        ("lost", lambda w: w["messages"].append(Message("k4", A, 3, 1, 0, "pending"))),
        ("ghost", lambda w: w["messages"].append(Message("k9", A, 9, 0, 0, "delivered"))),
    ],
)
def test_a_fault_of_the_store_is_found(found: str, change: Any) -> None:
    broken = world()
    change(broken)
    assert getattr(judge(Stored(**broken), RECEIVED), found)


@pytest.mark.parametrize(
    ("found", "received"),
    [
        ("lost", RECEIVED[:2]),
        ("lost", [receipt("k1"), receipt("k3", 500)]),
        ("ghost", [*RECEIVED, receipt("k7")]),
        ("out_of_order", [receipt("k3"), receipt("k1")]),
    ],
)
def test_a_fault_of_the_sending_is_found(found: str, received: list[Receipt]) -> None:
    assert getattr(judge(Stored(**world()), received), found)
