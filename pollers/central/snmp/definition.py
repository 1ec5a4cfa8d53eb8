"""One SNMP meter, as a definition file describes it, checked and ready to be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from meters import wire
from pollers.central.snmp.conversion import Conversion
from pollers.central.snmp.oids import Oid


class PostOp(Enum):
    """What is done to a value after it was read; the names are those of the classic files."""

    USED_MEMORY = "_post_op_memory_avail_to_used"
    NETWORK = "_post_op_net"
    DISK = "_post_op_disk"


@dataclass(frozen=True)
class Column:
    """An object, or a column of a table, and how its values are read."""

    oid: Oid
    convert: Conversion = field(compare=False)


@dataclass(frozen=True)
class SnmpMeter:
    """`place` is its file and line, for messages. `is_table`: a sample for each row of a table."""

    name: str
    place: str
    unit: str
    type: wire.SampleType
    column: Column
    is_table: bool = False
    metadata: dict[str, Column] = field(default_factory=dict)
    post_op: PostOp | None = None
