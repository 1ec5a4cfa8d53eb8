"""A scrape file in Prometheus' format: jobs, whose targets are relabelled and become URLs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from django.core.exceptions import ImproperlyConfigured

from pollers.central.discovery_configs import SD_KEYS, read_discoveries
from pollers.central.relabel import Labels, Rule, read_rules, relabelled
from pollers.central.scrape_options import (
    headers_of,
    seconds,
    targets_of,
    truth_of,
    verify_of,
)
from pollers.central.target_discovery import Found, Watched
from pollers.errors import PollersError
from pollers.operator_files import read_operators_yaml
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, Sequence, text_of

log = structlog.get_logger(__name__)

_JOB_KEYS = {
    "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params",
    "honor_labels", "honor_timestamps", "sample_limit", "basic_auth", "authorization",
    "tls_config", "static_configs", "relabel_configs", "metric_relabel_configs", *SD_KEYS,
}  # fmt: skip


class ScrapeFileError(PollersError, ImproperlyConfigured):
    """A scrape file with which an agent must not start; one fault a line."""


@dataclass(frozen=True)
class ScrapeTarget:
    """One URL, with what is done to its samples. `labels` are those of the target itself."""

    url: str
    interval_s: float
    timeout_s: float | None = None
    labels: Labels = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    sample_limit: int = 0
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    def labelled(self, name: str, labels: Labels) -> tuple[str, Labels] | None:
        """Name and labels as they are kept; None where the rules drop the sample."""
        merged = dict(labels)
        for label, value in self.labels.items():
            if label in merged and not self.honor_labels:
                merged[f"exported_{label}"] = merged[label]
            if label not in merged or not self.honor_labels:
                merged[label] = value
        kept = relabelled({**merged, "__name__": name}, self.rules)
        if kept is None or not kept.get("__name__"):
            return None
        return kept.pop("__name__"), {
            label: value for label, value in kept.items() if not label.startswith("__")
        }


def load_jobs(file: Path, interval_s: float) -> list[Job]:
    """`interval_s` is that of jobs that name none. Raises `ScrapeFileError` with every fault."""
    jobs, faults = read_jobs(file, interval_s)
    wrong = [fault for fault in faults if not fault.is_note]
    if wrong:
        raise ScrapeFileError("\n".join(map(str, wrong)))
    for note in faults:
        log.warning("a part of the scrape file is not used", note=str(note))
    return jobs


def read_jobs(file: Path, interval_s: float) -> tuple[list[Job], list[Fault]]:
    """The jobs that are right, and what is wrong with the others."""
    content, faults = read_operators_yaml(file)
    if content is None and faults:
        return [], faults
    written = content.get("scrape_configs") if isinstance(content, Mapping) else None
    if not isinstance(written, Sequence):
        return [], [*faults, Fault(str(file), 1, "must have a list scrape_configs")]
    common = content.get("global") or Mapping()
    if not isinstance(common, Mapping):
        return [], [*faults, Fault(str(file), content.line_of("global"), "global is a mapping")]
    faults += _without_effect(file, content, {"global", "scrape_configs"}, "a scrape file")
    faults += _without_effect(file, common, {"scrape_interval", "scrape_timeout"}, "global")
    jobs: list[Job] = []
    names: set[str] = set()
    for job, line in zip(written, written.lines, strict=True):
        try:
            jobs.append(_Reader(job, line, common, interval_s, names, file.parent).job())
        except DefinitionError as error:
            name = job.get("job_name") if isinstance(job, Mapping) else None
            where = f"job {name!r}: " if name else ""
            faults.append(Fault(str(file), error.line or line, f"{where}{error}"))
    return jobs, faults


def _without_effect(
    file: Path, written: Mapping, known: Collection[str], where: str
) -> list[Fault]:
    """Of a whole file of Prometheus, whose other parts are not for us."""
    return [
        Fault(str(file), written.line_of(key), f"{where}: {key} has no effect here", is_note=True)
        for key in written
        if key not in known
    ]


class Job:
    """One entry of `scrape_configs`, with targets that stand there and such as are discovered."""

    def __init__(
        self, name: str, template: ScrapeTarget, base: Labels, params: list[tuple[str, str]],
        relabelling: tuple[Rule, ...], static: list[Labels], discoveries: list[Watched],
    ) -> None:  # fmt: skip
        """`template` is what all targets have alike; `params` are those that no label holds."""
        self.name = name
        self.interval_s = template.interval_s
        self.discoveries = discoveries
        self._template = template
        self._base = base
        self._params = params
        self._relabelling = relabelling
        self._static = static
        self._last: tuple[list[Found], list[ScrapeTarget]] | None = None

    def targets(self) -> list[ScrapeTarget]:
        """As they are now; the same list as long as nothing changes."""
        found = [one.found() for one in self.discoveries]
        if self._last is None or any(
            new is not old for new, old in zip(found, self._last[0], strict=True)
        ):
            self._last = found, list(self._made(found))
        return self._last[1]

    def _made(self, found: list[Found]) -> Iterator[ScrapeTarget]:
        for labels in [*self._static, *(one for each in found for one in each.targets)]:
            kept = relabelled(self._base | labels, self._relabelling)
            if kept and kept.get("__address__"):
                yield self._target(kept)

    def _target(self, labels: Labels) -> ScrapeTarget:
        prefix = "__param_"
        query = [
            (name.removeprefix(prefix), value)
            for name, value in labels.items()
            if name.startswith(prefix)
        ]
        query += [(name, value) for name, value in self._params if (name, value) not in query]
        path, address = labels.get("__metrics_path__", "/metrics"), labels["__address__"]
        url = f"{labels.get('__scheme__', 'http')}://{address}{path}"
        own = {name: value for name, value in labels.items() if not name.startswith("__")}
        own.setdefault("instance", address.rpartition("@")[2])
        return replace(
            self._template, url=f"{url}?{urlencode(query)}" if query else url, labels=own
        )


class _Reader:
    """Reads one job. `names` are those of the jobs before it, `folder` is that of the file."""

    def __init__(
        self, written: Any, line: int, common: Mapping, interval_s: float, names: set[str],
        folder: Path,
    ) -> None:  # fmt: skip
        if not isinstance(written, Mapping):
            raise DefinitionError("a job is a mapping", line)
        for key in written:
            if key not in _JOB_KEYS:
                raise DefinitionError(f"{key} is not supported", written.line_of(key))
        self.written, self.line, self.folder = written, line, folder
        self.name = written.get("job_name")
        if not isinstance(self.name, str) or not self.name or self.name in names:
            raise DefinitionError("job_name is missing or stands twice", line)
        names.add(self.name)
        self.common = common
        self.interval_s = self._seconds("scrape_interval") or interval_s

    def job(self) -> Job:
        """Raises `DefinitionError`."""
        first, more = self._params()
        discoveries = read_discoveries(self.written, self.folder)
        if not discoveries and "static_configs" not in self.written:
            raise DefinitionError("static_configs is missing", self.line)
        return Job(
            str(self.name), self._template(), self._base(first), more,
            self._rules("relabel_configs"), self._static(), discoveries,
        )  # fmt: skip

    def _template(self) -> ScrapeTarget:
        return ScrapeTarget(
            url="",
            interval_s=self.interval_s,
            timeout_s=self._timeout(),
            rules=self._rules("metric_relabel_configs"),
            honor_labels=truth_of(self.written, "honor_labels", False),
            honor_timestamps=truth_of(self.written, "honor_timestamps", True),
            sample_limit=self._limit(),
            headers=headers_of(self.written),
            verify=verify_of(self.written),
        )

    def _static(self) -> list[Labels]:
        groups = self.written.get("static_configs", Sequence())
        if not isinstance(groups, Sequence):
            raise DefinitionError(
                "static_configs is a list of groups", self.written.line_of("static_configs")
            )
        found: list[Labels] = []
        for group, at in zip(groups, groups.lines, strict=True):
            try:
                found += targets_of(group)
            except DefinitionError as error:
                raise DefinitionError(str(error), at) from None
        return found

    def _base(self, params: Labels) -> Labels:
        scheme = text_of(self.written, "scheme", "http")
        if scheme not in ("http", "https"):
            raise DefinitionError("scheme must be http or https", self.written.line_of("scheme"))
        return {
            "job": str(self.name),
            "__metrics_path__": text_of(self.written, "metrics_path", "/metrics"),
            "__scheme__": scheme,
            **{f"__param_{name}": value for name, value in params.items()},
        }

    def _params(self) -> tuple[Labels, list[tuple[str, str]]]:
        """The first value of each parameter, which is a label, and the further ones."""
        written = self.written.get("params") or {}
        if not isinstance(written, dict) or not all(
            isinstance(one, list) for one in written.values()
        ):
            raise DefinitionError("params is a mapping of lists", self.written.line_of("params"))
        first = {str(name): str(values[0]) for name, values in written.items() if values}
        more = [(str(name), str(one)) for name, values in written.items() for one in values[1:]]
        return first, more

    def _rules(self, key: str) -> tuple[Rule, ...]:
        return read_rules(self.written.get(key), self.written.line_of(key))

    def _timeout(self) -> float | None:
        """None for a share of the interval. As Prometheus has it: what the job says must not be
        longer than its interval, what the file says of all jobs is cut to it.
        """
        timeout_s = self._seconds("scrape_timeout")
        if timeout_s is None or timeout_s <= self.interval_s:
            return timeout_s
        if "scrape_timeout" in self.written:
            line = self.written.line_of("scrape_timeout")
            raise DefinitionError("scrape_timeout is longer than scrape_interval", line)
        return self.interval_s

    def _seconds(self, key: str) -> float | None:
        """What the job says, else what the file says of all."""
        written = self.written if key in self.written else self.common
        if written.get(key) is None:
            return None
        try:
            return seconds(written[key])
        except DefinitionError as error:
            raise DefinitionError(f"{key} {error}", written.line_of(key)) from None

    def _limit(self) -> int:
        limit = self.written.get("sample_limit", 0)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise DefinitionError("sample_limit is a number", self.written.line_of("sample_limit"))
        return limit
