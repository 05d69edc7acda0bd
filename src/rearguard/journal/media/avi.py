"""A motion-JPEG AVI from JPEGs as they are: no decoding, no encoding, a file any player opens.

Layout after Microsoft's "AVI RIFF File Reference": RIFF AVI { LIST hdrl { avih, LIST strl { strh, strf } },
LIST movi { 00dc ... }, idx1 }.
"""

from __future__ import annotations

import struct

_HAS_INDEX = 0x10
_KEY_FRAME = 0x10


def mux(jpegs: list[bytes], fps: float, width_px: int, height_px: int) -> bytes:
    """The file's bytes: `jpegs` of one size, shown at `fps`. Raises ValueError without pictures."""
    if not jpegs or not 0 < fps <= 1000:
        raise ValueError("a clip needs pictures and a frame rate")
    biggest = max(map(len, jpegs))
    scale, rate = 1000, max(1, round(fps * 1000))
    main = struct.pack(
        "<14I",
        round(1e6 / fps), round(biggest * fps), 0, _HAS_INDEX, len(jpegs), 0, 1, biggest,
        width_px, height_px, 0, 0, 0, 0,
    )  # fmt: skip
    stream = b"vidsMJPG" + struct.pack(
        "<IHHIIIIIIIIhhhh",
        0, 0, 0, 0, scale, rate, 0, len(jpegs), biggest, 0xFFFFFFFF, 0, 0, 0, width_px, height_px,
    )  # fmt: skip
    bitmap = struct.pack(
        "<IiiHH4sIiiII", 40, width_px, height_px, 1, 24, b"MJPG", width_px * height_px * 3, 0, 0, 0, 0
    )
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", bitmap))
    header = _list(b"hdrl", _chunk(b"avih", main) + streams)
    chunks, index, at = [], [], 4
    for jpeg in jpegs:
        chunk = _chunk(b"00dc", jpeg)
        index.append(struct.pack("<4sIII", b"00dc", _KEY_FRAME, at, len(jpeg)))
        chunks.append(chunk)
        at += len(chunk)
    body = b"AVI " + header + _list(b"movi", b"".join(chunks)) + _chunk(b"idx1", b"".join(index))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + (b"\0" if len(data) % 2 else b"")


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
