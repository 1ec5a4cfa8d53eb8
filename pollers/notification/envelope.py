"""Decoder of a notification: bytes from a bus → the converted message that definitions address.

A body is JSON, either the oslo envelope ``{"oslo.version": "2.0", "oslo.message": "<JSON>"}`` or
the inner message alone (format 1.0). Nothing but JSON is ever decoded: no pickle, no YAML, no
object of the sender's choice, whatever the content type says.

The converted message:

    {"ctxt": {"request_id": …}, "publisher_id": "compute.cmp01", "event_type": "…",
     "payload": …, "metadata": {"message_id": "…", "timestamp": "2026-11-25 02:00:16.697645"}}
"""

from __future__ import annotations

import bz2
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from meters import wire
from pollers.notification.times import parse_time

#: A10: one item over this size is refused, packed or unpacked.
MAX_MESSAGE_BYTES = 256 * 1024

#: Header that the consumer sets on a body which it had to cut: its size on the bus.
FULL_SIZE = "x-telemetry-size"
#: And the one that says why a message has no properties.
UNREADABLE = "x-telemetry-unreadable"

_CONTEXT = "_context_"
#: Fields of the transport that belong to the context.
_CONTEXT_EXTRA = {"_msg_id": "msg_id", "_reply_q": "reply_q", "_timeout": "client_timeout"}
_JSON_TYPES = ("", "application/json", "text/json", "text/plain", "application/octet-stream")
_ENCODINGS = ("", "utf-8", "utf8", "us-ascii", "ascii", "binary")


class Unreadable(ValueError):
    """A message that cannot be converted. `reason` is one of the quarantine's closed list,
    `path` the place inside the message."""

    def __init__(self, reason: str, detail: str, path: str = "") -> None:
        super().__init__(detail)
        self.reason, self.path = reason, path


@dataclass(frozen=True)
class Notification:
    """A notification, decoded and checked. `priority` is lower case, `timestamp_us` UTC."""

    message: dict[str, Any]
    message_id: str
    event_type: str
    publisher_id: str
    priority: str
    timestamp_us: int

    @property
    def payload(self) -> Any:
        return self.message["payload"]


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decode(raw: wire.RawMessage) -> Notification:
    """Raises `Unreadable`."""
    inner = _inner_message(_parse(_unpacked(raw), ""))
    try:
        return _notification(inner, raw.routing_key)
    except wire.WireError as error:
        raise Unreadable(error.reason, str(error), str(error).partition(":")[0]) from error


def _unpacked(raw: wire.RawMessage) -> bytes:
    """The JSON text, inflated where a header says so, never beyond the limit."""
    if UNREADABLE in raw.headers:
        text = f"properties of the message can't be read: {raw.headers[UNREADABLE]}"
        raise Unreadable("bad_encoding", text)
    if raw.content_type.partition(";")[0].strip().lower() not in _JSON_TYPES:
        raise Unreadable("bad_encoding", f"content type {raw.content_type[:80]!r} is not JSON")
    if raw.content_encoding.lower() not in _ENCODINGS:
        raise Unreadable("bad_encoding", f"encoding {raw.content_encoding[:80]!r} is not UTF-8")
    full = raw.headers.get(FULL_SIZE)
    _check_size(max(full, len(raw.body)) if isinstance(full, int) else len(raw.body))
    body, packing = raw.body, raw.headers.get("compression")
    if packing:
        body = _inflate(body, str(packing))
        _check_size(len(body))
    return body


def _check_size(size: int) -> None:
    if size > MAX_MESSAGE_BYTES:
        raise Unreadable("item_too_large", f"{size} bytes, at most {MAX_MESSAGE_BYTES} are allowed")


def _inflate(body: bytes, packing: str) -> bytes:
    inflater: _Inflater
    if packing in ("application/x-gzip", "gzip", "zlib"):
        inflater = zlib.decompressobj(wbits=47)  # 47 = zlib or gzip, whichever it is
    elif packing in ("application/x-bz2", "bzip2", "bzip"):
        inflater = bz2.BZ2Decompressor()
    else:
        raise Unreadable("bad_encoding", f"compression {packing[:80]!r} is not gzip or bzip2")
    try:
        text = inflater.decompress(body, MAX_MESSAGE_BYTES + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise Unreadable("bad_encoding", f"cannot be inflated: {error}") from error
    if len(text) <= MAX_MESSAGE_BYTES and not inflater.eof:
        raise Unreadable("bad_encoding", "cannot be inflated: it ends too early")
    return text


def _parse(text: bytes | str, path: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UnicodeError as error:
        raise Unreadable("bad_encoding", f"is not UTF-8: {error}", path) from error
    except RecursionError as error:
        raise Unreadable("bad_json", "is nested too deep", path) from error
    except msgspec.MsgspecError as error:
        raise Unreadable("bad_json", f"is not JSON: {error}", path) from error


def _inner_message(body: Any) -> dict[str, Any]:
    if isinstance(body, dict) and "oslo.message" in body and "oslo.version" in body:
        version = body["oslo.version"]
        if not isinstance(version, str) or version.partition(".")[0] != "2":
            raise Unreadable("bad_version", f"{version!r:.80} is not 2.x", "oslo.version")
        if not isinstance(body["oslo.message"], str):
            raise Unreadable("schema", "must be JSON text", "oslo.message")
        body = _parse(body["oslo.message"], "oslo.message")
    if not isinstance(body, dict):
        raise Unreadable("schema", f"a message must be an object, not {_kind(body)}")
    return body


def _notification(inner: dict[str, Any], routing_key: str) -> Notification:
    metadata = inner.get("metadata")
    identity = {**metadata, **inner} if isinstance(metadata, dict) else inner
    message_id = _text(identity, "message_id", required=True)
    timestamp = _text(identity, "timestamp", required=True)
    event_type = _text(inner, "event_type", required=True)
    publisher_id = _text(inner, "publisher_id")
    try:
        timestamp_us = parse_time(timestamp)
    except ValueError as error:
        raise Unreadable("schema", str(error), "timestamp") from error
    message = {
        "ctxt": _context(inner),
        "publisher_id": publisher_id,
        "event_type": event_type,
        "payload": {} if inner.get("payload") is None else inner["payload"],
        "metadata": {"message_id": message_id, "timestamp": timestamp},
    }
    priority = _priority(inner, routing_key)
    return Notification(message, message_id, event_type, publisher_id, priority, timestamp_us)


def _context(inner: dict[str, Any]) -> dict[str, Any]:
    context = inner.get("ctxt")
    made = dict(context) if isinstance(context, dict) else {}
    for key, value in inner.items():
        if key.startswith(_CONTEXT):
            made[key.removeprefix(_CONTEXT)] = value
        elif key in _CONTEXT_EXTRA:
            made[_CONTEXT_EXTRA[key]] = value
    return made


def _priority(inner: dict[str, Any], routing_key: str) -> str:
    """That of the message, else of its routing key (`notifications.info`), else `info`."""
    named = inner.get("priority") or (routing_key.rpartition(".")[2] if "." in routing_key else "")
    return named.lower() if isinstance(named, str) and named else "info"


def _text(message: dict[str, Any], key: str, *, required: bool = False) -> str:
    value = message.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        detail = f"must be text, not {_kind(value)}" if key in message else "is missing"
        raise Unreadable("schema", f"{key} {detail}", key)
    wire.check_text(key, value, required=required)
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
