"""Moments as the metric API's clients write and read them; inside, whole µs since the epoch.

Texts and numbers come in three kinds, and the first of a list says which one all of it is:
seconds since the epoch (numeric texts too), ISO 8601 (UTC where no zone stands), and a timespan
before or after now (``-5 minutes``). Batches are long, so numbers and ISO texts go through numpy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from meters.timespans import TimespanError, timespan_us
from telemetry_site import clock

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

#: What nanoseconds in 64 bits reach, as the API's own store has them: into April 2262.
LATEST_US = (2**63 - 1) // 1000
_BEFORE_EPOCH = "Timestamp must be after Epoch"
_UNREADABLE = "Unable to convert timestamps"
_ISO = re.compile(r"\s*\d{4}-\d\d|now$|today$", re.ASCII)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(\+00:00|Z)?", re.ASCII)
_ZONE = re.compile(r"(\d\d):?(\d\d)", re.ASCII)
#: A date has dashes of its own: a zone's comes after them.
_DATE_CHARS = 10
_LONGEST = 64
#: By numpy a batch takes as long as so many moments by themselves.
_FEW = 16
#: What a time without its zone is written with. numpy warns of zones and takes more besides.
_CODES = np.zeros(128, dtype=np.bool_)
_CODES[[0, *b"0123456789-:. T"]] = True
_DAY_S = 86_400


class TimeError(ValueError):
    """No moment, or none that can be stored; the text is what clients know."""


def to_us(value: Any) -> int:
    """One moment. Raises `TimeError`."""
    if isinstance(value, str) and _USUAL.fullmatch(value):
        return _usual(value)
    return int(to_us_array([value])[0])


def _usual(text: str) -> int:
    """What `to_us_array` gives, without arrays."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise TimeError(_UNREADABLE) from error
    if moment < clock.EPOCH:
        raise TimeError(_BEFORE_EPOCH)
    moment_us = clock.to_us(moment)
    if moment_us > LATEST_US:
        raise TimeError(_UNREADABLE)
    return moment_us


def to_us_array(values: Sequence[Any]) -> Ints:
    """Moments of one kind. Raises `TimeError`; parts of a microsecond are cut off or rounded."""
    kinds = set(map(type, values))
    if not kinds <= {int, float, str}:
        raise TimeError(_UNREADABLE)
    if not values:
        return np.empty(0, dtype=np.int64)
    if kinds == {str} and _is_usual(distinct := set(values)):
        moments = {text: _usual(text) for text in distinct}
        return np.fromiter(map(moments.__getitem__, values), dtype=np.int64, count=len(values))
    if kinds != {str} or _is_number(values[0]):
        return _from_seconds(values)
    if _ISO.match(values[0]):
        return _from_iso(values)
    return _from_spans(values)


def _is_usual(distinct: Collection[str]) -> bool:
    """What a poll brings: the same few moments again and again, in the usual form."""
    return len(distinct) <= _FEW and all(map(_USUAL.fullmatch, distinct))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_seconds(values: Sequence[Any]) -> Ints:
    try:
        seconds = np.fromiter(map(float, values), dtype=np.float64, count=len(values))
    except (ValueError, OverflowError) as error:
        raise TimeError(_UNREADABLE) from error
    if np.isnan(seconds).any():
        raise TimeError(_UNREADABLE)
    if (seconds < 0).any():
        raise TimeError(_BEFORE_EPOCH)
    if (seconds > LATEST_US / 1_000_000).any():
        raise TimeError(_UNREADABLE)
    return np.rint(seconds * 1_000_000).astype(np.int64)


def _from_iso(values: Sequence[str]) -> Ints:
    if max(map(len, values)) > _LONGEST:
        raise TimeError(_UNREADABLE)
    bare, offsets = _split_zones(_without_words(np.strings.strip(np.array(values))))
    codes = np.ascontiguousarray(bare).view(np.uint32)
    known = codes.max(initial=0) < len(_CODES) and _CODES[codes].all()
    if not known or np.strings.endswith(bare, " ").any():
        raise TimeError(_UNREADABLE)
    try:
        moments = bare.astype("datetime64[us]")
    except ValueError as error:
        raise TimeError(_UNREADABLE) from error
    if np.isnat(moments).any():
        raise TimeError(_UNREADABLE)
    return _checked(moments.astype(np.int64) - offsets)


