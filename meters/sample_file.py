"""Files of samples: frames one after the other, each a gzip member of its own.

So a file can be written and read as a stream, `zcat` shows the frames' msgpack, and one that ends
early is good up to its last whole frame. Field by field: docs/reference/sample-files.md. This
module knows no framework and no database.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from uuid import UUID

import msgspec

from meters import wire

FORMAT = "telemetry samples"
VERSION = 1
#: Of a frame: what a message may have, and what it is wrapped in.
MAX_FRAME_BYTES = wire.MAX_MESSAGE_BYTES + 4096
_READ_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6
_NO_FILE = "This is no file of samples."


class Selection(msgspec.Struct, frozen=True):
    """Which samples: names of meters, ids of resources (none: all), start ≤ time < stop in µs."""

    meters: list[str] = []
    resources: list[str] = []
    start: int | None = None
    stop: int | None = None


class Header(msgspec.Struct, frozen=True, tag_field="frame", tag="header"):
    """The first frame. An export that goes on keeps its id."""

    format: str
    v: int
    export_id: UUID
    created_at: int
    selection: Selection


class Place(msgspec.Struct, frozen=True):
    """How far the file goes: resources before `first` wholly, and up to `last` before `until` (µs).

    In the exporting store's own numbers, of use to it alone.
    """

    first: int
    last: int
    until: int


class Samples(msgspec.Struct, frozen=True, tag_field="frame", tag="samples"):
    """A `wire.Batch`, encoded, with so many samples.

    `creator` is whose its resources are, empty for what the installation itself measured.
    """

    batch: bytes
    samples: int
    creator: str = ""
    place: Place | None = None


class End(msgspec.Struct, frozen=True, tag_field="frame", tag="end"):
    """The last frame: how many frames of samples there are, and samples in them."""

    frames: int
    samples: int


Frame = Header | Samples | End
_decoder = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()


class SampleFileError(Exception):
    """What is wrong with the file, in a sentence."""


class EndsEarlyError(SampleFileError):
    """The file ends before its last frame, as that of an export which was broken off."""


class Writer:
    """Writes frames; begins behind those of an export that goes on."""

    def __init__(self, stream: BinaryIO, frames: int = 0, samples: int = 0) -> None:
        self._stream = stream
        self.frames = frames
        self.samples = samples

    def begin(self, header: Header) -> None:
        self._write(header)

    def add(self, frame: Samples) -> None:
        self.frames += 1
        self.samples += frame.samples
        self._write(frame)

    def end(self) -> None:
        self._write(End(self.frames, self.samples))

    def _write(self, frame: Frame) -> None:
        self._stream.write(gzip.compress(_encoder.encode(frame), _LEVEL, mtime=0))
        self._stream.flush()


class Reader:
    """The frames of a file; `offset` is where the one read last ends. Raises `SampleFileError`."""

    def __init__(self, stream: BinaryIO) -> None:
        self.offset = 0
        self._stream = stream
        self._waiting = b""
        self._number = 0
        header = self._read()
        if not isinstance(header, Header) or header.format != FORMAT:
            raise SampleFileError(_NO_FILE)
        if header.v != VERSION:
            raise SampleFileError(f"The file has version {header.v}, known is {VERSION}.")
        self.header = header

    def __iter__(self) -> Iterator[Samples | End]:
        """Up to the end frame."""
        while True:
            frame = self._read()
            if isinstance(frame, Header):
                raise SampleFileError(f"Frame {self._number} is a second header.")
            yield frame
            if isinstance(frame, End):
                if self._waiting or self._stream.read(1):
                    raise SampleFileError("The file goes on behind its last frame: are they two?")
                return

    def _read(self) -> Frame:
        encoded = self._member()
        try:
            frame: Frame = _decoder.decode(encoded)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise SampleFileError(self._wrong(str(error))) from error
        self._number += 1
        return frame

    def _member(self) -> bytes:
        """The next gzip member, unpacked."""
        unpacking, found = zlib.decompressobj(_GZIP), bytearray()
        while not unpacking.eof:
            part = self._waiting or self._stream.read(_READ_BYTES)
            if not part:
                raise EndsEarlyError(self._early())
            try:
                found += unpacking.decompress(part, MAX_FRAME_BYTES + 1 - len(found))
            except zlib.error as error:
                raise SampleFileError(self._wrong(str(error))) from error
            if len(found) > MAX_FRAME_BYTES:
                raise SampleFileError(self._wrong(f"more than {MAX_FRAME_BYTES} bytes"))
            self._waiting = unpacking.unconsumed_tail or unpacking.unused_data
            self.offset += len(part) - len(self._waiting)
        return bytes(found)

    def _wrong(self, what: str) -> str:
        if not self._number:
            return _NO_FILE
        return f"Frame {self._number} can't be read ({what})."

    def _early(self) -> str:
        if not self._number:
            return _NO_FILE
        return f"The file ends early, in or before frame {self._number}: its export was broken off."


class Kept(NamedTuple):
    """What an export that was broken off has left: all up to `place`, in so many bytes."""

    header: Header
    place: Place | None
    bytes: int
    frames: int
    samples: int


def kept(stream: BinaryIO) -> Kept:
    """Raises `SampleFileError` where not even the header can be read."""
    reader = Reader(stream)
    found = Kept(reader.header, None, reader.offset, 0, 0)
    frames = samples = 0
    try:
        for frame in reader:
            if isinstance(frame, End):
                break
            frames, samples = frames + 1, samples + frame.samples
            if frame.place is not None:
                found = Kept(reader.header, frame.place, reader.offset, frames, samples)
    except SampleFileError:
        pass  # what was being written when it was killed
    return found
