"""What could not be stored: list, one item, replay and discard. For operators."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from meters.models import Quarantine
from meters.replay import replay
from meters.store.quarantine import discard, replayable
from meters.ui import query
from meters.ui.access import PageRequest, operator_page
from meters.ui.bodies import as_text
from meters.ui.rendering import listing, show

ITEMS_A_TIME = 500


@operator_page
def items(request: PageRequest) -> HttpResponse:
    states, reasons = Quarantine.State.values, Quarantine.Reason.values
    state = query.choice(request, "state", [*states, "all"], "open")
    reason = query.choice(request, "reason", ["", *reasons])
    rows = Quarantine.objects.defer("body").order_by("-created_at", "-pk")
    if state != "all":
        rows = rows.filter(state=state)
    if reason:
        rows = rows.filter(reason=reason)
    context = {
        "listing": listing(request, rows),
        "state": state,
        "states": [*states, "all"],
        "reason": reason,
        "reasons": Quarantine.Reason.choices,
    }
    return show(request, "quarantine", context, section="quarantine", title="Quarantine")


@operator_page
def item(request: PageRequest, pk: int) -> HttpResponse:
    one = get_object_or_404(Quarantine, pk=pk)
    body, form = as_text(bytes(one.body))
    context = {
        "item": one,
        "body": body,
        "body_form": form,
        "size": len(one.body),
        "may_replay": one.state == Quarantine.State.OPEN and bool(replayable([one])),
    }
    return show(request, "quarantine_item", context, section="quarantine", title=f"Quarantine {pk}")


@operator_page
def decide(request: PageRequest) -> HttpResponse:
    """POST `item` (repeated) and `do` = replay or discard; tells how many it was done to."""
    ids = request.POST.getlist("item")
    if not ids or len(ids) > ITEMS_A_TIME or not all(i.isascii() and i.isdigit() for i in ids):
        raise BadRequest(f"item: give from 1 to {ITEMS_A_TIME} numbers of items")
    chosen = [int(i) for i in ids]
    who = request.principal.name
    match request.POST.get("do"):
        case "discard":
            messages.info(request, f"{discard(chosen, who)} discarded.")
        case "replay":
            messages.info(request, replay_sentence(chosen, who))
        case other:
            raise BadRequest(f"do: {other!r} is neither replay nor discard")
    return redirect("ui:quarantine")


decide = require_POST(decide)


def replay_sentence(ids: list[int], who: str) -> str:
    done, refused = replay(ids, who)
    reasons = "; ".join(f"{pk}: {why}" for pk, why in list(refused.items())[:5])
    return f"{done} replayed." + (f" {len(refused)} could not be: {reasons}" if refused else "")
