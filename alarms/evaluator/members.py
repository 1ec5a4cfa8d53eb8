"""Members of load balancers' pools, asked of Octavia: each pool once, several at a time.

A pool that is another project's is as one that nobody can tell about.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import structlog
from django.conf import settings

from alarms import health
from alarms.definition import MemberHealth
from alarms.evaluator.judging import Case, Judged
from alarms.evaluator.looking import View
from alarms.evaluator.transitions import Decision
from telemetry_site import outbound
from telemetry_site.auth.keystone import KeystoneError, service_of
from telemetry_site.clock import from_us

log = structlog.get_logger(__name__)

AT_ONCE = 8
LONGEST_ANSWER = 4 << 20
MAX_PAGES = 20


class PoolError(Exception):
    """Octavia did not say who a pool's members are."""


def judge_members(cases: Sequence[Case], _: View) -> Judged:
    asked = {_rule(case).pool_id for case in cases}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        pools = dict(zip(asked, threads.map(_members, asked), strict=True))
    decisions, unknown = [], 0
    for case in cases:
        one, rule = case.claimed, _rule(case)
        bad = _unhealthy(case, pools[rule.pool_id])
        unknown += bad is None
        verdict = health.decide(one.state, one.repeat_actions, rule, bad)
        if verdict:
            decisions.append(Decision(one, verdict))
        elif bad is None and one.state_reason != health.FAILED:
            decisions.append(Decision(one, None, health.FAILED))
    return Judged(decisions, unknown, np.empty(0, dtype=np.int8))


def _unhealthy(case: Case, members: list[health.Member] | None) -> list[health.Member] | None:
    one = case.claimed
    if members is None or any(_is_foreign(member, one.seen_project) for member in members):
        return None
    young = timedelta(seconds=settings.TELEMETRY_MEMBER_CREATION_TIME)
    try:
        return health.unhealthy(members, from_us(one.now), young)
    except ValueError as error:
        log.warning("a member is not understood", alarm_id=str(one.id), error=str(error))
        return None


def _is_foreign(member: health.Member, project_id: str | None) -> bool:
    return project_id is not None and member.get("project_id") != project_id


def _members(pool_id: str) -> list[health.Member] | None:
    """None where Octavia does not tell; why stands in the log."""
    base = settings.TELEMETRY_OCTAVIA_URL
    url = f"{base}/v2/lbaas/pools/{quote(pool_id, safe='')}/members"
    found: list[health.Member] = []
    try:
        for _ in range(MAX_PAGES):
            page = _page(url)
            found += page["members"]
            following = [
                one["href"] for one in page.get("members_links", []) if one["rel"] == "next"
            ]
            if not following:
                return found
            [url] = following
            if not url.startswith(f"{base}/"):
                raise PoolError(f"a next page elsewhere: {url}")
        raise PoolError(f"more than {MAX_PAGES} pages")
    except (PoolError, KeystoneError, outbound.OutboundError) as error:
        log.warning("pool not looked at", pool_id=pool_id, error=str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("answer on a pool not understood", pool_id=pool_id, error=str(error))
    return None


def _page(url: str) -> dict[str, Any]:
    headers = {"Accept": "application/json", "Connection": "close"}
    if settings.TELEMETRY_KEYSTONE is not None:
        headers["X-Auth-Token"] = service_of(settings.TELEMETRY_KEYSTONE).own_token()
    answer = outbound.get(url, headers, LONGEST_ANSWER)
    if answer.status != 200:
        raise PoolError(f"status {answer.status}")
    page: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
    if not all(isinstance(one, dict) for one in page["members"]):
        raise PoolError("members that are no objects")
    return page


def _rule(case: Case) -> MemberHealth:
    assert isinstance(case.rule, MemberHealth)
    return case.rule
