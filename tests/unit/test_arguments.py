"""What commands take on their command lines, and how they show others' words."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from telemetry_site.arguments import MOST_ID, hours, printable, row_id, rows
from telemetry_site.console import console
from telemetry_site.texts import visible

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((rows, text) for text in ("", "-1", "0", "1.5", "1e3", "\u0665", "1000001", "9" * 5000)),
        *((row_id, text) for text in ("-1", "0", str(MOST_ID + 1), "9" * 5000, "a\ud800")),
        *((hours, text) for text in ("-1", "nan", "inf", "1e300", "x", "9" * 5000)),
        *((printable, text) for text in ("", "a\x00", "\ud800", "\x1b[2J", "x" * 256)),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_words(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        read(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_what_is_within_them_is_taken() -> None:
    assert (rows("50"), row_id(str(MOST_ID)), printable("a b")) == (50, MOST_ID, "a b")
    assert hours("0.5") == timedelta(minutes=30)


def test_brackets_and_colons_of_others_words_are_shown_as_they_are() -> None:
    words = "udp://[fe80::1]:4952", "[/x] [bold]", ":smile:"
    table = Table("a", "b", "c")
    table.add_row(*words)
    out = StringIO()
    console(out).print(table)
    console(out).print("of [bold]x[/y]")

    assert all(text in out.getvalue() for text in (*words, "of [bold]x[/y]"))


def test_control_characters_of_others_words_do_not_reach_a_terminal() -> None:
    assert visible("a\x1b[2Jb\x00\ud800\u202e\n\tc ü") == "a\\x1b[2Jb\\x00\\ud800\\u202e\n\tc ü"


def test_an_argument_that_is_no_utf8_is_told_by_every_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(MANAGE), "check_definitions", b"/nowhere/\xff.yaml"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
             "TELEMETRY_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "/nowhere/\\udcff.yaml: cannot be read" in done.stdout
    assert "Traceback" not in done.stderr
