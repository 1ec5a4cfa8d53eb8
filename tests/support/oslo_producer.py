"""Send notifications with oslo.messaging's own Notifier, as an OpenStack service does.

Run as a process of its own (the library drags in eventlet). Arguments: URL of the bus. Each line
of standard input is ``[exchange, message]``; each is answered by a line `sent`.
"""

import json
import sys
from typing import Any

import oslo_messaging
from oslo_config import cfg


class Context(dict[str, Any]):
    """oslo.messaging throws a plain dictionary away; a service's own class survives."""

    def to_dict(self) -> dict[str, Any]:
        return dict(self)

    def redacted_copy(self) -> "Context":
        return self


def send(url: str, exchange: str, message: dict[str, Any]) -> None:
    conf = cfg.ConfigOpts()
    conf([], project="test")
    oslo_messaging.set_transport_defaults(exchange)
    transport = oslo_messaging.get_notification_transport(conf, url)
    notifier = oslo_messaging.Notifier(
        transport, message["publisher_id"], driver="messagingv2", topics=["notifications"]
    )
    prefix = "_context_"
    context = Context(
        {key[len(prefix) :]: value for key, value in message.items() if key.startswith(prefix)}
    )
    by_priority = getattr(notifier, message["priority"].lower())
    by_priority(context, message["event_type"], message["payload"])
    transport.cleanup()


for line in sys.stdin:
    send(sys.argv[1], *json.loads(line))
    print("sent", flush=True)
