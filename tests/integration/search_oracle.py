"""Resources, and which of them a search finds by plain Python: in Kleene's three-valued logic."""

from __future__ import annotations

import operator as op
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st

from meters.timespans import timespan_us

Row = dict[str, Any]
NAMESPACE = UUID("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b")
CREATOR = "ceil:svc"
KIND = "machine"
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "required": False, "min_length": 0, "max_length": 256},
    "new-name": {"type": "string", "required": False, "min_length": 0, "max_length": 256},
    "vcpus": {"type": "number", "required": False, "min": None, "max": None},
    "on": {"type": "bool", "required": False},
    "image": {"type": "uuid", "required": False},
    "launched": {"type": "datetime", "required": False},
}
IMAGES = ["07eb339e-23c0-4be2-be43-cd8247afae3b", "e495ebad-be64-46c0-81d6-b079beb48df9"]


def at(hour: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def identity(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        return uuid5(NAMESPACE, f"{name}\x00{CREATOR}")


def row(
    original: str, hours: tuple[float, float | None], owner: str | None, /, **metadata: Any
) -> Row:
    """A key like ``new_name`` is the attribute ``new-name``."""
    started, ended = hours
    return {
        "id": identity(original),
        "original_resource_id": original,
        "type": KIND,
        "creator": CREATOR if owner else "basic",
        "project_id": owner,
        "user_id": None,
        "started_at": at(started),
        "ended_at": None if ended is None else at(ended),
        "revision_start": at(started + 1),
        "metadata": {key.replace("_", "-"): value for key, value in metadata.items()},
    }


#: The last ones hold, as agents' metadata may, what is no value of the attribute.
ROWS = [
    row("vm1", (0, None), "p1", name="web-1", vcpus=2, on=True, image=IMAGES[0]),
    row("vm2", (0, 1), "p1", name="web_2", vcpus=2.5, on=False, launched=at(1).isoformat()),
    row("vm3", (1, 2), "p2", name="WEB-1", vcpus=-1, image=IMAGES[1], launched=at(2).isoformat()),
    row("vm4", (1, 1.5), "p2", name="", on=True, new_name="x"),
    row("vm5", (2, None), None, name="5.0", vcpus=0),
    row("vm6", (2, 4), None, vcpus=10, on=False, launched=at(1.0001).isoformat()),
    row("vm7", (3, None), "p3"),
    row("vm8", (3, 3), "p3", name="a%b_c\\d", new_name="web-1", other="web-1"),
    row("vm9", (4, None), "p1", name=5, vcpus="2", on=1, image=7, launched=None),
    row("vm10", (4, 5), "p1", name=None, vcpus=True, on="true", image=[IMAGES[0]], launched={}),
    row("é☃", (5, 9), "p1", name="é☃ 'quoted\"", vcpus=1e6, image=IMAGES[0].upper()),
    row("2fbfbb20-8d56-5e1e-afb9-b3007da11fdf", (6, None), "p1", name="web-1", vcpus=2, on=True),
]

_ALIASES = {
    "==": "=", "eq": "=", "≠": "!=", "ne": "!=", "lt": "<", "≤": "<=", "le": "<=", "gt": ">",
    "≥": ">=", "ge": ">=", "∧": "and", "∨": "or",
}  # fmt: skip
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge,
}  # fmt: skip
_TIMES = ("started_at", "ended_at", "revision_start", "revision_end")
_KINDS = {"string": str, "uuid": str, "number": (int, float), "bool": bool, "datetime": str}


def verdict(search: dict[str, Any], one: Row) -> bool | None:
    """None where it compares with what is not there."""
    if not search:
        return True
    [(name, operand)] = search.items()
    operator = _ALIASES.get(name, name)
    if operator == "not":
        inner = verdict(operand, one)
        return None if inner is None else not inner
    if operator in ("and", "or"):
        return _joined(operator, [verdict(part, one) for part in operand])
    [(attribute, value)] = operand.items()
    held = held_by(one, attribute)
    if operator == "in":
        return _joined("or", [_compared("=", held, attribute, part) for part in value])
    return _compared(operator, held, attribute, value)


def _joined(operator: str, parts: list[bool | None]) -> bool | None:
    decisive = operator == "or"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def _compared(operator: str, held: Any, attribute: str, value: Any) -> bool | None:
    if operator in ("=", "!=") and value is None:
        return (held is None) == (operator == "=")
    if held is None:
        return True if operator == "!=" else None
    if value is None:
        return None
    if operator == "like":
        return _like(held, str(value))
    wanted = meant(attribute, value)
    if operator == "=":
        return bool(held == wanted)
    return bool(held != wanted) if operator == "!=" else _ORDER[operator](held, wanted)


def _like(text: str, pattern: str) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    made = "".join(wild[part] if part in wild else re.escape(part[-1]) for part in parts)
    return re.fullmatch(made, text, re.DOTALL) is not None


def held_by(one: Row, attribute: str) -> Any:
    if attribute == "lifespan":
        return None if one["ended_at"] is None else one["ended_at"] - one["started_at"]
    user, _, project = one["creator"].partition(":")
    computed = {"created_by_user_id": user, "created_by_project_id": project}
    if attribute not in ATTRIBUTES:
        return computed.get(attribute) if attribute in computed else one[attribute]
    kind = ATTRIBUTES[attribute]["type"]
    value = one["metadata"].get(attribute)
    if not isinstance(value, _KINDS[kind]) or (kind == "number" and isinstance(value, bool)):
        return None
    return datetime.fromisoformat(value) if kind == "datetime" else value


def meant(attribute: str, value: Any) -> Any:
    """What a client's value is for the attribute."""
    if attribute == "id":
        return identity(value)
    if attribute == "lifespan":
        return timedelta(microseconds=timespan_us(value))
    kind = "datetime" if attribute in _TIMES else ATTRIBUTES.get(attribute, {}).get("type")
    match kind:
        case "datetime":
            return datetime.fromisoformat(value).astimezone(UTC)
        case "number":
            return float(value)
        case "bool":
            return bool(value)
        case "uuid":
            return str(UUID(value))
        case _:
            return str(value)


# --- searches ----------------------------------------------------------------------------------

_NAMES = ["web-1", "web_2", "WEB-1", "", "5.0", "nosuch", "x", "a%b_c\\d", "p1", "p2", "vm1", "é☃"]
_PATTERNS = ["web%", "web_1", "WEB%", "%", "_", "", "a\\%b\\_c\\\\d", "%☃%", "p_", "vm%", "%svc"]
_MOMENTS = [at(hour).isoformat() for hour in range(8)] + ["2026-01-01T03:00:00+02:00"]
_POOLS: dict[str, list[Any]] = {
    "id": ["vm1", "vm2", "nosuch", str(identity("vm3")), "2FBFBB208D565E1EAFB9B3007DA11FDF"],
    "lifespan": ["30 min", 3600.0, "1:00:00", "1d", 0.5],
    "vcpus": [2.0, 2.5, -1.0, "2", 0.0, True, 1e6],
    "on": [True, False, 1.0, 0.0],
    "image": [*IMAGES, IMAGES[0].upper(), IMAGES[1].replace("-", "")],
    "launched": [*_MOMENTS, at(1.0001).isoformat()],
    "created_by_user_id": ["ceil", "basic", "ceil:svc", ""],
    "created_by_project_id": ["svc", "basic", ""],
    **dict.fromkeys(_TIMES, _MOMENTS),
}
_TEXTS = ["name", "new-name", "type", "creator", "project_id", "user_id", "original_resource_id"]
_UNORDERED = ("created_by_user_id", "created_by_project_id")
_LIKED = [*_TEXTS, *_UNORDERED]


def _value(attribute: str) -> st.SearchStrategy[Any]:
    pool = _POOLS.get(attribute, [*_NAMES, 5.0, KIND, CREATOR])
    return st.sampled_from(pool if attribute == "id" else [*pool, None])


def _comparisons(attributes: list[str], operators: list[str]) -> st.SearchStrategy[Any]:
    def of(attribute: str) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda operator, value: {operator: {attribute: value}},
            st.sampled_from(operators),
            _value(attribute),
        )

    return st.sampled_from(attributes).flatmap(of)


