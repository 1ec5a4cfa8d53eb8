"""The overview (is anything wrong?) and the small health part in every page's head."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from django.db.models import QuerySet, Sum
from django.http import HttpResponse
from django.shortcuts import render

from meters.models import Event, IngestMinute, Metric, Resource
from meters.ui.access import PageRequest, page
from meters.ui.rendering import show
from meters.ui.series import Row, with_latest
from meters.ui.sparkline import Sparkline, sparkline
from meters.ui.status import look
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now, to_us

#: Meters that the overview shows of this machine, in this order, with the name it gives them.
HOST_METERS = {
    "hardware.cpu.util": "CPU",
    "hardware.cpu.load.1min": "Load, 1 min",
    "hardware.memory.used": "Memory used",
}
#: The same of its first network interface.
NIC_METERS = {
    "hardware.network.incoming.bytes": "Network in",
    "hardware.network.outgoing.bytes": "Network out",
}
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Ingest:
    """What was stored in the last hour; `rate` is samples/s of the last whole minute."""

    rate: float
    samples: int
    events: int
    rejected: int
    spark: Sparkline | None


@dataclass(frozen=True)
class Host:
    resource: Resource
    rows: list[tuple[str, Row]]

    @property
    def span_s(self) -> float:
        """Seconds that the curves show."""
        return max((row.spark.span_s for _, row in self.rows if row.spark), default=0.0)


@page
def overview(request: PageRequest) -> HttpResponse:
    moment = now()
    installation = look(request.principal)
    context = {
        "installation": installation,
        "principal": request.principal,
        "ingest": ingest(moment) if request.principal.is_admin else None,
        "host": own_host(request.principal, moment),
        "resources": Resource.objects.scope(request.principal).count(),
        "meters": Metric.objects.scope(request.principal).count(),
        "events": recent_events(request.principal, moment).count(),
    }
    return show(
        request, "overview", context,
        section="overview", title="Overview", installation=installation,
    )  # fmt: skip


@page
def health(request: PageRequest) -> HttpResponse:
    """The dot and the number of problems; the favicon and the title follow it."""
    return render(request, "ui/health_part.html", {"installation": look(request.principal)})


def recent_events(principal: Principal, moment: datetime) -> QuerySet[Event]:
    return Event.objects.scope(principal).filter(generated__gte=moment - 24 * HOUR)


def ingest(moment: datetime) -> Ingest:
    start = (moment - HOUR).replace(second=0, microsecond=0)
    rows = IngestMinute.objects.filter(minute__gte=start).values("minute")
    minutes = list(
        rows.annotate(
            stored=Sum("samples"), happened=Sum("events"), refused=Sum("rejected")
        ).order_by("minute")
    )
    whole = [row for row in minutes if row["minute"] + timedelta(minutes=1) <= moment]
    newest = moment - timedelta(minutes=2)
    return Ingest(
        rate=next((row["stored"] / 60 for row in reversed(whole) if row["minute"] >= newest), 0.0),
        samples=sum(row["stored"] for row in minutes),
        events=sum(row["happened"] for row in minutes),
        rejected=sum(row["refused"] for row in minutes),
        spark=sparkline(
            np.array([to_us(row["minute"]) for row in whole], dtype=np.int64),
            np.array([row["stored"] / 60 for row in whole], dtype=np.float64),
            to_us(whole[0]["minute"] if whole else start),
            to_us(moment),
            from_zero=True,
        ),
    )


def own_host(principal: Principal, moment: datetime) -> Host | None:
    """This machine as a resource, else any host: so a newcomer sees numbers move."""
    hosts = Resource.objects.scope(principal).filter(type="host").order_by("pk")
    here = hosts.filter(original_id=settings.TELEMETRY_HOST).first() or hosts.first()
    if here is None:
        return None
    nics = Resource.objects.scope(principal).filter(
        type="host_network_interface", metadata__host_name=here.original_id
    )
    nic = nics.order_by("pk").first()
    chosen = _metrics(here, HOST_METERS) + (_metrics(nic, NIC_METERS) if nic else [])
    names = HOST_METERS | NIC_METERS
    rows = with_latest(principal, chosen, moment)
    return Host(here, [(names[row.metric.name], row) for row in rows])


def _metrics(resource: Resource, names: dict[str, str]) -> list[Metric]:
    """Those of the meters that the resource has, in the order of `names`."""
    own = {metric.name: metric for metric in resource.metrics.filter(name__in=names)}
    return [own[name] for name in names if name in own]
