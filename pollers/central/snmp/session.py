"""Asking one agent for all that is wanted, within its time. Needs the extra `snmp` (`callers`)."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Sequence
from typing import Any

from pyasn1.error import PyAsn1Error
from pysnmp.error import PySnmpError

from pollers.central.snmp.address import SnmpAddress
from pollers.central.snmp.callers import Caller, caller_of, meaning, plain
from pollers.central.snmp.oids import Oid, dotted
from pollers.central.snmp.reading import Answers, Wanted
from pollers.central.snmp.walking import (
    Binding,
    NoAnswer,
    RefusedObject,
    SnmpError,
    TooBig,
    read_objects,
    walk,
)
from pollers.pollsters.fetching import Explanation

#: A request waits for so long at the most, and is sent so often.
TIMEOUT_S = 3.0
TRIES = 3
#: Of the whole poll's time, so that a host that is away is given up well before its end.
TIMEOUT_SHARE = 0.25
#: Error status of an answer: RFC 3416, 3.
_TOO_BIG = 1


def ask(
    address: SnmpAddress, wanted: Wanted, deadline_s: float, explanation: Explanation
) -> Answers:
    """All that is wanted, within the time. What has a trouble of its own is named in `problems`.

    Raises `SnmpError` where the host gave nothing at all.
    """
    session = _Session(address, deadline_s, explanation)
    return asyncio.run(session.run(wanted))


class _Session:
    """One conversation with an agent, in an event loop of its own."""

    def __init__(self, address: SnmpAddress, deadline_s: float, explanation: Explanation) -> None:
        self._address = address
        self._deadline_s = deadline_s
        self._explanation = explanation
        self._timeout_s = min(TIMEOUT_S, deadline_s * TIMEOUT_SHARE)
        self._caller: Caller | None = None
        #: Datagrams that came and were none of SNMP.
        self._unread = 0

    async def run(self, wanted: Wanted) -> Answers:
        asyncio.get_running_loop().set_exception_handler(self._note_unreadable)
        answers = Answers()
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._open()
                await self._read(wanted, answers)
        except TimeoutError:
            answers.problems.append(f"given up after {self._deadline_s:g} s, the time of a poll")
        except NoAnswer as error:
            answers.problems.append(str(error))
        except (PySnmpError, PyAsn1Error) as error:  # whose texts may hold anything
            answers.problems.append(f"the SNMP library gave up: {type(error).__name__}")
        finally:
            await self._close()
        for problem in answers.problems:
            self._explanation.say(problem)
        if answers.problems and not answers.objects and not answers.columns:
            raise SnmpError("; ".join(answers.problems))
        return answers

    async def _read(self, wanted: Wanted, answers: Answers) -> None:
        """A table that is at fault costs no other."""
        if wanted.objects:
            try:
                answers.objects = await read_objects(self._get, wanted.objects)
            except NoAnswer:
                raise
            except SnmpError as error:
                answers.problems.append(f"objects: {error}")
            self._tell(f"{len(answers.objects)} of {len(wanted.objects)} objects")
        for columns in wanted.tables:
            table = dotted(columns[0][:-1])
            try:
                found = await walk(self._get_bulk, columns)
            except NoAnswer:
                raise
            except SnmpError as error:
                answers.problems.append(f"table {table}: {error}")
                continue
            answers.columns.update(found)
            rows = max(map(len, found.values()))
            self._tell(f"table {table}: {len(columns)} columns, {rows} rows")

    def _tell(self, what: str) -> None:
        self._explanation.say(f"{what}; {self._explanation.requests} requests up to here")

    # --- requests ----------------------------------------------------------------------------
    async def _open(self) -> None:
        host = self._address.host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, self._address.port, type=socket.SOCK_DGRAM
            )
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "no name of a host"
            raise NoAnswer(f"{host} has no address: {why}") from None
        limit_s = math.ceil(self._deadline_s)
        self._caller = await caller_of(self._address, found[0][0], found[0][4], limit_s)

    async def _close(self) -> None:
        if self._caller is not None:
            self._caller.close()
            await asyncio.sleep(0)  # the loop closes the socket in its next round

    async def _get(self, oids: Sequence[Oid]) -> list[Binding]:
        return await self._request("get_cmd", (), oids)

    async def _get_bulk(self, oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        return await self._request("bulk_cmd", (0, repetitions), oids)

    async def _request(
        self, command: str, numbers: Sequence[int], oids: Sequence[Oid]
    ) -> list[Binding]:
        failure, status, place, bindings = await self._answer(command, numbers, oids)
        if failure:
            raise NoAnswer(meaning(failure) or self._silence())
        if int(status) == _TOO_BIG:
            raise TooBig("the answer does not fit into one of the agent's messages")
        if int(status):
            text = f"the agent refuses with {status.prettyPrint()}"
            raise RefusedObject(text, int(place) - 1)
        return [(tuple(map(int, oid)), plain(value)) for oid, value in bindings]

    async def _answer(self, command: str, numbers: Sequence[int], oids: Sequence[Oid]) -> Any:
        """Raises `NoAnswer` after the last try."""
        assert self._caller is not None
        for _ in range(TRIES):
            self._explanation.requests += 1
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._caller.call(command, numbers, oids)
            except TimeoutError:
                continue
        raise NoAnswer(self._silence())

    def _silence(self) -> str:
        if self._unread:
            return f"none of {self._unread} answers can be read as SNMP"
        causes = ["it is down", f"UDP port {self._address.port} is filtered"]
        if not self._address.is_v3:
            causes.append("it does not know the community")
        elif self._address.priv_password:  # agents drop what they can't decrypt
            causes.append("priv_password or priv_proto is wrong")
        return (
            f"no answer to {TRIES} requests of {self._timeout_s:.3g} s each: "
            f"{', '.join(causes[:-1])}, or {causes[-1]}"
        )

    def _note_unreadable(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The library raises out of its callback for what it can't decode."""
        self._unread += 1
        self._explanation.say(f"unreadable: {type(context.get('exception')).__name__}")
