"""The comparison with ceilometer's conversion: what counts as a difference, and which are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compat.conversion.comparison import Difference, Meant, differences, read_meant, unmeant
from tests.compat.conversion.messages import HERE, cases
from tests.compat.conversion.sides import of_ceilometer, of_ours
from tests.support.notifications import convert, instance

THEIRS: dict[str, Any] = {"sample cpu": {"volume": 1.0, "unit": "ns"}, "trait size": {"value": 2}}


def found(ours: dict[str, Any]) -> list[Difference]:
    return list(differences("a b", THEIRS, ours))


def test_what_is_the_same_is_no_difference() -> None:
    assert found(THEIRS) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sample cpu": {"volume": 2.0, "unit": "ns"}}, ("sample cpu volume", 1.0, 2.0)),
        ({"sample cpu": {"volume": 1.0}}, ("sample cpu unit", "ns", "(absent)")),
        ({"sample cpu": None}, ("sample cpu", "there", "(absent)")),
        ({"sample memory": {"volume": 1.0}}, ("sample memory", "(absent)", "there")),
        ({"trait size": {"value": 3}}, ("trait size value", 2, 3)),
        ({"event": {}}, ("event", "(absent)", "there")),
    ],
)
def test_each_thing_that_differs_is_one_difference(
    changes: dict[str, Any], expected: tuple[str, Any, Any]
) -> None:
    ours = {what: made for what, made in {**THEIRS, **changes}.items() if made is not None}

    assert found(ours) == [Difference("a b", *expected)]


def test_only_a_line_that_fits_in_all_it_says_covers_a_difference() -> None:
    difference = Difference("stock: x y", "sample cpu user_id", None, "u1")
    fitting = Meant(["stock: *"], ["sample * user_id"], {"ceilometer": None})
    others = [
        Meant(["language: *"], ["sample * user_id"]),
        Meant(["*"], ["sample * project_id"]),
        Meant(["*"], ["*"], {"ceilometer": "u0"}),
        Meant(["*"], ["*"], {"ceilometer": None, "ours": "u2"}),
    ]

    assert unmeant([difference], [fitting]) == []
    assert unmeant([difference], others) == [difference]
    assert fitting.unused == set()
    assert all(line.unused for line in others)


def test_a_wildcard_of_a_line_that_covers_nothing_is_told() -> None:
    line = Meant(["stock: *", "no: *"], ["trait *"])
    unmeant([Difference("stock: x", "trait a", 1, 2)], [line])

    assert line.unused == {"no: *"}


def test_a_listed_difference_needs_a_reason(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("- {case: a, what: b}")
    with pytest.raises(ValueError, match="no reason"):
        read_meant(tmp_path / "d.yaml")
    assert read_meant(HERE / "differences.yaml")


def test_both_sides_have_one_form() -> None:
    result = convert(instance())
    gave = {
        "samples": [
            {
                "name": row["meter"], "type": row["type"], "unit": row["unit"],
                "volume": row["volume"], "resource_id": row["resource"].id,
                "project_id": row["resource"].project_id, "user_id": row["resource"].user_id,
                "timestamp": row["time"], "source": "openstack",
                "resource_metadata": row["resource"].metadata,
            }
            for row in result.rows
        ],
        "events": [],
    }  # fmt: skip
    ours = of_ours(result)

    assert of_ceilometer(gave) == {
        what: made for what, made in ours.items() if what.startswith("sample")
    }
    assert len([what for what in ours if what.startswith("trait")]) == 21


def test_each_message_of_the_corpus_has_a_name_of_its_own() -> None:
    names = [case.name for folder in ("stock", "language") for case in cases(folder)]

    assert len(set(names)) == len(names) > 140
