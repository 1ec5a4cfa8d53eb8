"""Our element in the metadata of domains made without Nova (docs/reference/libvirt.md). Pure.

::

    <metadata>
      <telemetry:instance xmlns:telemetry="urn:telemetry:instance"
                          project="p1" user="u1" name="shop">
        <telemetry:key name="role">database</telemetry:key>
        <telemetry:key name="metering.server_group">asg1</telemetry:key>
      </telemetry:instance>
    </metadata>
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from pollers.user_metadata import SECRET, UserKeys, user_metadata

NAMESPACE = "urn:telemetry:instance"
#: So that no element brings metadata over the limits of the wire format, which would be refused.
MAX_KEYS = 64
MAX_KEY = 255


@dataclass(frozen=True)
class OwnElement:
    """What it says; `name` "" where it names none. `metadata` is for the resource."""

    project_id: str = ""
    user_id: str = ""
    name: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def own_element(domain: Element, user_keys: UserKeys) -> OwnElement | None:
    """None where the domain has none. Keys that look like secrets are left out."""
    element = domain.find(f"metadata/{{{NAMESPACE}}}instance")
    if element is None:
        return None
    return OwnElement(
        element.get("project", ""), element.get("user", ""),
        element.get("name", "").strip()[:MAX_KEY],
        _metadata(_keys(element), user_keys),
    )  # fmt: skip


def _keys(element: Element) -> dict[str, str]:
    keys = {
        name[:MAX_KEY]: (one.text or "").strip()
        for one in element.iterfind(f"{{{NAMESPACE}}}key")
        if (name := one.get("name", "")) and not SECRET.search(name)
    }
    return dict(list(keys.items())[:MAX_KEYS])


def _metadata(keys: dict[str, str], user_keys: UserKeys) -> dict[str, Any]:
    """`user_metadata` as of a server of Nova, and all other keys as they are, as `labels`."""
    known = user_metadata(keys, user_keys.prefixes, user_keys.exact, user_keys.length, ())
    free = {key: text[: user_keys.length] for key, text in keys.items() if not user_keys.means(key)}
    return ({"user_metadata": known} if known else {}) | ({"labels": free} if free else {})
