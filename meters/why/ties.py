"""Which sources may bring the samples of a meter of a resource. Pure.

No sample says who measured it: it is found out from what reports and resources say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from meters.models import Source
from meters.why.facts import Selection, SourceFact

#: Of sources that only could measure it.
SHOWN = 5
HOSTS = ("instance_host", "host_name", "host")
NOTIFICATIONS = "notification"


@dataclass(frozen=True)
class Asked:
    """`name` is the resource's id, by which reports speak of it."""

    meter: str
    name: str
    type: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def tied(sources: Iterable[Source], asked: Asked, now: datetime) -> tuple[list[SourceFact], int]:
    """(the sources in question, the likeliest first; how many more could be)."""
    found = [fact for source in sources if (fact := _tie(source, asked, now))]
    sure = [fact for fact in found if fact.is_sure]
    rest = [fact for fact in found if not fact.is_sure]
    if not sure:
        buses = [fact for fact in rest if fact.kind == NOTIFICATIONS]
        rest = [fact for fact in rest if fact.kind != NOTIFICATIONS] or buses
        if len(rest) == 1 and rest != buses and not any(_hosts(asked)):
            why = "it is the only source that measures this meter"
            rest = [replace(rest[0], is_sure=True, why=why)]
    chosen = sorted(sure or rest, key=_trouble)
    return chosen[:SHOWN], len(chosen[SHOWN:])


def _trouble(fact: SourceFact) -> tuple[bool, int]:
    """The worst first."""
    return not fact.silent, ("error", "partial", "ok").index(fact.outcome)


def _tie(source: Source, asked: Asked, now: datetime) -> SourceFact | None:
    selection = _selection(source.details)
    lacks = _lacks(source.details, asked)
    errors = [str(error) for error in source.errors]
    about = [one for one in errors if asked.name in one]
    knows = asked.meter in selection.meters | selection.left_out
    why, is_sure = _why(source, asked, bool(lacks), bool(about), knows)
    if not why:
        return None
    shown = errors if source.outcome == Source.Outcome.ERROR or not is_sure else about
    shown = [*about, *(one for one in shown if one not in about)]
    return SourceFact(
        pk=source.pk, kind=source.kind, name=source.name, agent_id=source.agent_id, why=why,
        is_sure=is_sure, interval_s=source.interval_s, last_poll=source.last_poll,
        last_received=source.last_received, outcome=source.outcome, duration_s=source.duration_s,
        samples=source.samples, silent=source.silence(now), last_success=source.last_success,
        errors=shown, others=len(errors) - len(shown), lacks=lacks, selection=selection,
    )  # fmt: skip


def _why(
    source: Source, asked: Asked, lacks: bool, named: bool, knows: bool
) -> tuple[str, bool]:  # fmt: skip
    """How the source is tied to the question, and whether that is sure; "" where it is not."""
    if lacks or named:
        return "its last report names the resource", True
    # What a polling file names is called by its part of the file first.
    place = source.name.rpartition(": ")[2]
    if place and place in (asked.metadata.get("endpoint"), asked.metadata.get("resource_url")):
        return "the resource's metadata name it as their endpoint", True
    has_selection = "selection" in source.details
    for host in _hosts(asked):
        if source.agent_id.endswith(f".{host}") and (knows or not has_selection):
            return f"it polls {host}, where the resource is", True
    if knows:
        return "its report says that it measures this meter", False
    if source.kind == NOTIFICATIONS:
        return "samples that nobody polls come by notifications", False
    return "", False


def _hosts(asked: Asked) -> Iterator[str]:
    if asked.type == "host":
        yield asked.name
    for key in HOSTS:
        value = asked.metadata.get(key)
        if isinstance(value, str) and value:
            yield value


def _selection(details: Any) -> Selection:
    """What a report says, whatever shape an agent gave it."""
    said = details.get("selection") if isinstance(details, dict) else None
    if not isinstance(said, dict):
        return Selection()
    return Selection(
        frozenset(_texts(said.get("meters"))), frozenset(_texts(said.get("left_out"))),
        _texts(said.get("rules")), _texts(said.get("unknown")),
    )  # fmt: skip


def _lacks(details: Any, asked: Asked) -> str:
    """Why the source has no sample of the meter of the resource, by its own word."""
    for one in _list(details.get("lacking") if isinstance(details, dict) else None):
        meters, resources = _texts(one.get("meters")), _texts(one.get("resources"))
        fits = asked.meter in meters if meters else asked.meter != "power.state"
        if fits and asked.name in resources:
            return str(one.get("why", ""))
    return ""


def unknown_names(sources: Iterable[Source], meter: str) -> list[str]:
    """Sentences of polling files that name the meter though no pollster has it."""
    told = {one for source in sources for one in _selection(source.details).unknown}
    return sorted(one for one in told if one.endswith(f"no pollster is {meter}"))


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
