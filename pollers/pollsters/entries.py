"""From an answer to entries, and from an entry to a value and metadata. Pure.

The order for one entry: its ids are mapped, the value is found, skipped or mapped, then metadata.
What is not there is no sample and no metadata, never a zero and never an exception that stops the
other entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pollers.errors import PollersError
from pollers.pollsters.definition import Pollster
from telemetry_site.expressions import EvaluationError, LackingError, Variables

_LONGEST_SHOWN = 80


class EntryError(PollersError):
    """An answer or an entry that gives nothing; the text says why, without the entry's own id, so
    that a thousand of a kind are one sentence.
    """


@dataclass(frozen=True)
class Reading:
    """One value. `value` is None where the service has none (an image that was not uploaded)."""

    meter: str
    value: float | None


def entries_of(pollster: Pollster, answer: Any) -> list[Any]:
    """Of an answer that is a list itself, `response_entries_key` counts only if it begins with the
    whole: elsewhere a path has no effect there. Raises `EntryError`.
    """
    found = answer
    if isinstance(answer, dict) or (pollster.entries is not None and not pollster.entries.keys):
        found = _listed(pollster, answer)
    if found is None:
        return []
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise EntryError(f"the entries are {found!r:.{_LONGEST_SHOWN}}, which is no list")
    return found


def _listed(pollster: Pollster, answer: Any) -> Any:
    if pollster.entries is not None:
        try:
            return pollster.entries.find(answer)
        except EvaluationError as error:
            raise EntryError(f"response_entries_key: {error}") from error
    if not answer:
        raise EntryError("the answer is an empty object")
    return next(iter(answer.values()))


def with_ids(pollster: Pollster, entry: Any, variables: Variables) -> dict[str, Any]:
    """A copy with `id`, `project_id` and `user_id` where the definition says they are.

    One that is not there is null. Raises `EntryError` for an entry that is no object.
    """
    if not isinstance(entry, dict):
        raise EntryError(f"an entry is {entry!r:.{_LONGEST_SHOWN}}, which is no object")
    mapped = dict(entry)
    for key, way in (
        ("user_id", pollster.ids.user),
        ("project_id", pollster.ids.project),
        ("id", pollster.ids.resource),
    ):
        if way is not None:
            try:
                mapped[key] = way.find(entry, variables)
            except EvaluationError:
                mapped[key] = None
    return mapped


def readings_of(
    pollster: Pollster, entry: dict[str, Any], variables: Variables
) -> Iterator[Reading | EntryError]:
    """The values of an entry, one but for a multi-metric; none where the definition skips it."""
    if pollster.list_field is None:
        try:
            raw = pollster.value.find(entry, variables)
        except EvaluationError as error:
            yield EntryError(f"value_attribute: {error}")
            return
        if not _is_in(raw, pollster.values.skip):
            yield _attempt(pollster.name, _mapped(pollster, raw))
        return
    try:
        parts = pollster.list_field.find(entry, variables)
    except EvaluationError as error:
        yield EntryError(f"value_attribute: {error}")
        return
    if not isinstance(parts, list):
        yield EntryError(f"value_attribute: {parts!r:.{_LONGEST_SHOWN}} is no list")
        return
    for part in parts:
        yield from _reading_of_part(pollster, part, variables)


def _reading_of_part(
    pollster: Pollster, part: Any, variables: Variables
) -> Iterator[Reading | EntryError]:
    """One sub-metric of a multi-metric: its name is in the part, value mapping is not for it."""
    name = part.get(pollster.name_field) if isinstance(part, dict) else None
    if not isinstance(name, str | int) or name == "":
        yield EntryError(f"there is no {pollster.name_field} to name the meter by")
        return
    try:
        raw = pollster.value.find(part, variables)
    except EvaluationError as error:
        yield EntryError(f"value_attribute: {error}")
        return
    if not _is_in(raw, pollster.values.skip) and str(name) not in pollster.values.skip:
        yield _attempt(f"{pollster.stem}.{name}", raw)


def _mapped(pollster: Pollster, raw: Any) -> Any:
    mapping = pollster.values.mapping
    if not mapping:
        return raw
    for key, value in mapping.items():
        if key == raw and type(key) is type(raw):
            return value
    return pollster.values.default


def _is_in(raw: Any, values: tuple[Any, ...]) -> bool:
    return any(value == raw and type(value) is type(raw) for value in values)


def _attempt(meter: str, value: Any) -> Reading | EntryError:
    """The value as a number: services also write it as text."""
    if value is None:
        return Reading(meter, None)
    if isinstance(value, bool | int | float | str):
        try:
            return Reading(meter, float(value))
        except (ValueError, OverflowError):
            pass
    return EntryError(f"the value {value!r:.{_LONGEST_SHOWN}} is no number")


def unit_of(pollster: Pollster, entry: dict[str, Any], variables: Variables) -> str:
    """The entry's own, else the definition's."""
    if pollster.unit_way is not None:
        try:
            found = pollster.unit_way.find(entry, variables)
        except EvaluationError:
            return pollster.unit
        if isinstance(found, str) and found:
            return found
    return pollster.unit


def metadata_of(pollster: Pollster, entry: dict[str, Any], variables: Variables) -> dict[str, Any]:
    """{expression as written, or as it is renamed: value}; what is not there is left out."""
    found: dict[str, Any] = {}
    for field in pollster.metadata_fields:
        try:
            found[field.text] = field.find(entry, variables)
        except EvaluationError:
            continue
    for old, new in pollster.metadata_mapping.items():
        if old in found:
            found[new] = found[old]
            if not pollster.preserve_mapped_metadata and new != old:
                del found[old]
    return found


def skips_nested(pollster: Pollster, entry: dict[str, Any]) -> bool:
    return any(is_part(rule, entry) for rule in pollster.nested_skip)


def is_part(part: Any, whole: Any) -> bool:
    """Whether everything in `part` is in `whole`, at all depths."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and is_part(value, whole[key]) for key, value in part.items()
        )
    return bool(part == whole)


def next_page_of(pollster: Pollster, answer: Any) -> str:
    """Where the next page is; "" on the last, which lacks what the way looks for."""
    way = pollster.request.next_page
    if way is None:
        return ""
    try:
        found = way.find(answer)
    except LackingError:
        return ""
    except EvaluationError as error:
        raise EntryError(f"next_sample_url_attribute: {error}") from error
    return found if isinstance(found, str) else ""
