"""Makes Swift's three rings of one replica on one device `d1`: DIRECTORY, and the ports of the
servers of accounts, containers and objects.
"""

from __future__ import annotations

import sys
from pathlib import Path

from swift.common.ring import RingBuilder

PARTITION_POWER = 4


def main(directory: str, *ports: str) -> None:
    for name, port in zip(("account", "container", "object"), ports, strict=True):
        builder = RingBuilder(PARTITION_POWER, 1, 0)
        place = {"region": 1, "zone": 1, "weight": 1.0, "device": "d1", "meta": ""}
        address = {"ip": "127.0.0.1", "port": int(port)}
        address |= {"replication_ip": address["ip"], "replication_port": address["port"]}
        builder.add_dev(place | address)
        builder.rebalance()
        builder.get_ring().save(str(Path(directory) / f"{name}.ring.gz"))


if __name__ == "__main__":
    main(*sys.argv[1:])
