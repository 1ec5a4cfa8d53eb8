"""The threshold family's truth table in one vectorised evaluation, equal to one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alarms import rules
from alarms.definition import Part, parse_rule
from alarms.evaluator.looking import View
from alarms.evaluator.subjects import Subject
from meters.store.points import Points
from tests.unit.test_rules import TABLE, TEXT, seen


def _subject(comparison: str, threshold: float, periods: int) -> Subject:
    fields = {
        "metric": "cpu", "resource_id": "r", "aggregation_method": "mean", "granularity": 60,
        "comparison_operator": comparison, "threshold": float(threshold),
        "evaluation_periods": periods,
    }  # fmt: skip
    rule = parse_rule("gnocchi_resources_threshold", fields)
    assert isinstance(rule, Part)
    return Subject(rule, None)


def _points(series: list[list[float]]) -> Points:
    rows = [(n, age, value) for n, one in enumerate(series) for age, value in enumerate(one)]
    index, times, values = zip(*rows, strict=True)
    return Points(np.array(index), np.array(times), np.array(values, dtype=np.float64))


def test_the_truth_table_in_one_evaluation() -> None:
    view = View([_subject(*row[1]) for row in TABLE])
    for periods in {row[1][2] for row in TABLE}:
        places = [place for place, row in enumerate(TABLE) if row[1][2] == periods]
        view.enter(places, _points([TABLE[place][4] for place in places]))
    states = np.array([TEXT[row[2]] for row in TABLE])
    repeats = np.array([bool(row[3]) for row in TABLE])
    eventful = rules.eventful(states, repeats, view.numbers)
    for place, (_, rule, previous, repeat, series, _, reason, _) in enumerate(TABLE):
        alone = seen([float(value) for value in series], *rule)
        verdict = rules.decide(TEXT[previous], bool(repeat), alone)
        together = rules.decide(TEXT[previous], bool(repeat), view.look(place))
        assert repr(together) == repr(verdict)
        assert eventful[place] == (verdict is not None) == (reason is not None)


#: number, previous, vector, new, reason, disposition/count/most recent
PROMETHEUS: list[tuple[Any, ...]] = [
    ("P1", "id", [90.0], "alarm",
     "Transition to alarm due to 1 samples outside threshold, most recent: 90.0",
     "outside/1/90.0"),
    ("P2", "id", [90.0, 10.0], "ok",
     "Transition to ok due to 1 samples inside threshold, most recent: 10.0", "inside/1/10.0"),
    ("P3", "alarm", [90.0, 10.0], "alarm", None, ""),
    ("P4", "ok", [], "id", "datapoints are unknown", "unknown/0/None"),
    ("P5", "alarm", [float("nan")], "ok",
     "Transition to ok due to 1 samples inside threshold, most recent: nan", "inside/1/None"),
]  # fmt: skip


def _vectors(rows: list[tuple[Any, ...]]) -> View:
    fields = {"query": "cpu", "threshold": 80.0, "comparison_operator": "gt"}
    rule = parse_rule("prometheus", fields)
    assert isinstance(rule, Part)
    view = View([Subject(rule, None)] * len(rows))
    for place, row in enumerate(rows):
        vector = row[2]
        zeros = np.zeros(len(vector), dtype=np.int64)
        view.enter_vector(place, Points(zeros, zeros, np.array(vector, dtype=np.float64)))
    return view


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_the_truth_table_of_prometheus_alarms(at_once: bool) -> None:
    whole = _vectors(PROMETHEUS)
    for place, row in enumerate(PROMETHEUS):
        _, previous, _, new, reason, data = row
        look = whole.look(place) if at_once else _vectors([row]).look(0)
        verdict = rules.decide(TEXT[previous], False, look)
        if reason is None:
            assert verdict is None
            continue
        assert verdict is not None
        assert (verdict.state, verdict.reason) == (TEXT[new], reason)
        facts = verdict.reason_data
        assert f"{facts['disposition']}/{facts['count']}/{facts['most_recent']}" == data
    states = np.array([TEXT[row[1]] for row in PROMETHEUS])
    happens = rules.eventful(states, np.zeros(len(states), dtype=np.bool_), whole.numbers)
    assert happens.tolist() == [row[4] is not None for row in PROMETHEUS]
