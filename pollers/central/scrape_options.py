"""What stands in a scrape file in more than one place: times, logins, TLS, groups of targets."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from pollers.central.relabel import Labels
from pollers.polling_file import LONGEST_INTERVAL_S
from telemetry_site.settings.certificates import check_ca_file
from telemetry_site.yamlfile import DefinitionError, Mapping, text_of

_LOGIN_KEYS = {"username", "password", "password_file"}
_BEARER_KEYS = {"type", "credentials", "credentials_file"}

_DURATION = re.compile(
    r"(?:(\d{1,9})y)?(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?"
    r"(?:(\d{1,9})s)?(?:(\d{1,9})ms)?"
)
_SECONDS = (365 * 86400, 7 * 86400, 86400, 3600, 60, 1, 0.001)


def seconds(text: object) -> float:
    """Of a time like 1m30s. Raises `DefinitionError`."""
    found = _DURATION.fullmatch(str(text)) if isinstance(text, str) else None
    total = sum(
        int(part) * each
        for part, each in zip(found.groups() if found else (), _SECONDS, strict=False)
        if part
    )
    if total <= 0:
        raise DefinitionError(f"{text!r:.80} is no time like 30s")
    if total > LONGEST_INTERVAL_S:
        raise DefinitionError(f"{text!r:.80} is more than a week")
    return float(total)


def headers_of(written: Mapping) -> dict[str, str]:
    """What `basic_auth` and `authorization` put into a request. Raises `DefinitionError`."""
    basic = _mapping(written, "basic_auth", _LOGIN_KEYS)
    if basic:
        login = f"{text_of(basic, 'username', '')}:{_secret(basic, 'password')}"
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    bearer = _mapping(written, "authorization", _BEARER_KEYS)
    if bearer:
        kind = text_of(bearer, "type", "Bearer")
        return {"Authorization": f"{kind} {_secret(bearer, 'credentials')}"}
    return {}


def verify_of(written: Mapping) -> bool | str:
    """What requests' `verify` is by `tls_config`. Raises `DefinitionError`."""
    tls = _mapping(written, "tls_config", {"ca_file", "insecure_skip_verify"})
    skips = truth_of(tls, "insecure_skip_verify", False)
    file = text_of(tls, "ca_file", "")
    try:
        check_ca_file("ca_file", file)
    except (ImproperlyConfigured, ValueError) as error:
        raise DefinitionError(f"tls_config: {error}", tls.line_of("ca_file")) from None
    return file or not skips


def truth_of(written: Mapping, key: str, default: bool) -> bool:
    """Raises `DefinitionError`."""
    value = written.get(key, default)
    if not isinstance(value, bool):
        raise DefinitionError(f"{key} must be true or false", written.line_of(key))
    return value


def targets_of(group: Any) -> Iterator[Labels]:
    """The labels of each target of a group ``{"targets": […], "labels": {…}}``.

    Raises `DefinitionError`.
    """
    if not isinstance(group, dict) or not isinstance(group.get("targets"), list):
        raise DefinitionError("a group has a list of targets")
    for key in group:
        if key not in ("targets", "labels"):
            raise DefinitionError(f"there is no key {key!r:.80} of a group")
    labels = group.get("labels") or {}
    if not isinstance(labels, dict):
        raise DefinitionError("labels is a mapping")
    texts = {str(name): str(value) for name, value in labels.items()}
    for target in group["targets"]:
        if not isinstance(target, str) or not target:
            raise DefinitionError(f"the target {target!r:.80} is no host:port")
        yield texts | {"__address__": target}


def _mapping(written: Mapping, key: str, known: Collection[str]) -> Mapping:
    found = written.get(key) or Mapping()
    if not isinstance(found, Mapping):
        raise DefinitionError(f"{key} is a mapping", written.line_of(key))
    for inner in found:
        if inner not in known:
            raise DefinitionError(f"{key}: {inner} is not supported", found.line_of(inner))
    return found


def _secret(written: Mapping, key: str) -> str:
    """The value, or what stands in the file `<key>_file`."""
    name = text_of(written, f"{key}_file", "")
    if not name:
        return text_of(written, key, "")
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        line = written.line_of(f"{key}_file")
        raise DefinitionError(f"{name} cannot be read: {why}", line) from error
