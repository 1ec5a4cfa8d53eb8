"""A client of one of the OpenStack doors: what it sends along, and JSON to and fro."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client


class DoorClient(Client):
    """`sent` are the headers that go with each request."""

    prefix = ""

    def __init__(self, **sent: str) -> None:
        super().__init__()
        self.sent = {"Accept": "application/json"}
        self.sent |= {name.replace("_", "-"): value for name, value in sent.items() if value}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        raw: bytes | None = None,
        **headers: str,
    ) -> Any:
        """An answer to a request under the prefix; a header given as "" is not sent."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**self.sent, **names}.items() if value}
        data = b"" if body is None else json.dumps(body).encode()
        return self.generic(
            method, f"{self.prefix}{path}", data if raw is None else raw,
            headers=sent, CONTENT_TYPE=content_type,
        )  # fmt: skip

    def fetch(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()
