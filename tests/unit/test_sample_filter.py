"""The filter of a complex query over points: what it takes of memory."""

from __future__ import annotations

import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest

from meters.metering_api.samplefilter import Filter
from meters.metering_api.stretches import Revision, Series, Stretch
from meters.store.points import Points
from meters.wsme.complexquery import AnyOf, Joined, Leaf, Node

STRETCH = Stretch(
    Series(1, "cpu", "s", "gauge", "vm-1", 1, False), Revision(1, 0, 2**62, "p1", "u1", "", {})
)
COUNT = 100_000
TERMS = 300


def nodes(how: Literal["and", "or"] | None, field: str, *values: Any) -> Node:
    leaves = tuple(Leaf(field, "eq", value, str(place)) for place, value in enumerate(values))
    return AnyOf(leaves) if how is None else Joined(how, leaves)


@pytest.mark.parametrize("how", ["and", "or", None])
@pytest.mark.parametrize(("field", "last"), [("counter_volume", 5.0), ("counter_name", "cpu")])
def test_many_terms_take_no_more_than_few(how: Any, field: str, last: Any) -> None:
    values = [last if field == "counter_name" else -1.0] * (TERMS - 1)
    points = Points(
        np.zeros(COUNT, dtype=np.int64), np.arange(COUNT), np.arange(COUNT, dtype=np.float64)
    )
    keep = Filter([STRETCH], nodes(how, field, *values, last))
    tracemalloc.start()
    found = keep(points)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * COUNT
    wanted = COUNT if field == "counter_name" else 0 if how == "and" else 1
    assert int(found.sum()) == wanted
