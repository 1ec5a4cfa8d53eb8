"""Asking one agent by pysnmp, which is the extra `snmp`: whoever imports this must expect that it
is missing.

An engine lives for one poll. What it keeps of an agent (its clock, its boots) would be wrong when
that has started anew, and costs one more packet to learn.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Sequence
from typing import Any

from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.proto import errind, rfc1902

from pollers.central.snmp.address import SnmpAddress
from pollers.central.snmp.conversion import Raw
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
_AUTH = {
    "md5": hlapi.USM_AUTH_HMAC96_MD5, "sha": hlapi.USM_AUTH_HMAC96_SHA,
    "sha224": hlapi.USM_AUTH_HMAC128_SHA224, "sha256": hlapi.USM_AUTH_HMAC192_SHA256,
    "sha384": hlapi.USM_AUTH_HMAC256_SHA384, "sha512": hlapi.USM_AUTH_HMAC384_SHA512,
}  # fmt: skip
#: Keys of more than 128 bits are made in two ways: Blumenthal's, which Net-SNMP has, and Cisco's.
_PRIV = {
    "des": hlapi.USM_PRIV_CBC56_DES, "3des": hlapi.USM_PRIV_CBC168_3DES,
    "aes": hlapi.USM_PRIV_CFB128_AES, "aes128": hlapi.USM_PRIV_CFB128_AES,
    "aes192": hlapi.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": hlapi.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "aes192c": hlapi.USM_PRIV_CFB192_AES, "aes256c": hlapi.USM_PRIV_CFB256_AES,
}  # fmt: skip
#: In the order in which they are looked up: what an agent or the library says, and what that means.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((errind.UnknownUserName, errind.UnknownSecurityName), "the agent does not know the user"),
    (
        (errind.WrongDigest, errind.AuthenticationFailure, errind.AuthenticationError),
        "the password is wrong, or auth_proto is not the user's",
    ),
    (
        (errind.DecryptionError,),
        "priv_password is wrong, or priv_proto is not the user's",
    ),
    (
        (errind.UnsupportedSecurityLevel,),
        "the user has no password of encryption there; leave out priv_password",
    ),
    (
        (errind.EncryptionError, errind.NoEncryption, errind.UnsupportedPrivProtocol),
        "nothing to encrypt with is installed: pip install telemetry[snmp]",
    ),
    ((errind.NotInTimeWindow,), "the agent's clock of version 3 does not go on"),
)


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
        self._engine: Any = None
        self._login: Any = None
        self._target: Any = None
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
        family, place = found[0][0], found[0][4]
        transport = (
            hlapi.Udp6TransportTarget if family == socket.AF_INET6 else hlapi.UdpTransportTarget
        )
        # The library counts time in half seconds, so repeating is done here.
        self._target = await transport.create(
            place[:2], timeout=math.ceil(self._deadline_s), retries=0
        )
        self._engine = hlapi.SnmpEngine()
        self._login = _login(self._address)

    async def _get(self, oids: Sequence[Oid]) -> list[Binding]:
        return await self._request(hlapi.get_cmd, (), oids)

    async def _get_bulk(self, oids: Sequence[Oid], repetitions: int) -> list[Binding]:
        return await self._request(hlapi.bulk_cmd, (0, repetitions), oids)

    async def _request(
        self, command: Any, numbers: tuple[int, ...], oids: Sequence[Oid]
    ) -> list[Binding]:
        objects = [hlapi.ObjectType(hlapi.ObjectIdentity(dotted(oid))) for oid in oids]
        failure, status, place, bindings = await self._answer(command, *numbers, *objects)
        if failure:
            raise NoAnswer(self._words(failure))
        if int(status) == _TOO_BIG:
            raise TooBig("the answer does not fit into one of the agent's messages")
        if int(status):
            text = f"the agent refuses with {status.prettyPrint()}"
            raise RefusedObject(text, int(place) - 1)
        return [(tuple(map(int, oid)), plain(value)) for oid, value in bindings]

    async def _answer(self, command: Any, *arguments: Any) -> Any:
        """Raises `NoAnswer` after the last try."""
        for _ in range(TRIES):
            self._explanation.requests += 1
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await command(
                        self._engine, self._login, self._target, hlapi.ContextData(), *arguments,
                        lookupMib=False,
                    )  # fmt: skip
            except TimeoutError:
                continue
        raise NoAnswer(self._silence())

    def _words(self, failure: Any) -> str:
        for kinds, meaning in _MEANINGS:
            if isinstance(failure, kinds):
                return meaning
        if isinstance(failure, errind.RequestTimedOut):
            return self._silence()
        said = failure if isinstance(failure, str) else type(failure).__name__
        return f"no usable answer: {said}"

    def _silence(self) -> str:
        if self._unread:
            return f"none of {self._unread} answers can be read as SNMP"
        causes = ["it is down", f"UDP port {self._address.port} is filtered"]
        if not self._address.is_v3:
            causes.append("it does not know the community")
        return (
            f"no answer to {TRIES} requests of {self._timeout_s:.3g} s each: "
            f"{', '.join(causes[:-1])}, or {causes[-1]}"
        )

    def _note_unreadable(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The library raises out of its callback for what it can't decode."""
        self._unread += 1
        self._explanation.say(f"unreadable: {type(context.get('exception')).__name__}")

    async def _close(self) -> None:
        if self._engine is not None:
            self._engine.close_dispatcher()
            await asyncio.sleep(0)  # the loop closes the socket in its next round


def _login(address: SnmpAddress) -> Any:
    if not address.is_v3:
        return hlapi.CommunityData(address.user.encode())
    return hlapi.UsmUserData(
        address.user,
        authKey=address.password,
        authProtocol=_AUTH[address.auth_proto],
        privKey=address.priv_password or None,
        privProtocol=_PRIV[address.priv_proto] if address.priv_password else None,
    )


def plain(value: Any) -> Raw | None:
    """Numbers as numbers, texts as bytes, OIDs and IP addresses as text; None for no value."""
    if isinstance(value, univ.Null):  # also noSuchObject, noSuchInstance, endOfMibView
        return None
    if isinstance(value, rfc1902.IpAddress):
        return str(value.prettyPrint())
    if isinstance(value, univ.ObjectIdentifier):
        return dotted(tuple(map(int, value)))
    if isinstance(value, rfc1902.Opaque):
        return _opaque(bytes(value))
    if isinstance(value, univ.OctetString):
        return bytes(value)
    return int(value)


def _opaque(octets: bytes) -> Raw:
    """Net-SNMP wraps floating point numbers in BER of its own: tag 9f78 or 9f79, length, IEEE."""
    for head, form in ((b"\x9f\x78\x04", ">f"), (b"\x9f\x79\x08", ">d")):
        if octets.startswith(head) and len(octets) == len(head) + struct.calcsize(form):
            number: float = struct.unpack(form, octets[len(head) :])[0]
            return number
    return octets
