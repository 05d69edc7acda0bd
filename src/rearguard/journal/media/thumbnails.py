"""Small raw pictures for the terminal, readable with the standard library alone.

Reviewing over SSH must not load OpenCV only to show a thumbnail. A strip file holds the picture of the worst
moment, at most `MAX_WIDTH_PX` wide, and a few smaller ones around it: `RGS1`, u16 count, then per frame i32
milliseconds from the worst moment, u16 width, u16 height, u32 length, and that many bytes of zlib-compressed
RGB, which is also what the Kitty protocol takes as is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"RGS1"
MAX_WIDTH_PX = 320
SMALL_WIDTH_PX = 96
_MAX_SIDE_PX = 1024
_MAX_FRAMES = 64
_HEAD = struct.Struct("<4sH")
_FRAME = struct.Struct("<iHHI")


@dataclass(frozen=True, slots=True)
class Thumb:
    """One small picture: RGB bytes, row by row, and its time from the worst moment."""

    width_px: int
    height_px: int
    offset_s: float
    rgb: bytes


def pack(thumbs: list[Thumb]) -> bytes:
    """Thumbs as a strip file. Raises ValueError for more than 64, or one that is no RGB picture up to 1024 px."""
    if len(thumbs) > _MAX_FRAMES:
        raise ValueError(f"a strip holds at most {_MAX_FRAMES} pictures")
    out = [_HEAD.pack(MAGIC, len(thumbs))]
    for t in thumbs:
        if not _sane(t.width_px, t.height_px) or len(t.rgb) != t.width_px * t.height_px * 3:
            raise ValueError(f"a strip's pictures are RGB of at most {_MAX_SIDE_PX} pixels a side")
        data = zlib.compress(t.rgb, 6)
        out += [_FRAME.pack(round(t.offset_s * 1000), t.width_px, t.height_px, len(data)), data]
    return b"".join(out)


def unpack(data: bytes) -> list[Thumb]:
    """The thumbs of a strip file; a damaged one gives those before the damage, possibly none."""
    if len(data) < _HEAD.size:
        return []
    magic, count = _HEAD.unpack_from(data)
    if magic != MAGIC or count > _MAX_FRAMES:
        return []
    thumbs: list[Thumb] = []
    at = _HEAD.size
    for _ in range(count):
        if at + _FRAME.size > len(data):
            break
        offset_ms, width, height, length = _FRAME.unpack_from(data, at)
        if not _sane(width, height):
            break
        at += _FRAME.size
        size = width * height * 3
        try:
            rgb = zlib.decompressobj().decompress(data[at : at + length], size + 1)
        except zlib.error:
            break
        at += length
        if len(rgb) != size:
            break
        thumbs.append(Thumb(width, height, offset_ms / 1000, rgb))
    return thumbs


def key(thumbs: list[Thumb]) -> Thumb | None:
    """The picture of the worst moment, or None when there are no pictures."""
    return min(thumbs, key=lambda t: (abs(t.offset_s), -t.width_px), default=None)


def _sane(width: int, height: int) -> bool:
    return 0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX


def to_png(thumbs: list[Thumb], gap_px: int = 2) -> bytes:
    """Thumbs of one height side by side as a PNG; those of another height are left out. Raises ValueError for none."""
    if not thumbs:
        raise ValueError("no picture to write")
    high = thumbs[0].height_px
    row = [t for t in thumbs if t.height_px == high]
    wide = sum(t.width_px for t in row) + gap_px * (len(row) - 1)
    lines = bytearray()
    for y in range(high):
        parts = [t.rgb[3 * y * t.width_px : 3 * (y + 1) * t.width_px] for t in row]
        lines += b"\0" + (b"\xff" * (3 * gap_px)).join(parts)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
