"""The keys `file_sd_configs`, `http_sd_configs` and `dns_sd_configs` of a job."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pollers.central.scrape_options import headers_of, seconds, verify_of
from pollers.central.target_discovery import FILES_S, Files, Names, Service, Watched
from telemetry_site.yamlfile import DefinitionError, Mapping, Sequence, text_of

#: How often others are asked where nothing is said, in seconds.
HTTP_REFRESH_S = 60.0
DNS_REFRESH_S = 30.0
#: As Prometheus has it: a wildcard in the name of the file, none in those of folders.
_PATTERN = re.compile(r"(?:[^*?\[]*/)?[^*/]*\*?[^*/]*\.(?:json|yml|yaml)")
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


def read_discoveries(job: Mapping, folder: Path) -> list[Watched]:
    """Those of a job. Raises `DefinitionError` with the line of what is wrong.

    Names of files that are no whole paths begin in `folder`.
    """
    found: list[Watched] = []
    for key, (known, read) in _KINDS.items():
        written = job.get(key, Sequence())
        if not isinstance(written, Sequence):
            raise DefinitionError(f"{key} is a list", job.line_of(key))
        for one, line in zip(written, written.lines, strict=True):
            try:
                found.append(read(_checked(one, known), folder))
            except DefinitionError as error:
                raise DefinitionError(f"{key}: {error}", error.line or line) from None
    return found


def _checked(written: Any, known: set[str]) -> Mapping:
    if not isinstance(written, Mapping):
        raise DefinitionError("an entry is a mapping")
    for key in written:
        if key not in known:
            raise DefinitionError(f"{key} is not supported", written.line_of(key))
    return written


def _refresh(written: Mapping, default_s: float) -> float:
    text = written.get("refresh_interval")
    return default_s if text is None else seconds(text)


def _files(written: Mapping, folder: Path) -> Watched:
    """Files are looked at all the time, so that `refresh_interval` has no effect."""
    patterns = _texts(written, "files")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise DefinitionError(
                f"{pattern!r} is no name of .json, .yml or .yaml files with at most one *"
            )
    _refresh(written, FILES_S)
    return Watched(Files(tuple(folder / one for one in patterns)), FILES_S, is_quick=True)


def _service(written: Mapping, _: Path) -> Watched:
    url = written.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise DefinitionError("url is an http or https URL")
    service = Service(url, headers_of(written), verify_of(written))
    return Watched(service, _refresh(written, HTTP_REFRESH_S))


def _names(written: Mapping, _: Path) -> Watched:
    kind = text_of(written, "type", "SRV")
    if kind not in _FAMILIES:
        raise DefinitionError(f"type {kind} is not supported, {' and '.join(_FAMILIES)} are")
    port = written.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise DefinitionError("port is missing, or no number from 1 to 65535")
    names = Names(tuple(_texts(written, "names")), port, _FAMILIES[kind])
    return Watched(names, _refresh(written, DNS_REFRESH_S))


def _texts(written: Mapping, key: str) -> list[str]:
    found = written.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise DefinitionError(f"{key} is a list of names")
    return found


#: What may stand in an entry of each kind, and what reads it.
_KINDS: dict[str, tuple[set[str], Callable[[Mapping, Path], Watched]]] = {
    "file_sd_configs": ({"files", "refresh_interval"}, _files),
    "http_sd_configs": (
        {"url", "refresh_interval", "basic_auth", "authorization", "tls_config"}, _service,
    ),
    "dns_sd_configs": ({"names", "type", "port", "refresh_interval"}, _names),
}  # fmt: skip
SD_KEYS = tuple(_KINDS)
