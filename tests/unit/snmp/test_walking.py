"""Walks and single objects, by agents that answer well, in part, too much or never to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pollers.central.snmp import walking
from pollers.central.snmp.conversion import Raw
from pollers.central.snmp.oids import Oid, dotted
from pollers.central.snmp.walking import (
    Binding,
    Get,
    GetBulk,
    RefusedObject,
    SnmpError,
    TooBig,
    read_objects,
    walk,
)

A, B = (1, 3, 1, 1), (1, 3, 1, 2)


class Agent:
    """Objects in their order, answered as RFC 3416 says; `most` cells fit into an answer."""

    def __init__(self, objects: dict[Oid, Raw], most: int = 1000) -> None:
        self.objects = dict(sorted(objects.items()))
        self.most = most
        self.requests = 0

    def after(self, oid: Oid) -> Binding:
        self_and_next = ((one, value) for one, value in self.objects.items() if one > oid)
        return next(self_and_next, (oid, None))

    async def bulk(self, oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        self.requests += 1
        row, answer = list(oids), []
        for _ in range(repetitions):
            found = [self.after(oid) for oid in row]
            answer += found
            row = [oid for oid, _ in found]
        return answer[: self.most]

    async def get(self, oids: Sequence[Oid]) -> list[Binding]:
        self.requests += 1
        if len(oids) > self.most:
            raise TooBig("too big")
        return [(oid, self.objects.get(oid)) for oid in oids]


def walked(bulk: GetBulk, *columns: Oid) -> dict[Oid, dict[Oid, Raw]]:
    return asyncio.run(walk(bulk, columns))


def read(get: Get, *oids: Oid) -> dict[Oid, Raw]:
    return asyncio.run(read_objects(get, oids))


def table(rows: int) -> dict[Oid, Raw]:
    return {
        (*column, row): row * 10 + column[-1] for column in (A, B) for row in range(1, rows + 1)
    }


@pytest.mark.parametrize("most", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("rows", [0, 1, 19, 20, 21, 100])
def test_all_rows_of_all_columns_come_however_much_fits_into_an_answer(
    rows: int, most: int
) -> None:
    agent = Agent({(1, 2, 9): 5, **table(rows), (1, 3, 2, 1): 7}, most)
    found = walked(agent.bulk, A, B)
    assert found == {
        column: {(row,): row * 10 + column[-1] for row in range(1, rows + 1)} for column in (A, B)
    }


def test_a_table_is_read_in_few_requests() -> None:
    agent = Agent(table(100))
    walked(agent.bulk, A, B)
    assert agent.requests <= 100 * 2 / walking.CELLS_A_REQUEST + 1


def test_columns_of_different_length_and_with_holes_are_read_to_their_ends() -> None:
    agent = Agent({(*A, 1): 1, (*A, 3): 3, (*B, 2): 2, (*B, 3): 3, (*B, 300): 4}, most=3)
    assert walked(agent.bulk, A, B) == {A: {(1,): 1, (3,): 3}, B: {(2,): 2, (3,): 3, (300,): 4}}


def test_an_index_of_many_parts_is_an_index() -> None:
    index = tuple(range(1, 125))
    agent = Agent({(*A, *index): 1})
    assert len((*A, *index)) == 128
    assert walked(agent.bulk, A) == {A: {index: 1}}


def test_an_agent_that_goes_in_a_circle_ends() -> None:
    async def bulk(oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        return [((*A, 2), 1), ((*A, 1), 1)]

    with pytest.raises(SnmpError, match=rf"in a circle at {dotted((*A, 1))}"):
        walked(bulk, A)


def test_an_agent_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MOST_ROWS", 50)

    async def bulk(oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        start = oids[0][-1] if len(oids[0]) > len(A) else 0
        return [((*A, start + step), 1) for step in range(1, repetitions + 1)]

    with pytest.raises(SnmpError, match=r"1\.3\.1\.1 has more than 50 rows"):
        walked(bulk, A)


def test_an_empty_answer_is_an_error() -> None:
    async def bulk(oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        return []

    with pytest.raises(SnmpError, match="without values"):
        walked(bulk, A)


def test_objects_that_are_not_there_are_left_out() -> None:
    agent = Agent({A: 1, B: b"x"})
    assert read(agent.get, A, (9, 9), B) == {A: 1, B: b"x"}


def test_many_objects_are_asked_for_in_parts_that_fit() -> None:
    objects: dict[Oid, Raw] = {(1, 3, number): number for number in range(100)}
    agent = Agent(objects, most=5)
    assert read(agent.get, *objects) == objects
    agent.most = 0
    with pytest.raises(TooBig):
        read(agent.get, A)


def test_one_object_that_the_agent_refuses_costs_no_other() -> None:
    async def get(oids: Sequence[Oid]) -> list[Binding]:
        if B in oids:
            raise RefusedObject("noSuchName", oids.index(B))
        return [(oid, 1) for oid in oids]

    assert read(get, A, B, (1, 4)) == {A: 1, (1, 4): 1}


def test_a_refusal_of_no_object_ends_it() -> None:
    async def get(oids: Sequence[Oid]) -> list[Binding]:
        raise RefusedObject("genErr", -1)

    with pytest.raises(SnmpError, match="genErr"):
        read(get, A)


def test_objects_that_nobody_asked_for_are_not_taken() -> None:
    async def get(oids: Sequence[Oid]) -> list[Binding]:
        return [(A, 1), ((1, 9), 2)]

    assert read(get, A) == {A: 1}
