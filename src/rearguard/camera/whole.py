"""Is a file whole? Decoders deliver what they find of a cut file without a word, so its own lengths are read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO


def video_cut_short(path: Path) -> bool:
    """True when the container's own lengths (RIFF/AVI, ISO base media/MP4) say that the file's end is missing.

    False for other containers and for anything unreadable: those the decoder must judge.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF" and len(head) >= 8:
                return bool(struct.unpack("<I", head[4:8])[0] + 8 > size)
            if head[4:8] == b"ftyp":
                return _boxes_overrun(file, size)
    except (OSError, struct.error):
        pass
    return False


def _boxes_overrun(file: BinaryIO, size: int) -> bool:
    """Walk the top-level boxes of an ISO base media file; does one reach past the end of the file?"""
    at = 0
    for _ in range(10_000):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at != size and len(head) > 0
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:16])[0]
        if length == 0:  # "to the end of the file"
            return False
        if length < 8:
            return True
        at += length
        if at > size:
            return True
    return False


def picture_cut_short(data: bytes) -> bool:
    """True when a JPEG, PNG or binary PGM/PPM in memory lacks its end."""
    if data[:2] == b"\xff\xd8":
        return b"\xff\xd9" not in data[-4096:]
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in data[-64:]
    if data[:2] in (b"P5", b"P6"):
        return _netpbm_short(data)
    if data[:2] == b"BM" and len(data) >= 6:
        return bool(struct.unpack("<I", data[2:6])[0] > len(data))
    return False


def _netpbm_short(data: bytes) -> bool:
    fields: list[int] = []
    at = 2
    while len(fields) < 3:
        while data[at : at + 1].isspace():
            at += 1
        if data[at : at + 1] == b"#":
            end = data.find(b"\n", at)
            if end < 0:
                return True
            at = end + 1
            continue
        start = at
        while data[at : at + 1].isdigit():
            at += 1
        if start == at or at - start > 9:
            return True
        fields.append(int(data[start:at]))
    width, height, deepest = fields
    need = width * height * (3 if data[:2] == b"P6" else 1) * (2 if deepest > 255 else 1)
    return len(data) - (at + 1) < need
