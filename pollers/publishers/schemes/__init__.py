"""The kinds of targets: one module a scheme, this one table."""

from __future__ import annotations

from pollers.publishers.schemes.base import Sink
from pollers.publishers.schemes.file import FileSink
from pollers.publishers.schemes.http import HttpSink
from pollers.publishers.schemes.kafka import KafkaSink
from pollers.publishers.schemes.notifier import NotifierSink
from pollers.publishers.schemes.otlp import OtlpSink
from pollers.publishers.schemes.prometheus import PrometheusSink
from pollers.publishers.schemes.tcp import TcpSink
from pollers.publishers.schemes.udp import UdpSink

SCHEMES: dict[str, type[Sink]] = {
    "notifier": NotifierSink,
    "kafka": KafkaSink,
    "http": HttpSink,
    "https": HttpSink,
    "udp": UdpSink,
    "tcp": TcpSink,
    "file": FileSink,
    "prometheus": PrometheusSink,
    "opentelemetryhttp": OtlpSink,
}

__all__ = ["SCHEMES", "Sink"]
