"""Reading bodies: bounded while reading and inflating (W3), strict JSON (W6)."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from meters.api.errors import InvalidBodyError, TooLargeError, UnsupportedError

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32
_STEP = 64 * 1024
#: Never tried twice from one place: of one that does not end all the rest is taken, or a body of
#: escaped quotes would be gone through from each of them.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
#: Brackets become +1 and -1 (as int8), everything else is deleted.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[{]}")))


class RawJSONParser(BaseParser):
    """The body's bytes, for a view that decodes them into types of its own."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return read_body((parser_context or {})["request"])


class StrictJSONParser(RawJSONParser):
    """JSON without NaN, repeated keys, lone surrogates or depths that only attackers need."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return decode(super().parse(stream, media_type, parser_context), Any)


def read_body(request: Request | HttpRequest, left_packed: str = "") -> bytes:
    """The request's body, inflated where it says gzip; 413 as soon as a limit is passed.

    `left_packed` is an encoding that the caller unpacks itself.
    """
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > MAX_BODY_BYTES:
        raise TooLargeError(f"The body has {length} bytes, at most {MAX_BODY_BYTES} are allowed.")
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "", left_packed):
        raise UnsupportedError(f"Content-Encoding {encoding[:80]!r}: only gzip is understood.")
    charset = (getattr(request, "content_params", None) or {}).get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedError(f"charset {charset[:80]!r}: only UTF-8 is understood.")
    return _read_gzip(request) if encoding == "gzip" else _read_plain(request)


def _read_plain(request: Any) -> bytes:
    parts, size = [], 0
    while chunk := request.read(_STEP):
        size += len(chunk)
        _check_size(size, "")
        parts.append(chunk)
    return b"".join(parts)


def _read_gzip(request: Any) -> bytes:
    """Inflate in small steps with a running limit, so a bomb is cut off at the limit."""
    inflater = zlib.decompressobj(wbits=31)
    parts, size, raw_size = [], 0, 0
    try:
        while chunk := request.read(_STEP):
            raw_size += len(chunk)
            _check_size(raw_size, "")
            while chunk:
                piece = inflater.decompress(chunk, _STEP)
                size += len(piece)
                _check_size(size, " inflated")
                parts.append(piece)
                chunk = inflater.unconsumed_tail
    except zlib.error as error:
        raise InvalidBodyError(f"The body is not gzip: {error}.") from error
    if not inflater.eof or inflater.unused_data:
        raise InvalidBodyError("The body is not one whole gzip stream.")
    return b"".join(parts)


def _check_size(size: int, what: str) -> None:
    if size > MAX_BODY_BYTES:
        raise TooLargeError(f"The body is larger{what} than {MAX_BODY_BYTES} bytes.")


def decode(body: bytes, type: Any) -> Any:
    """JSON into `type` (msgspec); raises `InvalidBodyError` that says what is wrong, and where."""
    if not body:
        raise InvalidBodyError("The body is empty, JSON was expected.")
    check_depth(body)
    try:
        found = msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBodyError(f"The body is not valid JSON: {error}.") from error
    check_keys(body.decode())
    return found


def check_depth(body: bytes) -> None:
    """Refuse JSON nested deeper than `MAX_DEPTH` before any parser recurses into it."""
    steps = np.frombuffer(_STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS), dtype=np.int8)
    if len(steps) and int(np.cumsum(steps, dtype=np.int64).max()) > MAX_DEPTH:
        raise InvalidBodyError(f"The body is nested deeper than {MAX_DEPTH}.")


def check_keys(text: str) -> None:
    """Refuse an object that names a key twice: decoders take the last one without a word."""
    try:
        json.loads(text, object_pairs_hook=_refuse_repeated)
    except DuplicateKeyError as error:
        path = _path_of_repeated("$", json.loads(text, object_pairs_hook=_Pairs))
        place = field_of(f"{path}.{error.key}")
        detail = "The key stands here twice."
        raise InvalidBodyError(f"{place}: {detail}", [_row(place, detail)]) from error


def field_of(path: str) -> str:
    """msgspec's path as a field's name: ``$.samples[3].value`` → ``samples[3].value``."""
    return path.removeprefix("$").removeprefix(".")


def _invalid(text: str) -> InvalidBodyError:
    """msgspec says ``Expected `float`, got `str` - at `$[3].value```."""
    detail, _, path = text.partition(" - at `")
    field = field_of(path.rstrip("`"))
    return InvalidBodyError(f"{field}: {detail}" if field else detail, [_row(field, detail)])


def _row(field: str, detail: str) -> dict[str, str]:
    return {"field": field, "detail": detail}


class DuplicateKeyError(Exception):
    """Not a ValueError: the JSON is well-formed."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class _Pairs(list[tuple[str, Any]]):
    """An object whose keys were not made unique."""


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    """Nothing is kept of what is decoded: this is for the check alone."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise DuplicateKeyError(key)
        seen.add(key)


def _path_of_repeated(path: str, value: Any) -> str:
    """Path of the first, innermost object that repeats a key; empty where there is none."""
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(value, _Pairs):
        inner = ((f"{path}.{name}", one) for name, one in value)
    elif isinstance(value, list):
        inner = ((f"{path}[{place}]", one) for place, one in enumerate(value))
    found = next(filter(None, (_path_of_repeated(*one) for one in inner)), "")
    if found or not isinstance(value, _Pairs):
        return found
    return path if len({name for name, _ in value}) < len(value) else ""
