"""The kinds of targets: one module a scheme, this one table.

A module is loaded when a target asks for it: agents that publish nothing should not hold the client
libraries.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pollers.publishers.schemes.base import Sink

SCHEMES = {
    "notifier": "notifier.NotifierSink",
    "kafka": "kafka.KafkaSink",
    "http": "http.HttpSink",
    "https": "http.HttpSink",
    "udp": "udp.UdpSink",
    "tcp": "tcp.TcpSink",
    "file": "file.FileSink",
    "prometheus": "prometheus.PrometheusSink",
    "remotewrite": "remotewrite.RemoteWriteSink",
    "opentelemetryhttp": "otlp.OtlpSink",
    "zaqar": "zaqar.ZaqarSink",
}


@cache
def kind_of(scheme: str) -> type[Sink]:
    """Raises `KeyError` for a scheme that is not in the table."""
    module, _, name = SCHEMES[scheme].partition(".")
    kind: type[Sink] = getattr(import_module(f"{__name__}.{module}"), name)
    return kind


__all__ = ["SCHEMES", "Sink", "kind_of"]
