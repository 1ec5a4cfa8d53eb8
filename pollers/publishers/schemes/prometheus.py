"""The scheme prometheus: values pushed to a push gateway, in the text format.

The URL is the gateway's: ``prometheus://host:9091/metrics/job/JOB[/LABEL/VALUE…]``. A push replaces
what its group had under the same name. So where the URL names no group beside the job, each
resource is a group of its own; where it does, all resources of a batch are one push, and batches
replace one another. The gateway takes no times: of a meter's values in a batch the last one counts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from urllib.parse import quote

from pollers.publishers.addresses import Address
from pollers.publishers.errors import TargetError
from pollers.publishers.items import Sample
from pollers.publishers.schemes.web import WebSink

TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PATH = re.compile(r"(?:/[^/]+)*/metrics/job(?:@base64)?/[^/]+(/.*)?")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_:]")
_TYPES = {"gauge": "gauge", "cumulative": "counter"}
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class PrometheusSink(WebSink):
    options = WebSink.options | {"tls"}
    takes_events = False
    #: One push replaces what the one before it brought: a batch must not be cut.
    most = 10_000

    def __init__(self, address: Address, secret: str = "") -> None:
        super().__init__(address, secret)
        found = _PATH.fullmatch(address.path)
        if found is None:
            raise TargetError("the path must be /metrics/job/NAME, with further labels after it")
        self._has_group = bool((found[1] or "").strip("/"))
        self.url = self.url.partition("?")[0].rstrip("/")

    def send_samples(self, samples: Sequence[Sample]) -> None:
        newest = {(one.meter, one.resource.id): one for one in samples}
        if self._has_group:
            self.post(self.url, exposition(newest.values()), TEXT)
            return
        for resource, own in groupby(
            sorted(newest.values(), key=lambda one: one.resource.id), lambda one: one.resource.id
        ):
            self.post(f"{self.url}/{grouping('resource_id', resource)}", exposition(own), TEXT)


def exposition(samples: Iterable[Sample]) -> bytes:
    """Lines of one name stand together, under its type; a delta has none."""
    lines: list[str] = []
    named = sorted(((series_name(one.meter), one) for one in samples), key=lambda pair: pair[0])
    for name, alike in groupby(named, key=lambda pair: pair[0]):
        rows = [one for _, one in alike]
        if rows[0].type in _TYPES:
            lines.append(f"# TYPE {name} {_TYPES[rows[0].type]}")
        lines += [f"{name}{{{_labels(one)}}} {one.volume!r}" for one in rows]
    return ("\n".join(lines) + "\n").encode()


def grouping(label: str, value: str) -> str:
    """A label of the group as a part of the path; base64 where a path can't hold the value."""
    if value and "/" not in value:
        return f"{label}/{quote(value, safe='')}"
    encoded = base64.urlsafe_b64encode(value.encode()).decode()
    return f"{label}@base64/{encoded or '='}"


def series_name(meter: str) -> str:
    """As Prometheus wants the names of its series."""
    name = _NOT_IN_NAMES.sub("_", meter)
    return f"_{name}" if name[:1].isdigit() else name


def labels_of(sample: Sample) -> dict[str, str]:
    """Whose the sample is; empty where nobody is named."""
    resource = sample.resource
    return {
        "resource_id": resource.id,
        "user_id": resource.user_id or "",
        "project_id": resource.project_id or "",
    }


def _labels(sample: Sample) -> str:
    return ",".join(
        f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels_of(sample).items()
    )
