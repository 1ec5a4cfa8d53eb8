"""What stands in a scrape file in more than one place: times, logins, TLS, groups of targets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pollers.central.relabel import Labels
from telemetry_site.yamlfile import DefinitionError, Mapping

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_SECONDS = (86400, 3600, 60, 1, 0.001)


def seconds(text: object) -> float:
    """Of a time like 1m30s. Raises `DefinitionError`."""
    found = _DURATION.fullmatch(str(text))
    total = sum(
        int(part) * each
        for part, each in zip(found.groups() if found else (), _SECONDS, strict=False)
        if part
    )
    if total <= 0:
        raise DefinitionError(f"{text!r} is no time like 30s")
    return float(total)


def headers_of(written: Mapping) -> dict[str, str]:
    """What `basic_auth` and `authorization` put into a request. Raises `DefinitionError`."""
    basic = _mapping(written, "basic_auth")
    if basic:
        login = f"{basic.get('username', '')}:{_secret(basic, 'password')}"
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    bearer = _mapping(written, "authorization")
    if bearer:
        kind = bearer.get("type", "Bearer")
        return {"Authorization": f"{kind} {_secret(bearer, 'credentials')}"}
    return {}


def verify_of(written: Mapping) -> bool | str:
    """What requests' `verify` is by `tls_config`. Raises `DefinitionError`."""
    tls = _mapping(written, "tls_config")
    for key in tls:
        if key not in ("ca_file", "insecure_skip_verify"):
            raise DefinitionError(f"tls_config: {key} is not supported", tls.line_of(key))
    return str(tls.get("ca_file") or "") or tls.get("insecure_skip_verify") is not True


def targets_of(group: Any) -> Iterator[Labels]:
    """The labels of each target of a group ``{"targets": […], "labels": {…}}``.

    Raises `DefinitionError`.
    """
    if not isinstance(group, dict) or not isinstance(group.get("targets"), list):
        raise DefinitionError("a group has a list of targets")
    labels = group.get("labels") or {}
    if not isinstance(labels, dict):
        raise DefinitionError("labels is a mapping")
    texts = {str(name): str(value) for name, value in labels.items()}
    for target in group["targets"]:
        if not isinstance(target, str) or not target:
            raise DefinitionError(f"the target {target!r:.80} is no host:port")
        yield texts | {"__address__": target}


def _mapping(written: Mapping, key: str) -> Mapping:
    found = written.get(key) or Mapping()
    if not isinstance(found, Mapping):
        raise DefinitionError(f"{key} is a mapping", written.line_of(key))
    return found


def _secret(written: Mapping, key: str) -> str:
    """The value, or what stands in the file `<key>_file`."""
    name = written.get(f"{key}_file")
    if not name:
        return str(written.get(key, ""))
    try:
        return Path(name).read_text().strip()
    except OSError as error:
        line = written.line_of(f"{key}_file")
        raise DefinitionError(f"{name} cannot be read: {error.strerror}", line) from error
