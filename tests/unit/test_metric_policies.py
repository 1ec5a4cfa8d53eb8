"""Who may do what through the metric API (metric-api.md 3.2 to 3.4), rule by rule."""

from __future__ import annotations

import pytest
from django.db.models import Q
from rest_framework.exceptions import PermissionDenied

from meters.metric_api.policies import (
    ANY,
    RULES,
    Rule,
    Target,
    allows,
    allows_some,
    metric_filter,
    resource_filter,
)
from telemetry_site.auth.caller import Caller, of_name, of_project

#: What ceilometer stored for project p1, as user `ceil` of the project `svc`.
THING = Target(creator="ceil:svc", project_id="p1")
#: What a tenant made itself.
OWN = Target(creator="u1:p1", project_id="p1")
#: What the system's own agents measure: made by nobody.
MEASURED = Target(creator="", project_id="p1")

CALLERS: dict[str, Caller] = {
    "admin": of_project("root", "admin", frozenset({"admin"})),
    "admin without project": of_project("root", "", frozenset({"admin"})),
    "owner": of_project("u1", "p1", frozenset({"member"})),
    "reading owner": of_project("u9", "p1", frozenset({"reader"})),
    "foreign": of_project("u3", "p2", frozenset({"member"})),
    "service": of_project("other", "elsewhere", frozenset({"service"})),
    "creating service": of_project("ceil", "svc", frozenset({"service"})),
    "member of the creating project": of_project("u5", "svc", frozenset({"member"})),
    "without project": of_project("ceil", "", frozenset()),
}
EVERYBODY = frozenset(CALLERS) - {"without project"}
ADMINS = frozenset({"admin", "admin without project"})
SERVICES = frozenset({"service", "creating service"})
CREATORS = frozenset({"creating service", "member of the creating project"})
OWNERS = frozenset({"owner", "reading owner"})


def allowed(rule: Rule, target: Target = ANY) -> frozenset[str]:
    return frozenset(name for name, caller in CALLERS.items() if allows(rule, caller, target))


#: Rule → who may do it to THING (3.2, and 3.4 where it was measured).
TABLE: dict[Rule, frozenset[str]] = {
    "get archive policy": EVERYBODY,
    "list archive policy": EVERYBODY,
    "create archive policy": ADMINS | SERVICES,
    "update archive policy": ADMINS,
    "delete archive policy": ADMINS,
    "get archive policy rule": EVERYBODY,
    "list archive policy rule": EVERYBODY,
    "create archive policy rule": ADMINS,
    "update archive policy rule": ADMINS,
    "delete archive policy rule": ADMINS,
    "get resource type": EVERYBODY,
    "list resource type": EVERYBODY,
    "create resource type": ADMINS | SERVICES,
    "update resource type": ADMINS | SERVICES,
    "delete resource type": ADMINS,
    "create resource": EVERYBODY,
    "create metric": EVERYBODY,
    "get capabilities": EVERYBODY,
    "get status": ADMINS,
    "get resource": ADMINS | CREATORS | OWNERS,
    "list resource": ADMINS | CREATORS | OWNERS,
    "search resource": ADMINS | CREATORS | OWNERS | SERVICES,
    "update resource": ADMINS | CREATORS | SERVICES,
    "delete resource": ADMINS | CREATORS,
    "delete resources": ADMINS | CREATORS,
    "get metric": ADMINS | CREATORS | OWNERS | SERVICES,
    "get measures": ADMINS | CREATORS | OWNERS | SERVICES,
    "list metric": ADMINS | CREATORS | OWNERS,
    "search metric": ADMINS | CREATORS | OWNERS,
    "delete metric": ADMINS | CREATORS,
    "post measures": ADMINS | CREATORS | SERVICES,
}


def test_the_table_has_every_rule() -> None:
    assert TABLE.keys() == RULES.keys()


@pytest.mark.parametrize("rule", TABLE)
def test_who_may_do_it_to_what_a_service_stored_for_a_project(rule: Rule) -> None:
    assert allowed(rule, THING) == TABLE[rule]


