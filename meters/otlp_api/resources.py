"""Which of our resources an OpenTelemetry resource is, and what of it is kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

#: Attributes that tell one instance from another; the first that is there counts.
INSTANCE = ("service.instance.id", "k8s.pod.uid", "container.id", "host.id", "host.name")
#: What stands for a name that nobody gave.
_NAMELESS = "unknown_service"
NAMELESS = "otlp"


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """`KeyValue`s as JSON; of a key that comes twice the last."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def labels_of(pairs: Iterable[Any]) -> dict[str, str]:
    """`KeyValue`s as texts; what says nothing is left out."""
    labels = {key: _text(value) for key, value in attributes_of(pairs).items()}
    return {key: text for key, text in labels.items() if text}


def resource_id(attributes: dict[str, Any]) -> str:
    """``namespace.service@instance``, as far as the attributes tell; else a digest of them all."""
    service = _text(attributes.get("service.name"))
    if service.startswith(_NAMELESS):
        service = ""
    namespace = _text(attributes.get("service.namespace"))
    job = ".".join(part for part in (namespace, service) if part)
    instance = next((text for name in INSTANCE if (text := _text(attributes.get(name)))), "")
    found = "@".join(part for part in (job, instance) if part)
    if not found and attributes:
        content = msgspec.json.encode(attributes, order="deterministic")
        found = f"{NAMELESS}-{hashlib.blake2b(content, digest_size=8).hexdigest()}"
    return (found or NAMELESS).replace("/", "_")


def _plain(value: Any) -> Any:
    """An `AnyValue` as JSON has it; bytes in base64."""
    kind = value.WhichOneof("value")
    match kind:
        case "array_value":
            return [_plain(one) for one in value.array_value.values]
        case "kvlist_value":
            return attributes_of(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "string_value" | "bool_value" | "int_value" | "double_value":
            return getattr(value, kind)
    return None


def _text(value: Any) -> str:
    """As labels and names are written."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
