"""The filters of the metric API's lists find exactly the rows for which their rule holds."""

from __future__ import annotations

from itertools import product

import pytest

from meters.metric_api.policies import Rule, Target, allows, resource_filter
from meters.models import Resource
from telemetry_site.auth.caller import of_name, of_project
from telemetry_site.clock import now

pytestmark = pytest.mark.django_db

#: Also ids that LIKE would take for patterns, or that are another's beginning or end.
PROJECTS = ["p1", "p2", "1", "_1", "%", "p\\1", "P1", "p1 "]
CREATORS = [
    "", "p1", "joe", ":", ":p1", "u1:", "u1:p1", "u2:p1", "u1:p2", "u1:xp1", "u1:_1", "u1:%",
    "u1:p\\1", "u1:P1", "u1:p1 ", "p1:u1",
]  # fmt: skip
CALLERS = [
    of_project(user, project, frozenset({role}))
    for user, project, role in product(["u1", ""], PROJECTS, ["member", "service"])
] + [of_project("root", "", frozenset({"admin"})), of_name("joe"), of_name("p1"), of_name("admin")]
RULES: list[Rule] = ["list resource", "search resource", "delete resources"]


@pytest.fixture
def resources() -> None:
    moment = now()
    Resource.objects.bulk_create(
        Resource(
            original_id=f"{number}", creator=creator, project_id=project,
            revision_start=moment, started_at=moment,
        )
        for number, (creator, project) in enumerate(product(CREATORS, [None, "", *PROJECTS]))
    )  # fmt: skip


def test_a_list_shows_what_the_rule_allows_and_nothing_else(resources: None) -> None:
    rows = list(Resource.objects.all())
    for rule, caller in product(RULES, CALLERS):
        shown = set(Resource.objects.filter(resource_filter(rule, caller)))
        allowed = {row for row in rows if allows(rule, caller, Target(row.creator, row.project_id))}
        assert shown == allowed, (rule, caller)


def test_a_member_sees_some_and_may_delete_fewer(resources: None) -> None:
    member = of_project("u1", "p1", frozenset({"member"}))
    seen, deleted = (
        Resource.objects.filter(resource_filter(rule, member)).count()
        for rule in ("list resource", "delete resources")
    )
    assert 0 < deleted < seen < Resource.objects.count()
