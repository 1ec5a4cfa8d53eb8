"""The corpus: notifications as services send them, written down in YAML.

A file is ``{sender, context, messages: [{event_type, payload, sender?, context?, priority?,
case?}]}``; identity and time follow from the message's place, so every run has the same.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
NAMESPACE = uuid.UUID("5b1c1c8e-8f53-4d5c-9a55-0e3f5a1f3c11")


@dataclass(frozen=True)
class Case:
    """One notification; `message` is the inner one. `name` tells file, type and what is odd."""

    name: str
    message: dict[str, Any]

    @property
    def envelope(self) -> dict[str, str]:
        return {"oslo.version": "2.0", "oslo.message": json.dumps(self.message)}


def cases(folder: str) -> list[Case]:
    """Of all files of the folder that hold messages."""
    contents = {
        path: yaml.safe_load(path.read_text()) for path in sorted((HERE / folder).glob("*.yaml"))
    }
    return [
        _case(path.stem, place, content, written)
        for path, content in contents.items()
        if isinstance(content, dict) and "messages" in content
        for place, written in enumerate(content["messages"])
    ]


def _case(file: str, place: int, content: dict[str, Any], written: dict[str, Any]) -> Case:
    kind = written["event_type"]
    name = f"{file} {kind}" + (f" {written['case']}" if "case" in written else "")
    context = written.get("context", content.get("context", {}))
    return Case(
        name,
        {
            "message_id": str(uuid.uuid5(NAMESPACE, f"{file} {place}")),
            "publisher_id": written.get("sender", content["sender"]),
            "event_type": kind,
            "priority": written.get("priority", "INFO"),
            "timestamp": f"2026-11-25 02:{place // 60:02}:{place % 60:02}.104233",
            "_unique_id": uuid.uuid5(NAMESPACE, f"{file} {place} sent").hex,
            **{f"_context_{key}": value for key, value in context.items()},
            "payload": written["payload"],
        },
    )
