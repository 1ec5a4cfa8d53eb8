"""The same resources, measures and questions for every server of the metric API.

`main` resources each have a metric `cpu` for reads and aggregates, a hundred a project. The first
`DEEP` of them have 30 days of measures, the others an hour, one each five minutes. For ingest there
are resources with ten metrics each, which get one measure a metric and round, as polls bring them.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bench.http_load import Client, encode, post_all

#: Five minutes for thirty days.
POLICY = "low"
STEP_S = 300
DAY_S = 86_400
DEEP = 3
A_PROJECT = 100
METERS = 10
BATCH = "/v1/batch/resources/metrics/measures"
GENERIC = "/v1/resource/generic"
CONNECTIONS = 2
_SPACE = uuid.UUID("6b1f0e1c-6f3b-4c8e-9c4d-1f8c6f6f3f10")


def text_of(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def resource_id(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name))


def project_of(number: int) -> str:
    return resource_id(f"project {number // A_PROJECT}")


def dealt(bodies: Sequence[bytes], connections: int) -> list[Sequence[bytes]]:
    return [bodies[first::connections] for first in range(connections)]


class Question(NamedTuple):
    """`part` is what of the answer is compared."""

    method: str
    path: str
    body: Any = None
    part: str = "measures"


@dataclass
class Population:
    """What every server is filled with; `now_s` is the newest measures' time."""

    now_s: int
    resources: int
    polled: Sequence[int]
    rounds: dict[int, int] = field(default_factory=dict)

    # --- filling -------------------------------------------------------------------------------

    def create_main(self, root: str) -> float:
        """Seconds of making the main resources, one a request."""
        metrics = {"cpu": {"archive_policy_name": POLICY}}
        bodies = [
            encode({
                "id": resource_id(f"main {number}"), "project_id": project_of(number),
                "user_id": f"user-{number % 7}",
                "metrics": metrics if self.has_metric(number) else {},
            })
            for number in range(self.resources)
        ]  # fmt: skip
        return post_all(root, GENERIC, dealt(bodies, CONNECTIONS))

    def has_metric(self, number: int) -> bool:
        return number < self.resources // 10 or number < DEEP

    def create_polled(self, root: str, metrics: int) -> float:
        """Seconds of making the metrics, ten a request."""
        wanted = {f"meter.{one}": {"archive_policy_name": POLICY} for one in range(METERS)}
        bodies = [
            encode({"id": name, "project_id": "polled", "user_id": "u", "metrics": wanted})
            for name in self.polled_ids(metrics)
        ]
        return post_all(root, GENERIC, dealt(bodies, CONNECTIONS))

    def polled_ids(self, metrics: int) -> list[str]:
        return [resource_id(f"polled {metrics} {one}") for one in range(metrics // METERS)]

    def fill(self, root: str) -> None:
        """The measures that are read later."""
        numbers = [one for one in range(self.resources) if self.has_metric(one)]
        client = Client(root)
        for number in numbers[:DEEP]:
            series = self._series(number, 30 * DAY_S)
            client.send("POST", BATCH, encode({resource_id(f"main {number}"): {"cpu": series}}))
        for first in range(DEEP, len(numbers), A_PROJECT):
            some = {
                resource_id(f"main {number}"): {"cpu": self._series(number, 3600)}
                for number in numbers[first : first + A_PROJECT]
            }
            client.send("POST", BATCH, encode(some))
        client.close()

    def _series(self, number: int, seconds: int) -> list[dict[str, Any]]:
        rng = random.Random(number)
        return [
            {"timestamp": text_of(at), "value": round(rng.uniform(0, 100), 3)}
            for at in range(self.now_s - seconds, self.now_s, STEP_S)
        ]

    # --- ingest --------------------------------------------------------------------------------

    def polls(self, metrics: int, batch: int, rounds: int, first_round: int) -> list[bytes]:
        """Bodies of `batch` measures each, or of all measures of a round where it has fewer."""
        ids = self.polled_ids(metrics)
        rows = max(1, min(batch, metrics) // METERS)
        bodies = []
        for number in range(first_round, first_round + rounds):
            at = text_of(self.now_s - DAY_S + number * 60)
            for first in range(0, len(ids), rows):
                some = {
                    one: {
                        f"meter.{meter}": [{"timestamp": at, "value": self.value(number, meter)}]
                        for meter in range(METERS)
                    }
                    for one in ids[first : first + rows]
                }
                bodies.append(encode(some))
        return bodies

    def value(self, round_number: int, meter: int) -> float:
        return round(round_number * 1.25 + meter / 8, 3)

    # --- questions -----------------------------------------------------------------------------

    def questions(self, client: Client) -> dict[str, list[Question]]:
        """By operation, each with forms that differ in what they name."""
        metrics = self.metric_ids(client)
        spans = {"1h": 3600, "1d": DAY_S, "30d": 30 * DAY_S}
        found = {f"read_{name}": self._reads(metrics[:DEEP], span) for name, span in spans.items()}
        groups = range(len(metrics) // A_PROJECT)
        found["aggregate_100"] = [self._by_search([one]) for one in groups]
        found["aggregate_all"] = [self._by_search(groups)]
        found["aggregate_100_ids"] = [self._by_ids(metrics[:A_PROJECT])]
        found["list"] = [Question("GET", f"{GENERIC}?limit=1000&sort=id:asc", part="")]
        found["list_100"] = [Question("GET", f"{GENERIC}?limit=100&sort=id:asc", part="")]
        found["search"] = [
            self._search({"=": {"project_id": project_of(first)}})
            for first in range(0, self.resources, max(A_PROJECT, self.resources // 5))
        ]
        found["search_like"] = [
            self._search({"and": [{"like": {"user_id": "user-3%"}},
                                  {"=": {"project_id": project_of(0)}}]})
        ]  # fmt: skip
        found["get_resource"] = [
            Question("GET", f"{GENERIC}/{resource_id(f'main {one}')}", part="") for one in range(9)
        ]
        found["get_metric"] = [Question("GET", f"/v1/metric/{one}", part="") for one in metrics[:9]]
        return found

    def metric_ids(self, client: Client) -> list[str]:
        """Of the main resources that have one."""
        numbers = [one for one in range(self.resources) if self.has_metric(one)]
        names = [resource_id(f"main {number}") for number in numbers]
        found = {}
        for project in dict.fromkeys(map(project_of, numbers)):
            search = self._search({"=": {"project_id": project}})
            for one in client.ask(*search[:3]):
                found[one["id"]] = one["metrics"].get("cpu")
        return [found[name] for name in names]

    def _span(self, seconds: int) -> str:
        return f"start={text_of(self.now_s - seconds)}&stop={text_of(self.now_s)}&granularity=300"

    def _reads(self, metrics: Sequence[str], seconds: int) -> list[Question]:
        query = f"aggregation=mean&{self._span(seconds)}"
        return [
            Question("GET", f"/v1/metric/{one}/measures?{query}", part="points") for one in metrics
        ]

    def _by_search(self, projects: Sequence[int]) -> Question:
        names = [project_of(one * A_PROJECT) for one in projects]
        body = {
            "operations": ["aggregate", "mean", ["metric", "cpu", "mean"]],
            "search": {"or": [{"=": {"project_id": name}} for name in names]},
            "resource_type": "generic",
        }
        return Question("POST", f"/v1/aggregates?{self._span(3600)}", body)

    def _by_ids(self, metrics: Sequence[str]) -> Question:
        named = ["metric", *([one, "mean"] for one in metrics)]
        body = {"operations": ["aggregate", "mean", named]}
        return Question("POST", f"/v1/aggregates?{self._span(3600)}", body)

    def _search(self, search: Any) -> Question:
        return Question("POST", "/v1/search/resource/generic", search, "")