@pytest.mark.parametrize("rule", ["update resource", "delete resource", "post measures"])
def test_what_a_tenant_made_the_whole_tenant_may_change(rule: Rule) -> None:
    assert allowed(rule, OWN) - ADMINS - SERVICES == OWNERS


@pytest.mark.parametrize("rule", [rule for rule in RULES if "creator" in RULES[rule]])
def test_nobody_is_the_creator_of_what_agents_measured(rule: Rule) -> None:
    by_role = ADMINS | (SERVICES if "service" in RULES[rule] else frozenset())
    by_owning = OWNERS if "owner" in RULES[rule] else frozenset()
    assert allowed(rule, MEASURED) == by_role | by_owning


@pytest.mark.parametrize("rule", RULES)
def test_without_a_project_nothing_is_allowed(rule: Rule) -> None:
    """Not even what its own user once made (S36)."""
    for target in (ANY, THING, Target("ceil:", None), Target("ceil:", ""), Target("", "")):
        assert not allows(rule, CALLERS["without project"], target)


# --- lists ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("list resource", EVERYBODY),
        ("delete resources", EVERYBODY),
        ("list metric", EVERYBODY),
        ("get status", ADMINS),
        ("create archive policy", ADMINS | SERVICES),
        ("get capabilities", EVERYBODY),
    ],
)
def test_a_rule_may_hold_for_some_target(rule: Rule, names: frozenset[str]) -> None:
    assert {name for name, caller in CALLERS.items() if allows_some(rule, caller)} == names


def test_who_may_see_everything_gets_no_filter() -> None:
    for rule, names in (
        ("list resource", ADMINS),
        ("search resource", ADMINS | SERVICES),
        ("delete resources", ADMINS),
    ):
        unfiltered = {n for n in EVERYBODY if not resource_filter(rule, CALLERS[n])}  # type: ignore[arg-type]
        assert unfiltered == names, rule
    assert {n for n in EVERYBODY if not metric_filter("list metric", CALLERS[n])} == ADMINS


def test_the_others_get_their_projects_and_what_their_project_made() -> None:
    created = Q(creator="u1:p1") | Q(creator__endswith=":p1")
    owner = CALLERS["owner"]
    assert resource_filter("list resource", owner) == created | Q(project_id="p1")
    assert resource_filter("search resource", owner) == created | Q(project_id="p1")
    assert resource_filter("delete resources", owner) == created
    assert metric_filter("list metric", owner) == created | Q(resource__project_id="p1")


def test_a_list_that_can_never_hold_anything_is_refused() -> None:
    for make in (resource_filter, metric_filter):
        with pytest.raises(PermissionDenied, match="Insufficient privileges"):
            make("list resource", CALLERS["without project"])
        with pytest.raises(PermissionDenied):
            make("get status", CALLERS["owner"])


# --- the basic mode ------------------------------------------------------------------------
JOE = of_name("joe")


@pytest.mark.parametrize(
    "rule", ["get resource", "list resource", "search resource", "list metric", "search metric"]
)
def test_names_see_all_resources_and_lists(rule: Rule) -> None:
    assert allows(rule, JOE, Target("jane", None))
    assert resource_filter(rule, JOE) == Q()
    assert metric_filter(rule, JOE) == Q()


@pytest.mark.parametrize(
    "rule", ["update resource", "delete resource", "post measures", "get measures", "get metric"]
)
def test_else_a_name_may_touch_what_it_made(rule: Rule) -> None:
    assert allows(rule, JOE, Target("joe", None))
    assert not allows(rule, JOE, Target("jane", None))
    assert not allows(rule, JOE, Target("", ""))
    assert allows(rule, of_name("admin"), Target("jane", None))


def test_a_name_deletes_by_query_only_what_it_made() -> None:
    assert resource_filter("delete resources", JOE) == Q(creator="joe")
    assert resource_filter("delete resources", of_name("admin")) == Q()
