"""Why is there no data? A form, and for a resource and a meter the answer in words."""

from __future__ import annotations

import shlex

from django.http import HttpResponse

from meters.models import Metric
from meters.ui import query
from meters.ui.access import PageRequest, page
from meters.ui.rendering import show
from meters.why.answer import explain
from meters.why.gather import gather

#: Names offered in the form, of the resource or of all.
OFFERED = 200


@page
def why(request: PageRequest) -> HttpResponse:
    resource, meter = query.text(request, "resource"), query.text(request, "meter")
    answer = explain(gather(request.principal, resource, meter)) if resource and meter else None
    context = {
        "resource": resource,
        "meter": meter,
        "answer": answer,
        "command": f".venv/bin/python {shlex.join(['manage.py', 'why', resource, meter])}",
        "offered": _offered(request, resource),
    }
    return show(request, "why", context, section="resources", title="Why is there no data?")


def _offered(request: PageRequest, resource: str) -> list[str]:
    """Meters that visible resources have, those of this one where it has any."""
    visible = Metric.objects.scope(request.principal).order_by("name")
    own = visible.filter(resource__original_id=resource) if resource else visible
    names = own.values_list("name", flat=True).distinct()[:OFFERED]
    return list(names or visible.values_list("name", flat=True).distinct()[:OFFERED])
