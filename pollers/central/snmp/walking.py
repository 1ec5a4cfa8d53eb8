"""Reading single objects and columns of tables, whatever the agent answers (RFC 3416, 4.2). Pure.

Knows no library: it is given the two requests of version 2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from pollers.central.snmp.conversion import Raw
from pollers.central.snmp.oids import Oid, dotted
from pollers.errors import SourceError

#: What is asked for at once: a few small values each, so that the answer fits into one packet.
OBJECTS_A_REQUEST = 24
CELLS_A_REQUEST = 40
#: Rows of one table; more is no host.
MOST_ROWS = 10_000

#: An OID with its value, None where there is none.
Binding = tuple[Oid, Raw | None]
Table = dict[Oid, Raw]
Get = Callable[[Sequence[Oid]], Awaitable[Sequence[Binding]]]
GetBulk = Callable[[Sequence[Oid], int], Awaitable[Sequence[Binding]]]


class SnmpError(SourceError):
    """The host gave nothing, or nothing more; the text is for an operator."""


class NoAnswer(SnmpError):
    """The host is silent, or says who it does not answer: asking on is of no use."""


class RefusedObject(SnmpError):
    """The agent answered with an error about the object of that place in the request."""

    def __init__(self, text: str, place: int) -> None:
        super().__init__(text)
        self.place = place


class TooBig(SnmpError):
    """The answer to that many objects would not fit into a message of the agent's."""


async def read_objects(get: Get, oids: Iterable[Oid]) -> Table:
    """{OID: value} of those that the agent has. Raises `SnmpError`."""
    waiting, found = list(oids), Table()
    at_once = OBJECTS_A_REQUEST
    while waiting:
        asked = waiting[:at_once]
        try:
            answer = await get(asked)
        except TooBig:
            if at_once == 1:
                raise
            at_once = max(at_once // 2, 1)
            continue
        except RefusedObject as error:
            if not 0 <= error.place < len(asked):
                raise
            waiting.pop(error.place)  # agents of version 1 refuse all for one
            continue
        found.update((oid, value) for oid, value in answer if value is not None and oid in asked)
        del waiting[: len(asked)]
    return found


async def walk(get_bulk: GetBulk, columns: Sequence[Oid]) -> dict[Oid, Table]:
    """{column: {index of the row: value}} of columns of one table, row by row.

    Raises `SnmpError`, also for an agent that never ends.
    """
    found: dict[Oid, Table] = {column: {} for column in columns}
    last = {column: column for column in columns}  # of those that are not at their end
    while last:
        asked = list(last)
        answer = await get_bulk([last[column] for column in asked], _repetitions(asked))
        if not answer:
            raise SnmpError("an answer without values")
        for place, (oid, value) in enumerate(answer):
            column = asked[place % len(asked)]
            if column not in last:
                continue
            if value is None or oid[: len(column)] != column:
                del last[column]
                continue
            if oid <= last[column]:
                raise SnmpError(f"the agent goes in a circle at {dotted(oid)}")
            if len(found[column]) == MOST_ROWS:
                raise SnmpError(f"{dotted(column)} has more than {MOST_ROWS} rows")
            found[column][oid[len(column) :]] = value
            last[column] = oid
    return found


def _repetitions(columns: Sequence[Oid]) -> int:
    return max(CELLS_A_REQUEST // len(columns), 1)
