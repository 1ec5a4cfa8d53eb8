"""Tenants' own keys: which of them metering keeps, and what is never kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

#: Keys whose values are never kept: VPN keys and passwords do stand in notifications.
SECRET = re.compile(
    r"(pass|passwd|password|psk|secret|token|private_key|api_key|credentials?|authorization|cookie)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class UserKeys:
    """Which keys are metadata of metering: those with a prefix, and exact ones (settings.md)."""

    prefixes: tuple[str, ...] = ("metering.",)
    exact: tuple[str, ...] = ()
    length: int = 256

    def means(self, key: str) -> bool:
        return key in self.exact or key.startswith(self.prefixes)


#: Ceilometer's own defaults.
CLASSIC_KEYS = UserKeys()


def user_metadata(
    metadata: Any, prefixes: Sequence[str], keys: Sequence[str], length: int, taken: Collection[str]
) -> dict[str, Any]:
    """The tenant's own keys that metering keeps: exact ones, and those with a prefix (cut off).

    Dots become `_`, text is cut to `length`. What is named like something in `taken` is left out,
    and a key with prefix gives way to an exact one.
    """
    if not isinstance(metadata, dict):
        return {}
    kept = {key.replace(".", "_"): metadata[key] for key in keys if key in metadata}
    for prefix in prefixes:
        for key, value in metadata.items():
            if key.startswith(prefix) and key != prefix:
                kept.setdefault(key.removeprefix(prefix).replace(".", "_"), value)
    return {key: _cut(value, length) for key, value in kept.items() if key not in taken}


def _cut(value: Any, length: int) -> Any:
    return value[:length] if isinstance(value, str) else value
