"""Sources: what is polled, how it went, how to add one. For operators."""

from __future__ import annotations

import numpy as np
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from meters.models import PollReport, Source
from meters.ui import query
from meters.ui.access import PageRequest, operator_page
from meters.ui.health import State, judge
from meters.ui.rendering import listing, show
from meters.ui.sparkline import sparkline
from meters.ui.status import look
from telemetry_site.clock import now, to_us

REPORTS_DRAWN = 120
#: Lists of a report's `selection` (docs/reference/wire.md), and what they are called.
SELECTION = {
    "meters": "Measured", "left_out": "Left out by the polling file", "rules": "Rules",
    "unknown": "Names that no pollster has",
}  # fmt: skip


@operator_page
def sources(request: PageRequest) -> HttpResponse:
    installation = look(request.principal)
    wanted = query.choice(request, "state", ["", *State])
    words = query.text(request, "q").casefold()
    shown = [
        each
        for each in installation.sources
        if (not wanted or each.state == wanted)
        and words in f"{each.source.kind} {each.source.name} {each.source.agent_id}".casefold()
    ]
    context = {
        "installation": installation,
        "shown": shown,
        "states": list(State),
        "wanted": wanted,
        "q": words,
        "broker_is_local": settings.BROKER_URL.startswith("redis+socket:"),
    }
    return show(
        request, "sources", context,
        section="sources", title="Sources", installation=installation,
    )  # fmt: skip


@operator_page
def source(request: PageRequest, pk: int) -> HttpResponse:
    one = get_object_or_404(Source, pk=pk)
    reports = PollReport.objects.filter(source=one).order_by("-slot", "-pk")
    recent = list(reports[:REPORTS_DRAWN])[::-1]
    times = np.array([to_us(report.started) for report in recent], dtype=np.int64)
    lasted = np.array([report.duration_s for report in recent], dtype=np.float64)
    details = one.details if isinstance(one.details, dict) else {}
    chosen = details.get("selection")
    context = {
        "health": judge(one, now()),
        "source": one,
        "details": {name: value for name, value in details.items() if name != "selection"},
        "selection": [
            (label, chosen[name]) for name, label in SELECTION.items() if chosen.get(name)
        ]
        if isinstance(chosen, dict)
        else [],
        "listing": listing(request, reports),
        "span_s": (times[-1] - times[0]) / 1e6 if len(times) else 0,
        "spark": sparkline(times, lasted, int(times[0]), int(times[-1]), from_zero=True)
        if len(times) > 1
        else None,
    }
    return show(request, "source", context, section="sources", title=one.name)


@operator_page
def forget(request: PageRequest, pk: int) -> HttpResponse:
    """Take a source that is gone for good off the list; it comes back with its next report."""
    get_object_or_404(Source, pk=pk).delete()
    return redirect("ui:sources")


forget = require_POST(forget)
