"""Output of commands for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

#: Wide enough that nothing wraps when the output is read from a file or a pipe.
PIPE_WIDTH = 200


def console(stdout: Any) -> Console:
    """A rich console on a command's `self.stdout`; plain and wide where it is no terminal.

    Most of what is shown are others' words (addresses, answers, messages): brackets and colons in
    them mean nothing but where a print asks for `markup`.
    """
    terminal = bool(getattr(stdout, "isatty", lambda: False)())
    width = None if terminal else PIPE_WIDTH
    return Console(file=stdout, width=width, soft_wrap=False, markup=False, emoji=False)


def progress(stderr: Any, *columns: ProgressColumn) -> Progress:
    """A bar on a command's `self.stderr`, where that is a terminal; gone when the work is done."""
    out = console(stderr)
    shown = columns or (MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(
        TextColumn("{task.description}"), BarColumn(), *shown,
        console=out, transient=True, disable=not out.is_terminal,
    )  # fmt: skip
