"""Views reach rows only through `scope` (S1, S16): a lint over the doors' own source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import alarms.api
import meters.api
from telemetry_site.paths import ROOT

DOORS = [Path(door.__file__).parent for door in (meters.api, alarms.api)]
FILES = sorted(file for door in DOORS for file in door.rglob("*.py"))
#: What counts rows for nobody, or writes what is the caller's own by construction.
ALLOWED = {
    "ingest.py": {"PostedOnce.objects", "Resource.objects.of_creator("},
    "status.py": {"IngestMinute.objects", "Source.objects.filter(kind=Source.PUBLISHER)"},
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_query_goes_round_the_scope(file: Path) -> None:
    text = file.read_text()
    for allowed in ALLOWED.get(file.name, ()):
        text = text.replace(allowed, "")
    assert not re.findall(r"\w+\.objects\.(?!scope\(|scope_ever\()\w+", text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_sql_and_no_users_dictionary_is_expanded_into_a_query(file: Path) -> None:
    text = file.read_text()
    assert ".extra(" not in text
    assert "RawSQL" not in text
    assert ".raw(" not in text
    assert "cursor" not in re.findall(r"connection\.(\w+)\(", text)
    assert not re.findall(r"\.(?:filter|exclude|annotate|alias|values|order_by|get)\(\*\*", text)