def _split_zones(texts: Texts) -> tuple[Texts, Ints]:
    """Texts without their zones, and how many µs each zone is ahead of UTC."""
    bare = np.strings.rstrip(texts, "Z")
    zones_each = np.strings.str_len(texts) - np.strings.str_len(bare)
    ahead = np.zeros(len(bare), dtype=np.int64)
    for sign in "+-":
        zoned = np.strings.rfind(bare, sign) >= _DATE_CHARS
        if zoned.any():
            bare[zoned], _, zones = np.strings.rpartition(bare[zoned], sign)
            names, kinds = np.unique(zones, return_inverse=True)
            ahead[zoned] = np.array([_zone_us(sign, name) for name in names.tolist()])[kinds]
            zones_each += zoned
    if (zones_each > 1).any():
        raise TimeError(_UNREADABLE)
    return bare, ahead


def _without_words(texts: Texts) -> Texts:
    """``now`` and ``today`` as the moments that they are."""
    if not np.isin(texts, ["now", "today"]).any():
        return texts
    now = clock.now().replace(tzinfo=None)
    texts = np.where(texts == "now", now.isoformat(), texts)
    return np.where(texts == "today", now.date().isoformat(), texts)


def _zone_us(sign: str, text: str) -> int:
    """``02:00`` or ``0200``"""
    match = _ZONE.fullmatch(text)
    if match is None:
        raise TimeError(_UNREADABLE)
    ahead_us = (int(match[1]) * 60 + int(match[2])) * 60_000_000
    return -ahead_us if sign == "-" else ahead_us


def _from_spans(values: Sequence[str]) -> Ints:
    now_us = clock.now_us()
    return _checked(np.array([now_us + _signed_us(text) for text in values], dtype=np.int64))


def _signed_us(text: str) -> int:
    text = text.strip()
    try:
        span_us = timespan_us(text.removeprefix("-").removeprefix("+"))
    except TimespanError as error:
        raise TimeError(_UNREADABLE) from error
    return -span_us if text.startswith("-") else span_us


def _checked(moments: Ints) -> Ints:
    if (moments < 0).any():
        raise TimeError(_BEFORE_EPOCH)
    if (moments > LATEST_US).any():
        raise TimeError(_UNREADABLE)
    return moments


def text_of(moment: datetime) -> str:
    """``2014-01-03T02:02:02+00:00``, with six digits more where there is a fraction."""
    return moment.astimezone(UTC).isoformat()


def texts_of(moments: Ints) -> list[str]:
    """`text_of` for many moments in µs; the digits of all are computed together."""
    found: list[str] = _texts(moments, b"", b"").astype(np.str_).tolist()
    return found


def framed(moments: Ints, before: bytes, after: bytes) -> list[bytes]:
    """Each of `texts_of` between these two, in ASCII."""
    found: list[bytes] = _texts(moments, before, after).tolist()
    return found


def _texts(moments: Ints, before: bytes, after: bytes) -> npt.NDArray[np.bytes_]:
    texts = _digits(moments, before, after, fine=False)
    fractions = moments % 1_000_000 != 0
    if fractions.any():
        texts = np.where(fractions, _digits(moments, before, after, fine=True), texts)
    return texts


def _digits(moments: Ints, before: bytes, after: bytes, fine: bool) -> npt.NDArray[np.bytes_]:
    fraction = b".000000" if fine else b""
    form = b"".join((before, b"0000-00-00T00:00:00", fraction, b"+00:00", after))
    texts = np.full(len(moments), form, dtype=f"S{len(form)}")
    seconds = moments // 1_000_000
    days = seconds // _DAY_S
    digits = {0: _dates(days), 11: _clock()[seconds - days * _DAY_S]}
    if fine:
        digits[20] = np.strings.zfill((moments - seconds * 1_000_000).astype("S6"), 6)
    places = {
        "names": [str(place) for place in digits],
        "formats": [one.dtype for one in digits.values()],
        "offsets": [len(before) + place for place in digits],
        "itemsize": len(form),
    }
    fields: npt.NDArray[Any] = texts.view(np.dtype(places))  # type: ignore[call-overload]
    for place, some in digits.items():
        fields[str(place)] = some
    return texts


def _dates(days: Ints) -> npt.NDArray[np.bytes_]:
    """Moments come day by day, so that there are few dates to make texts of."""
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    texts = np.datetime_as_string(days[starts].astype("datetime64[D]")).astype("S10")
    return np.repeat(texts, np.diff(starts, append=len(days)))


@cache
def _clock() -> npt.NDArray[np.bytes_]:
    """``00:00:00`` to ``23:59:59``."""
    texts = np.datetime_as_string(np.arange(_DAY_S).astype("datetime64[s]"))
    return np.array([text[11:] for text in texts.tolist()], dtype="S8")
