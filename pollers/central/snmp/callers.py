"""pysnmp, which is the extra `snmp`: one class a version of the protocol, and its values as ours.

Whoever imports this must expect that the extra is missing.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Any, Protocol

from pyasn1.type import univ
from pysnmp.hlapi.v1arch import asyncio as v1arch
from pysnmp.hlapi.v3arch import asyncio as v3arch
from pysnmp.proto import errind, rfc1902

from pollers.central.snmp.address import SnmpAddress
from pollers.central.snmp.conversion import Raw
from pollers.central.snmp.oids import Oid, dotted

_AUTH = {
    "md5": v3arch.USM_AUTH_HMAC96_MD5, "sha": v3arch.USM_AUTH_HMAC96_SHA,
    "sha224": v3arch.USM_AUTH_HMAC128_SHA224, "sha256": v3arch.USM_AUTH_HMAC192_SHA256,
    "sha384": v3arch.USM_AUTH_HMAC256_SHA384, "sha512": v3arch.USM_AUTH_HMAC384_SHA512,
}  # fmt: skip
#: Keys of more than 128 bits are made in two ways: Blumenthal's, which Net-SNMP has, and Cisco's.
_PRIV = {
    "des": v3arch.USM_PRIV_CBC56_DES, "3des": v3arch.USM_PRIV_CBC168_3DES,
    "aes": v3arch.USM_PRIV_CFB128_AES, "aes128": v3arch.USM_PRIV_CFB128_AES,
    "aes192": v3arch.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": v3arch.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "aes192c": v3arch.USM_PRIV_CFB192_AES, "aes256c": v3arch.USM_PRIV_CFB256_AES,
}  # fmt: skip
#: What an agent or the library says, and what that means; the first that fits counts.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((errind.UnknownUserName, errind.UnknownSecurityName), "the agent does not know the user"),
    (
        (errind.WrongDigest, errind.AuthenticationFailure, errind.AuthenticationError),
        "the password is wrong, or auth_proto is not the user's",
    ),
    ((errind.DecryptionError,), "priv_password is wrong, or priv_proto is not the user's"),
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


class Caller(Protocol):
    """Sends one request and waits for its answer; repeating it is the caller's."""

    async def call(self, command: str, numbers: Sequence[int], oids: Sequence[Oid]) -> Any:
        """(failure, status, place, bindings) of `get_cmd` or `bulk_cmd`, as the library has it."""

    def close(self) -> None: ...


class CommunityCaller:
    """Version 2c, without an engine: building one takes longer than a poll."""

    def __init__(self, address: SnmpAddress, target: Any) -> None:
        self._dispatcher = v1arch.SnmpDispatcher()
        self._login = v1arch.CommunityData(address.user.encode())
        self._target = target

    async def call(self, command: str, numbers: Sequence[int], oids: Sequence[Oid]) -> Any:
        objects = [(oid, univ.Null("")) for oid in oids]
        return await getattr(v1arch, command)(
            self._dispatcher, self._login, self._target, *numbers, *objects
        )

    def close(self) -> None:
        """Not by the dispatcher's own `close`, which fails where a request was given up."""
        transport = self._dispatcher.transport_dispatcher
        transport.unregister_recv_callback()
        transport.unregister_timer_callback()
        transport.close_dispatcher()


class UserCaller:
    """Version 3. What an engine keeps of an agent (clock, boots) is wrong once that has started
    anew, and costs one more packet to learn: so it lives for one poll.
    """

    def __init__(self, address: SnmpAddress, target: Any) -> None:
        self._engine = v3arch.SnmpEngine()
        self._login = v3arch.UsmUserData(
            address.user,
            authKey=address.password.encode(),
            authProtocol=_AUTH[address.auth_proto],
            privKey=address.priv_password.encode() or None,
            privProtocol=_PRIV[address.priv_proto] if address.priv_password else None,
        )
        self._target = target

    async def call(self, command: str, numbers: Sequence[int], oids: Sequence[Oid]) -> Any:
        objects = [v3arch.ObjectType(v3arch.ObjectIdentity(dotted(oid))) for oid in oids]
        return await getattr(v3arch, command)(
            self._engine, self._login, self._target, v3arch.ContextData(), *numbers, *objects,
            lookupMib=False,
        )  # fmt: skip

    def close(self) -> None:
        self._engine.close_dispatcher()


async def caller_of(
    address: SnmpAddress, family: int, place: tuple[Any, ...], limit_s: int
) -> Caller:
    """`family` and `place` are the resolver's; `limit_s` ends what the library waits for."""
    arch = v3arch if address.is_v3 else v1arch
    transport = arch.Udp6TransportTarget if family == socket.AF_INET6 else arch.UdpTransportTarget
    target = await transport.create(place[:2], timeout=limit_s, retries=0)
    return UserCaller(address, target) if address.is_v3 else CommunityCaller(address, target)


def meaning(failure: Any) -> str:
    """In words for an operator; "" where no answer came."""
    for kinds, text in _MEANINGS:
        if isinstance(failure, kinds):
            return text
    if isinstance(failure, errind.RequestTimedOut):
        return ""
    said = failure if isinstance(failure, str) else type(failure).__name__
    return f"no usable answer: {said}"


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
