"""Exchanges and queues of a RabbitMQ: made where we may, else taken as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed
from kombu import Connection


class Declarer:
    """Tries one thing after the other; a refusal closes the channel, so the next gets a new one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel = connection.channel()

    def refusal(self, action: Callable[[Any], Any]) -> str:
        """Why the broker refused; empty if it did not."""
        try:
            action(self._channel)
        except (PreconditionFailed, AccessRefused, NotFound) as error:
            self._channel = self._connection.channel()
            return str(error.reply_text)
        return ""

    def declare(self, declare: Callable[..., Any], what: str, said: list[str]) -> bool:
        """Whether it is there now; what is not as configured is said."""
        refusal = self.refusal(lambda channel: declare(channel=channel))
        if not refusal:
            return True
        if self.refusal(lambda channel: declare(channel=channel, passive=True)):
            said.append(f"{what} is missing and could not be declared: {refusal}")
            return False
        said.append(f"{what} is used as it is: {refusal}")
        return True

    def close(self) -> None:
        self._channel.close()
