"""The scheme trust+heat: a stack replaces the members of its load balancer that are in error.

For alarms on the health of a pool's members, as who made the alarm: the resource of each such
member is found in the stack, what it is part of marked unhealthy in the autoscaling group, and the
stack updated with the template that it has (alarms.md 4.1).
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlsplit

from alarms.notifier.message import Message
from alarms.notifier.outcome import Outcome
from alarms.notifier.schemes import trust
from alarms.notifier.services import Stopped, ask, read
from telemetry_site.auth import catalogue
from telemetry_site.auth.keystone import KeystoneError

SERVICE_TYPE = "orchestration"
REASON = "unhealthy load balancer member"
DEPTH = 3
NOTHING_TO_DO = "No member in error is part of the stack: nothing is marked, nothing updated."


def send(message: Message) -> Outcome:
    told = json.loads(message.body).get("reason_data") or {}
    stack_id, group_id = told.get("stack_id"), told.get("asg_id")
    if not stack_id or not group_id:
        words = "Only alarms on the health of a pool's members name a stack and a group."
        return Outcome("no_stack", is_final=True, answer=words)
    token = trust.token_of(message)
    if isinstance(token, Outcome):
        return token
    try:
        base = catalogue.endpoint(trust.keystone(), SERVICE_TYPE, token)
        members = {str(one["id"]) for one in told.get("unhealthy_members", ())}
        return _Heat(message, base, token).heal(str(stack_id), str(group_id), members)
    except Stopped as stop:
        return stop.outcome
    except catalogue.NoEndpointError as error:
        return Outcome("no_endpoint", answer=str(error))
    except KeystoneError as error:
        return Outcome("keystone", answer=str(error))
    except (KeyError, TypeError, AttributeError) as error:
        return Outcome("not_understood", answer=f"{type(error).__name__}: {error}")


class _Heat:
    def __init__(self, message: Message, base: str, token: str) -> None:
        self._message, self._base = message, base
        self._headers = {"X-Auth-Token": token}

    def heal(self, stack_id: str, group_id: str, members: set[str]) -> Outcome:
        stack = self._stack(stack_id)
        marked = self._parents(stack, members)
        if not marked:
            return Outcome(answer=NOTHING_TO_DO)
        group = self._stack(group_id)
        for name in marked:
            self._ask(
                "PATCH", f"{group}/resources/{quote(name, safe='')}",
                {"mark_unhealthy": True, "resource_status_reason": REASON},
            )  # fmt: skip
        return Outcome(status=self._ask("PATCH", stack, {}).status)

    def _stack(self, stack_id: str) -> str:
        """The address with name and id, to which Heat redirects who knows the id alone."""
        answer = self._ask("GET", f"/stacks/{quote(stack_id, safe='')}", also=(301, 302))
        found = urlsplit(answer.headers.get("Location") or "").path.rpartition("/stacks/")[2]
        if len(found.strip("/").split("/")) != 2:
            raise Stopped(Outcome("not_understood", status=answer.status))
        return f"/stacks/{found.strip('/')}"

    def _parents(self, stack: str, members: set[str]) -> list[str]:
        """Names of the group's resources that the members are part of."""
        found: list[dict[str, Any]] = read(
            self._ask("GET", f"{stack}/resources?nested_depth={DEPTH}")
        )["resources"]
        ours = [one for one in found if one["physical_resource_id"] in members]
        return sorted({str(one["parent_resource"]) for one in ours if one.get("parent_resource")})

    def _ask(self, method: str, path: str, body: Any = None, also: tuple[int, ...] = ()) -> Any:
        return ask(self._message, method, f"{self._base}{path}", self._headers, body, also)
