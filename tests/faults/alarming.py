"""The frame of the alarms' fault tests: alarms that flip, a receiver, and the judgement.

    with flipping(cluster) as alarms:
        cluster.start_role("evaluator"); cluster.start_role("notifier")
        ...break things...

Afterwards the load ends, every alarm runs out of data, and transitions, outbox and the receiver's
book must add up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGTERM

from tests.faults import alarm_oracle, receiver
from tests.faults.cluster import RECOVERED_WITHIN_S, Cluster
from tests.support.ports import free_port

ALARMS = receiver.ADDRESSES
#: One up and down of each resource takes so long.
PERIOD_S = 6.0
#: So that a short test sees many transitions, and a killed notifier's lease ends soon.
HASTE = {
    "TELEMETRY_EVALUATION_TICK": "1",
    "TELEMETRY_EVALUATION_INTERVAL": "1",
    "TELEMETRY_WEBHOOK_ALLOW": "127.0.0.0/8",
    "TELEMETRY_NOTIFIER_LEASE": "5",
    "TELEMETRY_NOTIFICATIONS_PER_MINUTE": "0",
}
#: One of each type that looks at samples, in turn; each looks at the last two seconds or so.
MAKE_ALARMS = """
import json
from alarms import lifecycle
over = dict(comparison_operator="gt", threshold=50.0)
part = dict(over, metric="load", resource_id=None, aggregation_method="last", granularity=1)
def last(name):
    return "gnocchi_resources_threshold", part | dict(resource_id=name)
def group(name):
    rule = dict(part, query=json.dumps({{"=": {{"original_resource_id": name}}}}))
    del rule["resource_id"]
    return "gnocchi_aggregation_by_resources_threshold", rule
def classic(name):
    query = [dict(field="resource_id", op="eq", value=name, type="string")]
    return "threshold", dict(over, meter_name="load", statistic="max", period=1, query=query)
def promql(name):
    query = f'last_over_time(load{{{{resource_id="{{name}}"}}}}[2s])'
    return "prometheus", dict(over, query=query)
def composite(name):
    parts = [rule | dict(type=kind) for kind, rule in (last(name), promql(name))]
    return "composite", {{"or": parts}}
kinds = (last, group, classic, promql, composite)
for number, url in enumerate(json.loads({urls!r})):
    kind, rule = kinds[number % len(kinds)](f"flip-{{number}}")
    fields = dict(name=f"flip {{number}}", type=kind, rule=rule, alarm_actions=[url],
                  ok_actions=[url])
    lifecycle.create(lifecycle.check(fields), "p1", "")
"""


class Alarms:
    """What the tests look at while they break things."""

    def __init__(self, cluster: Cluster, path: str) -> None:
        self.cluster = cluster
        self.book = cluster.home / "received"
        port = str(free_port())
        argv = ["-m", "tests.faults.receiver", port, str(self.book)]
        cluster.processes.start("receiver", argv, {})
        urls = [f"http://{receiver.address(n)}:{port}{path}/{n}" for n in range(ALARMS)]
        cluster.command("shell", "-v0", "-c", MAKE_ALARMS.format(urls=json.dumps(urls)))

    def start(self, role: str, instance: str = "1") -> str:
        return self.cluster.start_role(role, instance, **HASTE)

    def transitions(self) -> int:
        return len(alarm_oracle.ask(self.cluster.postgres.url()).changes)

    def wait_transitions(self, more: int, within_s: float = 30.0) -> None:
        """Until so many more have happened than now."""
        wanted = self.transitions() + more
        self.cluster.wait(
            lambda: self.transitions() >= wanted,
            within_s,
            lambda: f"{self.transitions()} of {wanted} transitions",
        )

    def settled(self) -> bool:
        """Whether no alarm can move any more and the outbox is empty."""
        stored = alarm_oracle.ask(self.cluster.postgres.url())
        moving = any(one.state != alarm_oracle.INITIAL for one in stored.alarms.values())
        return not moving and all(one.status != "pending" for one in stored.messages)

    def judge(self) -> alarm_oracle.Verdict:
        stored = alarm_oracle.ask(self.cluster.postgres.url())
        return alarm_oracle.judge(stored, receiver.read(self.book))


@contextmanager
def flipping(cluster: Cluster, path: str = "/ok") -> Iterator[Alarms]:
    """Collector, beat, receiver and load are up; `path` is what the receiver does."""
    cluster.start_role("collector", wait=False)
    alarms = Alarms(cluster, path)
    alarms.start("beat")
    cluster.wait_ready("collector.1")
    agent = {
        "EDGE": "agent",
        "DJANGO_SETTINGS_MODULE": "telemetry_site.settings.agent",
        "TELEMETRY_AGENT_ID": "flipper",
    }
    argv = ["-m", "tests.faults.flipper", str(ALARMS), str(PERIOD_S)]
    cluster.processes.start("flipper", argv, agent)
    yield alarms
    cluster.heal()
    began = time.monotonic()
    cluster.processes.signal("flipper", SIGTERM)
    cluster.processes.wait_end("flipper", RECOVERED_WITHIN_S)
    cluster.wait(alarms.settled, RECOVERED_WITHIN_S, lambda: f"not settled: {alarms.judge()}")
    verdict = alarms.judge()
    print(f"settled {time.monotonic() - began:.1f} s after healing: {verdict}")
    assert verdict.clean, verdict
    assert verdict.transitions > ALARMS
    problems = cluster.processes.tracebacks()
    assert not problems, "\n".join(problems)
