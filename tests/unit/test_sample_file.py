"""Files of samples: whatever is cut off or damaged, what is read is right or told as a sentence."""

from __future__ import annotations

import gzip
import io
import uuid
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.sample_file import (
    FORMAT,
    MAX_FRAME_BYTES,
    VERSION,
    EndsEarlyError,
    Header,
    Place,
    Reader,
    SampleFileError,
    Samples,
    Selection,
    Writer,
    kept,
)

HEADER = Header(FORMAT, VERSION, uuid.UUID(int=1), 0, Selection(meters=["cpu"]))
#: Every second one completes a place.
FRAMES = [Samples(bytes([n]) * 50, n, "", Place(n, n, n) if n % 2 else None) for n in range(1, 8)]


def written() -> tuple[bytes, list[int]]:
    """The file, and where each of its frames ends."""
    stream, ends = io.BytesIO(), []
    writer = Writer(stream)
    writer.begin(HEADER)
    ends.append(stream.tell())
    for frame in FRAMES:
        writer.add(frame)
        ends.append(stream.tell())
    writer.end()
    return stream.getvalue(), [*ends, stream.tell()]


WHOLE, ENDS = written()


def test_frames_come_back_as_they_were() -> None:
    reader = Reader(io.BytesIO(WHOLE))
    *frames, end = reader
    assert (reader.header, frames) == (HEADER, FRAMES)
    assert (end.frames, end.samples) == (7, 28)
    assert reader.offset == len(WHOLE)


def test_zcat_shows_the_frames() -> None:
    assert gzip.decompress(WHOLE).startswith(msgspec.msgpack.encode(HEADER))


def test_a_file_that_ends_anywhere_is_good_up_to_its_last_place() -> None:
    for size in range(len(WHOLE)):
        _ends_at(size)


def _ends_at(size: int) -> None:
    if size < ENDS[0]:
        with pytest.raises(SampleFileError, match="no file of samples"):
            kept(io.BytesIO(WHOLE[:size]))
        return
    whole = sum(end <= size for end in ENDS) - 1
    left = kept(io.BytesIO(WHOLE[:size]))
    places = [n for n, frame in enumerate(FRAMES, 1) if frame.place and n <= whole]
    number = places[-1] if places else 0
    assert (left.bytes, left.frames) == (ENDS[number], number)
    assert left.samples == sum(range(number + 1))
    with pytest.raises(EndsEarlyError):
        list(Reader(io.BytesIO(WHOLE[:size])))


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_damage_is_a_sentence_or_harmless(place: int, other: bytes) -> None:
    """Of a member's head some bytes mean nothing (its time, its operating system)."""
    damaged = WHOLE[:place] + other + WHOLE[place + len(other) :]
    try:
        reader = Reader(io.BytesIO(damaged))
        frames = list(reader)
    except SampleFileError:
        return
    assert (reader.header, frames[:-1]) == (HEADER, FRAMES)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_file_of_samples(content: bytes) -> None:
    with pytest.raises(SampleFileError, match="no file of samples"):
        Reader(io.BytesIO(content))


def member(content: bytes) -> bytes:
    return gzip.compress(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (WHOLE + WHOLE, "are they two"),
        (WHOLE + b"x", "are they two"),
        (WHOLE[: ENDS[0]] * 2, "Frame 2 is a second header"),
        (WHOLE[: ENDS[0]] + member(b"\0" * (MAX_FRAME_BYTES + 1)), "Frame 1 can't be read"),
        (WHOLE[: ENDS[0]] + member(b"\x91" * 100_000 + b"\x00"), "Frame 1 can't be read"),
        (WHOLE[: ENDS[0]] + member(msgspec.msgpack.encode({"frame": "?"})), "Frame 1 can't be"),
        (member(msgspec.msgpack.encode(msgspec.structs.replace(HEADER, v=2))), "has version 2"),
        (member(msgspec.msgpack.encode(msgspec.structs.replace(HEADER, format="x"))), "no file"),
        (member(msgspec.msgpack.encode(FRAMES[0])), "no file of samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a member holds the time
)  # fmt: skip
def test_other_faults_are_sentences(content: bytes, told: str) -> None:
    with pytest.raises(SampleFileError, match=told):
        list(Reader(io.BytesIO(content)))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = WHOLE[: ENDS[0]] + member(b"\0" * (MAX_FRAME_BYTES * 8))
    reader = Reader(io.BytesIO(bomb))
    with pytest.raises(SampleFileError, match="more than"):
        next(iter(reader))


def test_frames_follow_each_other_without_a_gap() -> None:
    reader, offsets = Reader(io.BytesIO(WHOLE)), []
    for _ in reader:
        offsets.append(reader.offset)
    assert offsets == ENDS[1:]
    assert all(first < second for first, second in pairwise(ENDS))
