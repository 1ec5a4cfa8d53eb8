"""pytest in a suite's own environment, file by file, and the outcomes of its report."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.compat.outcomes import Outcome


def run_files(
    environment: Path, found: Mapping[str, Path], chosen: Sequence[str], client: Mapping[str, str]
) -> Iterator[Outcome]:
    """The outcome of each test of the chosen files (all, if none is), with these variables set."""
    if unknown := set(chosen) - set(found):
        sys.exit(f"No such file: {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    for name, path in found.items():
        if not chosen or name in chosen:
            yield from _run_file(environment, name, path, client)


def _run_file(
    environment: Path, name: str, path: Path, client: Mapping[str, str]
) -> Iterator[Outcome]:
    """Its own words go to the log of failures only."""
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        xml = Path(folder, "outcomes.xml")
        options = ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider"]
        ran = subprocess.run(
            [environment / "bin" / "python", "-m", "pytest", *options, f"--junitxml={xml}", path],
            env=_plain_environment() | client, cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if ran.returncode not in (0, 1):
            sys.exit(f"pytest ended with {ran.returncode}:\n{ran.stdout}")
        yield from (_outcome(name, case) for case in ElementTree.parse(xml).iter("testcase"))


def _plain_environment() -> dict[str, str]:
    """Without a cloud's credentials, which would choose another way of logging in."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("OS_", "GNOCCHI"))
    }


def _outcome(file: str, case: ElementTree.Element) -> Outcome:
    trouble = [one for kind in ("failure", "error", "skipped") for one in case.iter(kind)]
    return Outcome(
        file=file,
        name=case.get("name", ""),
        verdict="failed" if trouble else "passed",
        seconds=float(case.get("time", 0)),
        expected="\n".join(one.get("message", "") for one in trouble),
        got="\n".join(_last_lines(one.text or "") for one in trouble),
    )


def _last_lines(text: str) -> str:
    """Where it happened."""
    return "\n".join(text.strip().splitlines()[-2:])
