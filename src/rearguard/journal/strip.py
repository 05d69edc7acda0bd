"""Small raw pictures for the terminal, readable with the standard library alone.

Reviewing over SSH must not load OpenCV only to show a thumbnail. A strip file holds a few frames of at most
`MAX_WIDTH_PX`: `RGS1`, u16 width, height and count, then per frame i32 milliseconds from the worst moment,
u32 length, and that many bytes of zlib-compressed RGB, which is also what the Kitty protocol takes as is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"RGS1"
MAX_WIDTH_PX = 320
_MAX_SIDE_PX = 1024
_MAX_FRAMES = 64
_HEAD = struct.Struct("<4sHHH")
_FRAME = struct.Struct("<iI")


@dataclass(frozen=True, slots=True)
class Thumb:
    """One small picture: RGB bytes, row by row, and its time from the worst moment."""

    width_px: int
    height_px: int
    offset_s: float
    rgb: bytes


def pack(thumbs: list[Thumb]) -> bytes:
    """Thumbs of one size as a strip file. Raises ValueError when sizes differ or there are none."""
    sizes = {(t.width_px, t.height_px, len(t.rgb)) for t in thumbs}
    if len(sizes) != 1 or len(thumbs) > _MAX_FRAMES:
        raise ValueError("a strip needs between 1 and 64 pictures of one size")
    width, height, length = sizes.pop()
    if length != width * height * 3 or not 0 < width <= _MAX_SIDE_PX or not 0 < height <= _MAX_SIDE_PX:
        raise ValueError("a strip's pictures are RGB, at most 1024 pixels a side")
    out = [_HEAD.pack(MAGIC, width, height, len(thumbs))]
    for thumb in thumbs:
        data = zlib.compress(thumb.rgb, 6)
        out += [_FRAME.pack(round(thumb.offset_s * 1000), len(data)), data]
    return b"".join(out)


def unpack(data: bytes) -> list[Thumb]:
    """The thumbs of a strip file; a damaged one gives those before the damage, possibly none."""
    if len(data) < _HEAD.size:
        return []
    magic, width, height, count = _HEAD.unpack_from(data)
    if (
        magic != MAGIC
        or not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX)
        or count > _MAX_FRAMES
    ):
        return []
    thumbs: list[Thumb] = []
    at, size = _HEAD.size, width * height * 3
    for _ in range(count):
        if at + _FRAME.size > len(data):
            break
        offset_ms, length = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        try:
            rgb = zlib.decompressobj().decompress(data[at : at + length], size + 1)
        except zlib.error:
            break
        at += length
        if len(rgb) != size:
            break
        thumbs.append(Thumb(width, height, offset_ms / 1000, rgb))
    return thumbs
