"""The one Celery application. A task names its queue where it is declared (`queue=…`)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from celery import Celery, Task
from django.conf import settings

app = Celery("telemetry")
app.config_from_object("django.conf:settings", namespace="CELERY")
import_module("telemetry_site.worker")  # connects the signals


class ComputeTask(Task):  # type: ignore[misc]
    """A task for every compute agent: published to the fanout exchange `compute`.

    The publishing side must know that the exchange is a fanout, or the message is silently lost
    (seen with kombu 5.7 on Valkey): so the exchange is given as an object, and declared.
    """

    abstract = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        exchange = settings.COMPUTE_EXCHANGE
        options.pop("queue", None)
        return super().apply_async(
            args, kwargs, exchange=exchange, routing_key="compute", declare=[exchange], **options
        )
