"""A file that is `FILE.part` until it is complete and on disk."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO


class PartFileError(Exception):
    """Why the file can't be written, in a sentence."""


def part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def is_begun(path: Path, resume: bool) -> bool:
    """Whether there is a part to go on with. Nothing is ever overwritten that wasn't asked for."""
    part = part_of(path)
    if part.exists() and not resume:
        raise PartFileError(f"{part} is there: go on with --resume, or remove it.")
    return part.exists()


def alone(stream: BinaryIO) -> None:
    """Until the stream is closed no other process may write this part."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PartFileError(f"{stream.name} is being written by another export.") from error
