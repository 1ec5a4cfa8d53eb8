"""F22: several of each role share the work and know nothing of each other."""

from __future__ import annotations

from tests.faults.alarming import ALARMS, flipping
from tests.faults.cluster import Cluster

TWICE = """
SELECT source_id, slot, count(*) FROM meters_pollreport GROUP BY 1, 2 HAVING count(*) > 1
"""


def test_two_beats_three_evaluators_three_notifiers_and_two_agents_of_one_host(
    cluster: Cluster,
) -> None:
    with flipping(cluster) as alarms:
        alarms.start("beat", "2")
        for instance in "123":
            alarms.start("evaluator", instance)
            alarms.start("notifier", instance)
        cluster.start_role("compute")
        alarms.wait_transitions(4 * ALARMS)
    verdict = alarms.judge()
    assert verdict.again == 0, "each message arrives once when nobody is killed"
    assert cluster.query("SELECT count(*) FROM meters_pollreport") > [(3,)]
    assert cluster.query(TWICE) == []
