"""Metadata of resources: asked for by path and typed value, shown flat, posted flat.

Stored it is what came: nested, with types (telemetry-api.md 2.4, 2.5).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Func, JSONField, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, IsNull

from meters.queries import extract
from meters.wsme import simple
from meters.wsme.errors import bad, cut
from meters.wsme.simple import Term

PREFIXES = ("metadata.", "resource_metadata.")
MAX_STEPS = 16
#: So many steps of a path may be parts of keys with dots: there are 2 ** (n - 1) ways.
MAX_JOINED = 5
_PLACE = re.compile(r"\[(\d{1,9})\]")
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d{1,3})?", re.ASCII)
_QUOTED = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}

Readable = str | int | float | bool | None


def path_of(field: str) -> str | None:
    """What a field's name asks of the metadata; None where it is no metadata's."""
    for prefix in PREFIXES:
        if field.startswith(prefix) and field.removeprefix(prefix).strip():
            return field.removeprefix(prefix)
    return None


# --- asked for ---------------------------------------------------------------------------------


def stored_at(path: str) -> Combinable:
    """What lies at a path: ``flavor.name``, ``list[0]``; or under that very key, or where keys on
    the way hold some of its dots."""
    steps = _PLACE.sub(r".\1", path).split(".")
    if len(steps) > MAX_STEPS:
        raise bad(f"Invalid metadata key {cut(path)}: it has more than {MAX_STEPS} parts")
    ways = dict.fromkeys([(path,), tuple(steps), *_joined(steps)])
    first, *others = (extract("metadata", *way) for way in ways)
    return Coalesce(first, *others) if others else first


def _joined(steps: list[str]) -> Iterator[tuple[str, ...]]:
    """The ways to read some of the dots between the steps as parts of keys."""
    if len(steps) > MAX_JOINED:
        return
    for dots in itertools.product((False, True), repeat=len(steps) - 1):
        keys = [steps[0]]
        for is_inside, step in zip(dots, steps[1:], strict=True):
            keys[-1:] = [f"{keys[-1]}.{step}"] if is_inside else [keys[-1], step]
        yield tuple(keys)


def condition(path: str, term: Term) -> Q:
    """On `ResourceRevision`. Equal means of the same type, too. Raises `Fault`."""
    stored = stored_at(path)
    found = Q(pk__in=[])
    for value in _readings(term):
        if value is None:
            kind = Func(stored, function="jsonb_typeof", output_field=TextField())
            found |= Q(IsNull(stored, True)) | Q(Exact(kind, Value("null")))
        else:
            found |= Q(Exact(stored, Value(value, JSONField())))
    return found


def _readings(term: Term) -> list[Readable]:
    """What the value may be: one thing of the type that was said, else a literal of Python's.

    A number without a type is also the text that is spelled so: what is posted is all text.
    """
    if term.type == "datetime":
        return list(_spellings(term))
    if term.type:
        value = simple.value_of(term, term.type)
        if isinstance(value, float) and not math.isfinite(value):
            raise bad(
                f"Unable to convert the value {cut(term.value)} to the expected data type float."
            )
        assert isinstance(value, str | int | float)
        return [value]
    literal = literal_of(term.value)
    is_number = isinstance(literal, int | float) and not isinstance(literal, bool)
    return [literal, term.value] if is_number else [literal]


def literal_of(text: str) -> Readable:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else text


def _spellings(term: Term) -> set[Readable]:
    """The ways in which a time is usually written into metadata."""
    moment = simple.value_of(term, "datetime")
    assert isinstance(moment, datetime)
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    plain = {naive.isoformat(), naive.isoformat(" "), naive.strftime("%Y-%m-%dT%H:%M:%S.%f")}
    return {term.value, *plain, *(text + zone for text in plain for zone in ("Z", "+00:00"))}


# --- shown and posted --------------------------------------------------------------------------


def flat(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Text to text: the first level is joined with a dot, further ones with colons.

    A dot in a key counts as one between levels.
    """
    return dict(sorted((_name(path), value) for path, value in _flat(metadata, "")))


def _name(path: str) -> str:
    first, dot, others = path.partition(".")
    return first + dot + others.replace(".", ":")


def _flat(metadata: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in metadata.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, str(value)


def unfolded(posted: Mapping[str, str]) -> dict[str, Any]:
    """``{"flavor.name": …}`` → ``{"flavor": {"name": …}}``; what collides stays as it is."""
    found: dict[str, Any] = {}
    for key, value in sorted(posted.items()):
        *steps, last = parts = key.split(".")
        place: Any = found if all(parts) else None
        for step in steps:
            place = place.setdefault(step, {}) if isinstance(place, dict) else None
        if isinstance(place, dict) and last not in place:
            place[last] = value
        else:
            found[key] = value
    return found
