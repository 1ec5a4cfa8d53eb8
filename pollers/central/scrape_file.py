"""A scrape file in Prometheus' format: jobs with static targets, relabelled, as URLs to scrape."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ImproperlyConfigured

from pollers.central.relabel import Labels, Rule, read_rules, relabelled
from pollers.errors import PollersError
from pollers.operator_files import read_operators_yaml
from telemetry_site.yamlfile import DefinitionError, Fault, Mapping, Sequence

_JOB_KEYS = {
    "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params",
    "honor_labels", "honor_timestamps", "sample_limit", "basic_auth", "authorization",
    "tls_config", "static_configs", "relabel_configs", "metric_relabel_configs",
}  # fmt: skip
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_SECONDS = (86400, 3600, 60, 1, 0.001)


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


def load_scrape(file: Path, interval_s: float) -> list[ScrapeTarget]:
    """`interval_s` is that of jobs that name none. Raises `ScrapeFileError` with every fault."""
    targets, faults = read_scrape(file, interval_s)
    if faults:
        raise ScrapeFileError("\n".join(map(str, faults)))
    return targets


def read_scrape(file: Path, interval_s: float) -> tuple[list[ScrapeTarget], list[Fault]]:
    """The targets of the jobs that are right, and what is wrong with the others."""
    content, faults = read_operators_yaml(file)
    if content is None and faults:
        return [], faults
    jobs = content.get("scrape_configs") if isinstance(content, Mapping) else None
    if not isinstance(jobs, Sequence):
        return [], [*faults, Fault(str(file), 1, "must have a list scrape_configs")]
    common = content.get("global") or {}
    targets: list[ScrapeTarget] = []
    names: set[str] = set()
    for job, line in zip(jobs, jobs.lines, strict=True):
        try:
            targets += _Job(job, line, common, interval_s, names).targets()
        except DefinitionError as error:
            name = job.get("job_name") if isinstance(job, Mapping) else None
            where = f"job {name!r}: " if name else ""
            faults.append(Fault(str(file), error.line or line, f"{where}{error}"))
    return targets, faults


class _Job:
    """One entry of `scrape_configs`. `names` are those of the jobs before it."""

    def __init__(
        self, written: Any, line: int, common: dict[str, Any], interval_s: float, names: set[str]
    ) -> None:
        if not isinstance(written, Mapping):
            raise DefinitionError("a job is a mapping", line)
        for key in written:
            if key not in _JOB_KEYS:
                raise DefinitionError(f"{key} is not supported", written.line_of(key))
        self.written, self.line = written, line
        self.name = written.get("job_name")
        if not isinstance(self.name, str) or not self.name or self.name in names:
            raise DefinitionError("job_name is missing or stands twice", line)
        names.add(self.name)
        self.common = common if isinstance(common, dict) else {}
        self.interval_s = self._seconds("scrape_interval") or interval_s

    def targets(self) -> list[ScrapeTarget]:
        relabelling = self._rules("relabel_configs")
        made = []
        for labels in self._static():
            kept = relabelled(labels, relabelling)
            if kept and kept.get("__address__"):
                made.append(self._target(kept))
        return made

    def _target(self, labels: Labels) -> ScrapeTarget:
        prefix = "__param_"
        query = [
            (name.removeprefix(prefix), value)
            for name, value in labels.items()
            if name.startswith(prefix)
        ]
        query += [(name, value) for name, value in self._params()[1] if (name, value) not in query]
        path, address = labels.get("__metrics_path__", "/metrics"), labels["__address__"]
        url = f"{labels.get('__scheme__', 'http')}://{address}{path}"
        own = {name: value for name, value in labels.items() if not name.startswith("__")}
        own.setdefault("instance", address)
        return ScrapeTarget(
            url=f"{url}?{urlencode(query)}" if query else url,
            interval_s=self.interval_s,
            timeout_s=self._seconds("scrape_timeout"),
            labels=own,
            rules=self._rules("metric_relabel_configs"),
            honor_labels=self.written.get("honor_labels") is True,
            honor_timestamps=self.written.get("honor_timestamps") is not False,
            sample_limit=self._limit(),
            headers=self._headers(),
            verify=self._verify(),
        )

    def _static(self) -> list[Labels]:
        groups = self.written.get("static_configs")
        line = self.written.line_of("static_configs")
        if not isinstance(groups, Sequence):
            raise DefinitionError("static_configs is missing", line)
        found: list[Labels] = []
        for group, at in zip(groups, groups.lines, strict=True):
            if not isinstance(group, Mapping) or not isinstance(group.get("targets"), list):
                raise DefinitionError("a group has a list of targets", at)
            labels = group.get("labels") or {}
            if not isinstance(labels, dict):
                raise DefinitionError("labels is a mapping", group.line_of("labels"))
            texts = {str(name): str(value) for name, value in labels.items()}
            found += [self._base() | texts | {"__address__": str(one)} for one in group["targets"]]
        return found

    def _base(self) -> Labels:
        params = {f"__param_{name}": value for name, value in self._params()[0].items()}
        return {
            "job": str(self.name),
            "__metrics_path__": str(self.written.get("metrics_path", "/metrics")),
            "__scheme__": str(self.written.get("scheme", "http")),
            **params,
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

    def _seconds(self, key: str) -> float | None:
        text = self.written.get(key, self.common.get(key))
        if text is None:
            return None
        found = _DURATION.fullmatch(str(text))
        total = sum(
            int(part) * each
            for part, each in zip(found.groups() if found else (), _SECONDS, strict=False)
            if part
        )
        if total <= 0:
            raise DefinitionError(f"{key} {text!r} is no time like 30s", self.written.line_of(key))
        return float(total)

    def _limit(self) -> int:
        limit = self.written.get("sample_limit", 0)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise DefinitionError("sample_limit is a number", self.written.line_of("sample_limit"))
        return limit

    def _headers(self) -> dict[str, str]:
        basic = self.written.get("basic_auth")
        if basic:
            login = f"{basic.get('username', '')}:{self._secret(basic, 'password')}"
            return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        bearer = self.written.get("authorization")
        if bearer:
            kind = bearer.get("type", "Bearer")
            return {"Authorization": f"{kind} {self._secret(bearer, 'credentials')}"}
        return {}

    def _secret(self, written: Mapping, key: str) -> str:
        """The value, or what stands in the file `<key>_file`."""
        name = written.get(f"{key}_file")
        if not name:
            return str(written.get(key, ""))
        try:
            return Path(name).read_text().strip()
        except OSError as error:
            line = written.line_of(f"{key}_file")
            raise DefinitionError(f"{name} cannot be read: {error.strerror}", line) from error

    def _verify(self) -> bool | str:
        tls = self.written.get("tls_config") or {}
        for key in tls:
            if key not in ("ca_file", "insecure_skip_verify"):
                line = self.written.line_of("tls_config")
                raise DefinitionError(f"tls_config: {key} is not supported", line)
        return str(tls.get("ca_file") or "") or tls.get("insecure_skip_verify") is not True