def _memberships(attributes: list[str]) -> st.SearchStrategy[Any]:
    def of(attribute: str) -> st.SearchStrategy[Any]:
        values = st.lists(_value(attribute), min_size=1, max_size=3)
        return values.map(lambda found: {"in": {attribute: found}})

    return st.sampled_from(attributes).flatmap(of)


_LIKES = st.builds(
    lambda attribute, pattern: {"like": {attribute: pattern}},
    st.sampled_from(_LIKED),
    st.sampled_from([*_PATTERNS, None]),
)


def searches(of_revisions: bool = False, as_text: bool = False) -> st.SearchStrategy[Any]:
    """`as_text`: such as the notation as a text has a form for."""
    plain = [*_TEXTS, *_POOLS]
    if not of_revisions:
        plain.remove("revision_end")
    ordered = [name for name in plain if name not in _UNORDERED]
    equal = ["=", "eq", "!=", "≠", "ne"] + ([] if as_text else ["=="])
    leaves = (
        _comparisons(plain, equal)
        | _comparisons(ordered, ["<", "lt", "<=", "≤", "le", ">", "gt", ">=", "≥", "ge"])
        | _memberships(plain)
        | _LIKES
    )
    return st.recursive(
        leaves if as_text else leaves | st.just({}),
        lambda inner: (
            st.builds(
                lambda joint, parts: {joint: parts},
                st.sampled_from(["and", "or", "∧", "∨"]),
                st.lists(inner, min_size=1, max_size=3),
            )
            | inner.map(lambda one: {"not": one})
        ),
        max_leaves=8,
    )


def text_of(search: dict[str, Any]) -> str:
    """In the other notation."""
    [(operator, operand)] = search.items()
    if operator == "not":
        return f"not {text_of(operand)}"
    if operator in ("and", "or", "∧", "∨"):
        return "(" + f" {operator} ".join(map(text_of, operand)) + ")"
    [(attribute, value)] = operand.items()
    return f"{_term(attribute)} {operator} {_term(value)}"


def _term(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_term, value)) + "]"
    if isinstance(value, str):
        quote = "'" if '"' in value else '"'
        return f"{quote}{value}{quote}"
    return "none" if value is None else str(value)
