"""Polling one SNMP host in a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from meters import wire
from pollers.batch import BatchBuilder
from pollers.central.snmp.address import parse_address
from pollers.central.snmp.definition import SnmpMeter
from pollers.central.snmp.loading import load_snmp_meters
from pollers.central.snmp.source import SnmpSource
from pollers.polls import run_poll
from tests.samples import samples_of
from tests.support.polling import SLOT_US
from tests.support.snmpd import SECRETS

STOCK, _ = load_snmp_meters([])
#: A poll of a machine that is busy with other things.
PATIENCE_S = 60.0
LOAD, TOTAL, USED = "hardware.cpu.load.1min", "hardware.memory.total", "hardware.memory.used"
INCOMING = "hardware.network.incoming.bytes"
_OWN = """\
metric:
  - name: own.meter
    unit: "1"
    type: gauge
    snmp_inspector: {{matching_type: {kind}, oid: {oid}, type: {type}}}
"""


def source_of(
    url: str, *names: str, meters: Sequence[SnmpMeter] = (), deadline_s: float = PATIENCE_S,
    named: Sequence[str] = (),
) -> SnmpSource:  # fmt: skip
    """Of the given meters, or of the stock ones those named, or all."""
    chosen = list(meters) or [STOCK[name] for name in names] or list(STOCK.values())
    return SnmpSource("hosts: here", parse_address(url), chosen, deadline_s, named)


def poll(url: str, *names: str, **options: Any) -> tuple[BatchBuilder, wire.PollReport, SnmpSource]:
    """As `source_of`; no secret may be in what is told of it. Of one thread only."""
    source = source_of(url, *names, **options)
    builder = BatchBuilder("test")
    with capture_logs() as logs:
        report = run_poll(source, builder, SLOT_US, 60)
    told = f"{report} {logs} {builder.rejects} {source.explanation} {list(samples_of(builder))}"
    assert not any(secret in told for secret in SECRETS)
    return builder, report, source


def own_meter(folder: Path, oid: str, kind: str = "type_exact", type: str = "int") -> SnmpMeter:
    """`own.meter`, by way of a file."""
    file = folder / "own.yaml"
    file.write_text(_OWN.format(oid=oid, kind=kind, type=type))
    meters, faults = load_snmp_meters([file], stock=False)
    assert not faults
    return meters["own.meter"]
