"""Conditions on fields of events or samples: lists of them in rules, all of which must hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from alarms.definition.fields import Name, Text, check_text
from alarms.errors import DefinitionError
from meters.wsme.typed import TYPES, converted

OPERATORS = ("eq", "ge", "gt", "le", "lt", "ne")
_FIELD = re.compile(r"[a-zA-Z.',0-9_-]*", re.ASCII)
MAX_CONDITIONS = 100


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`value` is a text that is read as `type` says; type "" is text too, or the field's own."""

    field: Name
    op: str = "eq"
    type: str
    value: Text


def check_conditions(query: Sequence[Condition]) -> None:
    if len(query) > MAX_CONDITIONS:
        raise DefinitionError("rule.query", f"has more than {MAX_CONDITIONS} conditions")
    for place, condition in enumerate(query):
        _check(condition, f"query[{place}]")


def _check(one: Condition, where: str) -> None:
    if one.op not in OPERATORS:
        raise _invalid(f"{where}.op", f"value must be one of {list(OPERATORS)}", "data['op']")
    if one.type not in TYPES:
        raise _invalid(f"{where}.type", f"value must be one of {list(TYPES)}", "data['type']")
    if not _FIELD.fullmatch(one.field):
        raise _invalid(f"{where}.field", "does not match regular expression", "data['field']")
    check_text(f"{where}.value", one.value)
    try:
        converted(one.value, one.type)
    except ValueError as error:
        fault = f"Unable to convert the value {one.value} to the expected data type {one.type}."
        raise DefinitionError(f"rule.{where}.value", f"is no {one.type}", fault) from error


def _invalid(field: str, text: str, where: str) -> DefinitionError:
    fault = f"Query value or traits invalid: {text} for dictionary value @ {where}"
    return DefinitionError(f"rule.{field}", text, fault)
