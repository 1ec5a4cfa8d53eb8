"""Template tags of the web UI: times, values, small plots, addresses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from meters.ui import formats
from meters.ui.sparkline import HEIGHT, WIDTH, Sparkline
from telemetry_site import trust

register = template.Library()


@register.simple_tag
def trusted() -> list[str]:
    """Why anybody may be whoever he says here (S35): a sentence each."""
    return trust.warnings()


@register.simple_tag(takes_context=True)
def ago(context: template.Context, moment: datetime | None, empty: str = "never") -> SafeString:
    """A relative time, the absolute one on hover; a script keeps it current."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', empty)
    age = (context["now"] - moment).total_seconds()
    words = f"{formats.duration(age)} ago" if age >= 0 else f"in {formats.duration(-age)}"
    return _time(moment, "ago", words)


@register.simple_tag
def at(moment: datetime | None) -> SafeString:
    """An absolute time in UTC; a script turns it into the viewer's zone, UTC on hover."""
    if moment is None:
        return format_html('<span class="quiet">{}</span>', formats.MISSING)
    return _time(moment, "at", f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _time(moment: datetime, kind: str, words: str) -> SafeString:
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-{}>{}</time>',
        exact.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        f"{exact:%Y-%m-%d %H:%M:%S} UTC",
        kind,
        words,
    )


@register.simple_tag
def quantity(value: float | None, unit: str = "") -> SafeString:
    """A value with its unit; the exact number on hover."""
    if value is None:
        return format_html('<span class="quiet">{}</span>', "no data")
    shown, suffix = formats.quantity(value, unit)
    return format_html(
        '<span class="value" title="{} {}">{}<bdi class="unit">{}</bdi></span>',
        repr(value), unit, shown, suffix,
    )  # fmt: skip


@register.simple_tag
def spark(drawn: Sparkline | None, state: str = "") -> SafeString:
    """A sparkline as SVG; it stretches to the width of its place."""
    if drawn is None:
        return format_html('<span class="spark spark-none">{}</span>', "")
    return format_html(
        '<svg class="spark {}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="spark-area" d="{}"/><path class="spark-line" d="{}"/></svg>',
        state, int(WIDTH), int(HEIGHT), drawn.area, drawn.line,
    )  # fmt: skip


@register.filter
def duration(seconds: float) -> str:
    return formats.duration(seconds)


@register.filter
def number(value: float) -> str:
    return formats.number(float(value))


@register.filter
def compact(value: float) -> str:
    return formats.compact(float(value))


@register.filter
def items(mapping: Any) -> list[tuple[Any, Any]]:
    """Pairs of a mapping from data: `mapping.items` would find a key of that name first."""
    return list(mapping.items()) if isinstance(mapping, dict) else []


@register.filter
def plain(value: Any) -> str:
    """A value from metadata, traits or headers: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@register.simple_tag
def query(**parameters: Any) -> str:
    """`?a=1&b=2` of what isn't empty (autoescaped where it stands)."""
    kept = [(name, value) for name, value in parameters.items() if value not in (None, "")]
    return f"?{urlencode(kept, doseq=True)}" if kept else "?"
