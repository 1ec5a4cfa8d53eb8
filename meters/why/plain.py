"""The answer as JSON types: one form for the API and the command."""

from __future__ import annotations

from typing import Any

from meters.why.answer import Answer
from meters.why.findings import Finding


def plain(answer: Answer) -> dict[str, Any]:
    return {
        "resource": answer.resource,
        "meter": answer.meter,
        "has_data": answer.has_data,
        "answer": answer.headline,
        "findings": [_finding(one) for one in answer.findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "weight": str(one.weight),
        "verdict": one.verdict,
        "evidence": list(one.evidence),
        "action": one.action,
        "command": one.command,
        "source_id": one.source,
        "quarantine_id": one.quarantined,
        "resource_uuid": str(one.resource) if one.resource else None,
    }
