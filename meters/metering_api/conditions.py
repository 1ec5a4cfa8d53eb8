"""The simple query of meters, samples and resources, as what is looked for in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import Q

from meters.metering_api import metadata
from meters.metering_api.ids import position_of
from meters.metering_api.stretches import NEVER_US, Asked, of_resource
from meters.wire import EARLIEST_US
from meters.wsme.errors import foreign, invalid, unknown_argument
from meters.wsme.simple import (
    Term,
    check_type,
    moment_of,
    offset_of,
    require_operator,
    text_of,
    unrecognized,
    widened,
)
from meters.wsme.values import MISSING
from telemetry_site.clock import to_us

#: The fields of each kind of list, as its refusals name them.
SAMPLES = (
    "message_id", "meter", "project", "resource", "search_offset", "source", "timestamp", "user",
)  # fmt: skip
RESOURCES = ("project", "resource", "search_offset", "source", "timestamp", "user")
METERS = ("project", "resource", "source", "user")
_ALIASES = {"project_id": "project", "resource_id": "resource", "user_id": "user"}
NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class Bounds:
    """Of time, in microseconds: [start, stop) is what is selected.

    `origin` is the lower bound of that as it was said (None: none), where periods begin; `lower`
    and `upper` are the bounds without `search_offset`, which durations are cut to.
    """

    start_us: int = EARLIEST_US
    stop_us: int = NEVER_US
    origin_us: int | None = None
    lower_us: int | None = None
    upper_us: int | None = None

    @property
    def are_open(self) -> bool:
        return self.start_us == EARLIEST_US and self.stop_us == NEVER_US


@dataclass(frozen=True)
class Query:
    asked: Asked
    bounds: Bounds


def read(terms: Sequence[Term], known: Sequence[str], visible_project: str | None) -> Query:
    """What fits all terms and may be seen (`visible_project` None: everything). Raises `Fault`."""
    asked = Asked()
    if visible_project is not None:
        asked = Asked(revisions=Q(project_id=visible_project) if visible_project else NOTHING)
    said: dict[str, str] = {}
    for term in terms:
        asked = _with(asked, term, terms, known, visible_project, said)
    bounds = _bounds(terms)
    start_us = max(bounds.start_us, asked.start_us)
    stop_us = min(bounds.stop_us, asked.stop_us)
    return Query(
        replace(asked, start_us=start_us, stop_us=stop_us),
        replace(bounds, start_us=start_us, stop_us=stop_us),
    )


def _with(
    asked: Asked,
    term: Term,
    terms: Sequence[Term],
    known: Sequence[str],
    visible_project: str | None,
    said: dict[str, str],
) -> Asked:
    """What is asked, and this condition; `said` are those before it."""
    check_type(term)
    path = metadata.path_of(term.field)
    name = _ALIASES.get(term.field, term.field)
    if path is None and name not in known:
        if name == "timestamp":
            raise unknown_argument("timestamp", ": not valid for this resource")
        raise unrecognized(term, terms, sorted(known))
    if not term.value:
        raise invalid("value", term.value, MISSING)
    if name in ("timestamp", "search_offset"):
        return asked
    require_operator(term)
    if path is not None:
        return replace(asked, revisions=asked.revisions & metadata.condition(path, term))
    if name == "project" and visible_project is not None and term.value != visible_project:
        raise foreign("project", term.value)
    return narrowed_once(asked, name, text_of(term), said)


def narrowed_once(asked: Asked, name: str, value: str, said: dict[str, str]) -> Asked:
    """As `narrowed`, but nothing is two things at once, and what was `said` is not said again: a
    thousand conditions on one field take PostgreSQL as long as it may."""
    if name in said:
        return asked if said[name] == value else replace(asked, series=NOTHING)
    said[name] = value
    return narrowed(asked, name, value)


def narrowed(asked: Asked, name: str, value: str) -> Asked:
    """What is asked, where moreover the field of this name is so."""
    match name:
        case "meter":
            names = {value} if asked.names is None else asked.names & {value}
            return replace(asked, names=frozenset(names))
        case "resource":
            return replace(asked, series=asked.series & of_resource(value))
        case "project" | "user":
            equal = Q((f"{name}_id__isnull", True)) if value == "None" else Q((f"{name}_id", value))
            return replace(asked, revisions=asked.revisions & equal)
        case "source":
            return replace(asked, revisions=asked.revisions & of_source(value))
        case "message_id":
            return _of_message(asked, value)
    raise ValueError(name)


def of_source(value: str) -> Q:
    """What says nothing of its source has the usual one."""
    usual = value == settings.TELEMETRY_SAMPLE_SOURCE
    return Q(source=value) | Q(source="") if usual else Q(source=value)


def _of_message(asked: Asked, text: str) -> Asked:
    position = position_of(text)
    if position is None or asked.number not in (None, position.series):
        return replace(asked, series=NOTHING)
    return replace(
        asked,
        number=position.series,
        start_us=max(asked.start_us, position.timestamp_us),
        stop_us=min(asked.stop_us, position.timestamp_us + 1),
    )


def _bounds(terms: Sequence[Term]) -> Bounds:
    """Of several bounds on one side the tightest holds."""
    offset = offset_of(terms)
    starts: list[tuple[int, int]] = []
    stops: list[int] = []
    lowers: list[int] = []
    uppers: list[int] = []
    for term in terms:
        if term.field != "timestamp":
            continue
        at, plain = to_us(widened(term, offset)), to_us(moment_of(term))
        if term.op in ("gt", "ge"):
            starts.append((at + (term.op == "gt"), at))
            lowers.append(plain)
        else:
            stops.append(at + (term.op == "le"))
            uppers.append(plain)
    start_us, origin_us = max(starts, default=(EARLIEST_US, None), key=lambda pair: pair[0])
    return Bounds(
        start_us, min(stops, default=NEVER_US), origin_us, max(lowers, default=None),
        min(uppers, default=None),
    )  # fmt: skip
