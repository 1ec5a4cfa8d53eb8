"""The spool: durable, bounded, and never stopped by a damaged file (A5, A6, F37, F39, F40)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from pollers.spool import DamagedFileError, Dropped, Limits, Spool, SpoolFullError

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND


def new_id() -> str:
    return str(uuid.uuid4())


def put(spool: Spool, body: bytes = b"body", created: int = NOW, **fields: int) -> str:
    batch_id = new_id()
    spool.put(batch_id, body, created=created, items=fields.pop("items", 1), **fields)
    return batch_id


def read(spool: Spool, batch_id: str) -> bytes:
    entry = spool.get(batch_id)
    assert entry is not None
    return spool.read(entry)


def test_what_was_put_is_there_after_a_restart_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    late = put(spool, b"late", created=NOW + SECOND)
    early = put(spool, b"early\nwith a second line", created=NOW)

    again = Spool(tmp_path)
    assert again.oldest(9) == [early, late]
    assert read(again, early) == b"early\nwith a second line"


def test_putting_the_same_batch_twice_keeps_one_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    batch_id = put(spool)
    spool.put(batch_id, b"body", created=NOW, items=1)
    assert len(list(tmp_path.glob("*.b"))) == len(spool) == 1


def test_delete_forgets_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    batch_id = put(spool)
    assert spool.delete(batch_id)
    assert not spool.delete(batch_id)
    assert (len(Spool(tmp_path)), spool.bytes) == (0, 0)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    put(Spool(directory))
    (file,) = directory.glob("*.b")
    assert (file.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)


def test_half_written_files_vanish_at_the_start(tmp_path: Path) -> None:
    put(Spool(tmp_path))
    (tmp_path / "tmp" / "0-half.b").write_bytes(b"half")
    assert len(Spool(tmp_path)) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"no header", b'{"v":2}\nbody'])
def test_an_unreadable_file_is_set_aside_at_the_start(tmp_path: Path, damage: bytes) -> None:
    good = put(Spool(tmp_path))
    (tmp_path / "0000000000001-x.b").write_bytes(damage)

    spool = Spool(tmp_path)
    assert spool.oldest(9) == [good]
    assert [file.read_bytes() for file in (tmp_path / "bad").iterdir()] == [damage]


def test_a_body_with_a_flipped_bit_is_set_aside_when_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    batch_id = put(spool, b"body")
    (file,) = tmp_path.glob("*.b")
    file.write_bytes(file.read_bytes()[:-1] + b"z")

    with pytest.raises(DamagedFileError, match="checksum"):
        read(spool, batch_id)
    assert (len(spool), len(list((tmp_path / "bad").iterdir()))) == (0, 1)


def test_a_full_spool_drops_the_oldest_and_says_what(tmp_path: Path) -> None:
    dropped: list[Dropped] = []
    spool = Spool(tmp_path, Limits(files=2), dropped.append)
    put(spool, created=NOW, items=7, first=5, last=9)
    rest = [put(spool, created=NOW + k) for k in (1, 2)]

    assert spool.oldest(9) == rest
    assert dropped == [Dropped(7, 5, 9, "size")]


def test_a_full_spool_of_notifications_refuses_instead(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(bytes=400, drop_oldest=False))
    kept = put(spool)
    with pytest.raises(SpoolFullError):
        put(spool, b"x" * 400)
    assert spool.oldest(9) == [kept]


def test_batches_over_the_age_limit_are_dropped(tmp_path: Path) -> None:
    dropped: list[Dropped] = []
    spool = Spool(tmp_path, Limits(age_s=10), dropped.append)
    put(spool, created=NOW)
    young = put(spool, created=NOW + 5 * SECOND)
    spool.expire(NOW + 12 * SECOND)
    assert (spool.oldest(9), dropped[0].reason) == ([young], "age")


def test_a_disk_that_is_short_counts_as_full(tmp_path: Path) -> None:
    everything = Limits(free_share=1.0, free_bytes=1 << 60, drop_oldest=False)
    spool = Spool(tmp_path, everything)
    put(spool)  # the first is always tried
    with pytest.raises(SpoolFullError, match="disk"):
        put(spool)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_a_real_full_disk_drops_the_oldest_until_the_new_one_fits(
    small_disk: Path,
) -> None:
    dropped: list[Dropped] = []
    limits = Limits(free_share=0.0)
    spool = Spool(small_disk / "spool", limits, dropped.append)
    ids = [put(spool, bytes(200_000), created=NOW + k) for k in range(30)]

    assert dropped
    assert all(drop.reason == "disk" for drop in dropped)
    assert spool.oldest(99) == ids[len(dropped) :]
    assert len(Spool(small_disk / "spool", limits)) == len(spool)
    assert read(spool, ids[-1]) == bytes(200_000)


class SpoolMachine(RuleBasedStateMachine):
    """Random work, crashes and damage against a model: a dictionary of what must be there (F40).

    Only files damaged by hand may be missing, and each of them is in `bad/`.
    """

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.directory = Path(tempfile.mkdtemp())
        self.spool = Spool(self.directory)
        self.model: dict[str, bytes] = {}
        self.damaged: set[str] = set()
        self.clock = NOW

    @rule(target=batches, body=st.binary(max_size=300))
    def put(self, body: bytes) -> str:
        self.clock += 1000
        batch_id = put(self.spool, body, created=self.clock)
        self.model[batch_id] = body
        return batch_id

    @rule(batch_id=batches)
    def receipt(self, batch_id: str) -> None:
        known = batch_id in self.model or batch_id in self.damaged
        if self.spool.get(batch_id) is not None:
            assert known
        self.spool.delete(batch_id)
        self.model.pop(batch_id, None)
        self.damaged.discard(batch_id)

    @rule(batch_id=batches)
    def publish(self, batch_id: str) -> None:
        entry = self.spool.get(batch_id)
        if batch_id in self.model:
            assert entry is not None
            assert self.spool.read(entry) == self.model[batch_id]
        elif batch_id in self.damaged and entry is not None:
            with pytest.raises(DamagedFileError):
                self.spool.read(entry)
            self.damaged.discard(batch_id)

    @rule(batch_id=batches, how=st.sampled_from(["truncate", "flip", "delete"]))
    def damage(self, batch_id: str, how: str) -> None:
        entry = self.spool.get(batch_id)
        if batch_id not in self.model or entry is None:
            return
        data = entry.path.read_bytes()
        if how == "delete":
            entry.path.unlink()
        elif how == "truncate":
            entry.path.write_bytes(data[: len(data) // 2])
        else:
            entry.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        del self.model[batch_id]
        self.damaged.add(batch_id)

    @rule()
    def crash_and_restart(self) -> None:
        (self.directory / "tmp" / "0-torn.b").write_bytes(b"torn")
        self.spool = Spool(self.directory)
        self.damaged = {b for b in self.damaged if self.spool.get(b) is not None}

    @invariant()
    def everything_undamaged_is_there(self) -> None:
        known = set(self.spool.oldest(10_000))
        assert set(self.model) <= known
        assert known <= set(self.model) | self.damaged


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
