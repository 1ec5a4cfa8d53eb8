"""A mail server on loopback, of aiosmtpd, that answers as a test wants."""

from __future__ import annotations

import email
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.ports import free_port


class MailServer:
    """`mails` are those it took, with the addresses of the envelope in `recipients`.

    `refusals` {recipient: "450 later"} and `at_data` ("" takes it) are its answers.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusals: dict[str, str] = {}
        self.at_data = ""

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.at_data:
            return self.at_data
        mail: Message[str, str] = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextmanager
def mail_server(password: str = "") -> Iterator[tuple[MailServer, int]]:
    """A running one and its port; with a password it wants a login first."""
    server = MailServer()

    def is_right(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and data.password == password.encode()
        return AuthResult(success=is_known, handled=False)

    login = {"auth_required": True, "auth_require_tls": False, "authenticator": is_right}
    port = free_port()
    controller = Controller(server, "127.0.0.1", port, **(login if password else {}))
    controller.start()
    try:
        yield server, port
    finally:
        controller.stop()
