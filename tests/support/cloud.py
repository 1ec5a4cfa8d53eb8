"""Zaqar and Heat as a notifier sees them, over real HTTP: what their API references document."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import unquote

from tests.support.webhooks import Receiver, Request


def reply(status: int, body: Any = None, headers: str = "") -> bytes:
    text = "" if body is None else json.dumps(body)
    return (
        f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(text)}\r\n"
        f"Content-Type: application/json\r\n{headers}\r\n{text}"
    ).encode()


class Zaqar:
    """Version 2. `queues` holds the messages' bodies, `subscriptions` what was subscribed."""

    def __init__(self) -> None:
        self.queues: dict[str, list[Any]] = {}
        self.subscriptions: list[tuple[str, str, int]] = []
        self.receiver = Receiver(self._answer)

    @property
    def url(self) -> str:
        return self.receiver.url("")

    def _answer(self, request: Request, number: int, connection: socket.socket) -> bytes:
        method, path, _ = request.line.split(" ")
        if "client-id" not in request.headers:
            return reply(400, {"title": "Bad request", "description": "Missing Client-ID"})
        if "x-auth-token" not in request.headers and "url-signature" not in request.headers:
            return reply(401, {"error": {"code": 401}})
        root, version, kind, name, *more = path.split("/")
        assert (root, version, kind) == ("", "v2", "queues")
        body = json.loads(request.body)
        queue = unquote(name)
        match method, more:
            case "PUT", []:
                is_new = queue not in self.queues
                self.queues.setdefault(queue, [])
                return reply(201 if is_new else 204)
            case "POST", ["subscriptions"]:
                one = (queue, body["subscriber"], body["ttl"])
                if one in self.subscriptions:
                    return reply(409, {"error": "such a subscription is there already"})
                self.subscriptions.append(one)
                return reply(201, {"subscription_id": str(len(self.subscriptions))})
            case "POST", ["messages"]:
                self.queues.setdefault(queue, []).extend(one["body"] for one in body["messages"])
                return reply(201, {"resources": [f"{path}/{len(self.queues[queue])}"]})
        return reply(404)


class Heat:
    """A stack with an autoscaling group, whose members hold load balancers' members.

    `members`: {id of a pool's member: name of the group's resource}. `marked` are the bodies that
    marked a resource, `updates` those of updates of the stack; `is_busy` refuses these.
    """

    def __init__(self, members: dict[str, str]) -> None:
        self.members, self.is_busy = members, False
        self.marked: dict[str, Any] = {}
        self.updates: list[Any] = []
        self.tokens: set[str] = set()
        self.receiver = Receiver(self._answer)

    @property
    def url(self) -> str:
        return self.receiver.url("/v1/%(project_id)s")

    def _answer(self, request: Request, number: int, connection: socket.socket) -> bytes:
        method, path, _ = request.line.split(" ")
        self.tokens.add(request.headers.get("x-auth-token", ""))
        root, _, found = path.partition("/stacks/")
        match method, found.split("/"):
            case "GET", ["S1" | "G1" as one]:
                there = f"http://heat.example{root}/stacks/name-of-{one}/{one}"
                return reply(302, {}, f"Location: {there}\r\n")
            case "GET", ["name-of-S1", "S1", "resources?nested_depth=3"]:
                return reply(200, {"resources": self._resources()})
            case "PATCH", ["name-of-G1", "G1", "resources", name]:
                self.marked[name] = json.loads(request.body)
                return reply(200)
            case "PATCH", ["name-of-S1", "S1"]:
                if self.is_busy:
                    return reply(409, {"error": {"type": "ActionInProgress"}})
                self.updates.append(json.loads(request.body))
                return reply(202)
        return reply(404, {"error": {"type": "EntityNotFound"}})

    def _resources(self) -> list[dict[str, Any]]:
        own = {"resource_name": "group", "physical_resource_id": "G1"}
        return [own] + [
            {"resource_name": "member", "physical_resource_id": one, "parent_resource": parent}
            for one, parent in self.members.items()
        ]
