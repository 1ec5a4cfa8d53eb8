"""System checks of `manage.py check --deploy`: the servers’ settings, and whom we believe."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from telemetry_site import durability, trust


@register(Tags.security, deploy=True)
def check_servers(**_: Any) -> list[CheckMessage]:
    """Durability of PostgreSQL and the broker (reliability.md §2.6)."""
    messages: list[CheckMessage] = []
    asks = [durability.broker_findings]
    if settings.DATABASES:
        asks.insert(0, durability.database_findings)
    for ask in asks:
        try:
            messages += [Error(f.text, hint=f.hint, id=f.id) for f in ask()]
        except durability.UnreachableError as error:
            messages.append(
                Error(f"{error} So its settings can't be verified.", id="telemetry.E007")
            )
    if settings.TELEMETRY_ALLOW_UNSAFE:
        messages.append(
            Warning(
                "TELEMETRY_ALLOW_UNSAFE is set: workers start on unsafe servers.",
                id="telemetry.W001",
            )
        )
    return messages


@register(Tags.security, deploy=True)
def check_callers(**_: Any) -> list[CheckMessage]:
    """Ways into the OpenStack doors that prove nothing (S35)."""
    if not settings.DATABASES:  # an agent: nobody calls it
        return []
    return [Warning(text, id="telemetry.W002") for text in trust.warnings()]
