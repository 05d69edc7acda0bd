"""The bytes of a trace: a file is a head and then blocks of frames, each checked by itself.

A block stands on the card before the next one begins, and holds at most `BLOCK_S` of frames, so that a pulled plug
costs no more than that. A file is only ever appended to; what was fetched halfway goes on where it stopped.

    RGT1 kind length crc32 body      kind H: JSON head · kind F: number of frames, then their columns, LZMA
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO

import msgspec

from rearguard.journal.trace.columns import Damaged, Shape, decode, encode, shape_of
from rearguard.types import Level, Observation, Side, Verdict

FORMAT = 1
BLOCK_S = 1.6  # and the rest of two seconds to write it

_MAGIC = b"RGT1"
_HEAD = struct.Struct("<4scII")
_COUNT = struct.Struct("<I")
_MAX_BODY = 4 << 20
_MAX_PLAIN = 64 << 20
_MAX_FRAMES = 4096
# The literals are bytes of numbers: neither what came before them nor where they stand says anything of them.
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 16, "lc": 0, "lp": 0, "pb": 0}]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The outing, as far as its frames need it to be judged again; `config` is JSON, `shape` that of a frame."""

    rearguard_trace: int = FORMAT
    outing_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    device: Annotated[str, msgspec.Meta(max_length=200)]
    source: Annotated[str, msgspec.Meta(max_length=4096)]
    origin_ns: int
    wall_s: float
    version: Annotated[str, msgspec.Meta(max_length=100)]
    model: Annotated[str, msgspec.Meta(max_length=200)]
    model_digest: Annotated[str, msgspec.Meta(max_length=100)]
    config: Annotated[str, msgspec.Meta(max_length=1 << 20)]
    width_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    height_px: Annotated[int, msgspec.Meta(ge=16, le=8192)]
    hfov_deg: Annotated[float, msgspec.Meta(ge=5, le=175)]
    shape: dict[str, Any] = msgspec.field(default_factory=lambda: shape_of(TraceFrame))


class TraceFrame(msgspec.Struct, frozen=True):
    """One frame: what the rules were told, how old it was then, and what they said.

    `track`, `label` and `ttc_s` are of the worst threat. `check` is a checksum of the whole verdict, so that a later
    judgement can be told from this one to the last bit.
    """

    seen: Observation
    age_s: float
    level: Level
    side: Side
    track: int | None
    label: str | None
    ttc_s: float | None
    check: int

    @classmethod
    def of(cls, seen: Observation, age_s: float, verdict: Verdict) -> TraceFrame:
        """A frame that was judged."""
        worst = verdict.worst
        return cls(
            seen,
            age_s,
            verdict.level,
            verdict.side,
            worst.track if worst else None,
            worst.label if worst else None,
            worst.ttc_s if worst else None,
            check(verdict),
        )


def check(verdict: Verdict) -> int:
    """The checksum of a verdict."""
    return zlib.crc32(msgspec.msgpack.encode(verdict))


def head_block(head: Head) -> bytes:
    """The first block of a file."""
    return _block(b"H", msgspec.json.encode(head))


def frame_block(shape: Shape, frames: list[TraceFrame], rest: Callable[[], None] = lambda: None) -> bytes:
    """A block of frames; `rest` is called now and then, for a writer that must not hold up others."""
    packed = lzma.compress(encode(shape, frames, rest), format=lzma.FORMAT_RAW, filters=_LZMA)
    return _block(b"F", _COUNT.pack(len(frames)) + packed)


def _block(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, kind, len(body), zlib.crc32(body)) + body


@dataclass
class Read:
    """What reading a file came to: its head, and whether it ends in something that is no block."""

    head: Head | None = None
    damaged: bool = False
    cut: bool = False
    why: str = field(default="", repr=False)


def read(file: BinaryIO, told: Read) -> Iterator[list[TraceFrame]]:
    """The frames of a file, a block at a time, as far as they are whole; `told` learns the rest.

    A block that a pulled plug cut is no damage, as it is always the last one.
    """
    while (start := file.read(_HEAD.size)) != b"":
        if len(start) < _HEAD.size:
            told.cut = True
            return
        magic, kind, length, crc = _HEAD.unpack(start)
        if magic != _MAGIC or length > _MAX_BODY or kind not in b"HF":
            told.damaged, told.why = True, "not a trace"
            return
        body = file.read(length)
        if len(body) < length:
            told.cut = True
            return
        try:
            if zlib.crc32(body) != crc:
                raise Damaged("its checksum is another")
            if told.head is None:
                told.head = _head(kind, body)
            else:
                yield _frames(told.head.shape, kind, body)
        except Damaged as e:
            told.damaged, told.why = True, str(e)
            return


def _head(kind: bytes, body: bytes) -> Head:
    if kind != b"H":
        raise Damaged("it has no head")
    try:
        head = msgspec.json.decode(body, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Damaged(f"its head makes no sense: {e}") from e
    if head.rearguard_trace != FORMAT:
        raise Damaged(f"written by rearguard {head.version} in a format this one does not know")
    return head


def _frames(shape: Shape, kind: bytes, body: bytes) -> list[TraceFrame]:
    if kind != b"F" or len(body) < _COUNT.size:
        raise Damaged("a second head")
    (count,) = _COUNT.unpack_from(body)
    if count > _MAX_FRAMES:
        raise Damaged("more frames than a block has")
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_LZMA)
    try:
        plain = unpacker.decompress(body[_COUNT.size :], _MAX_PLAIN)
    except (lzma.LZMAError, EOFError) as e:
        raise Damaged(f"cannot be unpacked: {e}") from e
    return decode(shape, plain, count, TraceFrame)
