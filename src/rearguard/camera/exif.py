"""What a picture's EXIF says of how it was taken: which way is up, the focal length, and when. JPEG and PNG.

Read here and not by the picture decoder, so that a picture is the same with every release of it.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime

ORIENTATION, FILM_MM, SUB_IFD = 0x0112, 0xA405, 0x8769
_TAKEN, _TAKEN_FRACTION = 0x9003, 0x9291  # DateTimeOriginal, SubSecTimeOriginal
_MAX_TAGS = 512


def exif(data: bytes) -> dict[int, int]:
    """The whole-number tags of the first directory and its EXIF directory; empty where there are none."""
    return {tag: value for tag, value in _tags(data).items() if isinstance(value, int)}


def taken_s(data: bytes) -> float | None:
    """When the picture was taken, in seconds since 1970 on the camera's own clock; None where it does not say."""
    tags = _tags(data)
    day, fraction = tags.get(_TAKEN), tags.get(_TAKEN_FRACTION)
    if not isinstance(day, bytes):
        return None
    try:
        when = datetime.strptime(day.rstrip(b"\0 ").decode("ascii"), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    part = re.match(rb"\d{1,9}", fraction) if isinstance(fraction, bytes) else None
    return when.timestamp() + (int(part[0]) / 10 ** len(part[0]) if part else 0.0)


def _tags(data: bytes) -> dict[int, int | bytes]:
    try:
        block = _of_png(data) if data[:4] == b"\x89PNG" else _of_jpeg(data)
        return _tiff(block) if block else {}
    except struct.error:
        return {}


def _of_png(data: bytes) -> bytes:
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] not in (b"eXIf", b"IDAT"):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    length = int.from_bytes(data[at : at + 4], "big")
    return data[at + 8 : at + 8 + length] if data[at + 4 : at + 8] == b"eXIf" else b""


def _of_jpeg(data: bytes) -> bytes:
    at = 2
    while data[:2] == b"\xff\xd8" and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA or length < 2:
            break
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 10 : at + 2 + length]
        at += 2 + length
    return b""


def _tiff(data: bytes) -> dict[int, int | bytes]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return {}
    found: dict[int, int | bytes] = {}
    directory: int = struct.unpack_from(f"{order}I", data, 4)[0]
    for _ in range(2):
        (count,) = struct.unpack_from(f"{order}H", data, directory)
        for i in range(min(count, _MAX_TAGS)):
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, directory + 2 + 12 * i)
            at = directory + 10 + 12 * i
            if number == 1 and kind in (3, 4):
                found[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, at)[0]
            elif (
                kind == 2 and tag in (_TAKEN, _TAKEN_FRACTION) and number <= 40
            ):  # text; short ones lie in the entry
                at = at if number <= 4 else struct.unpack_from(f"{order}I", data, at)[0]
                found[tag] = data[at : at + number]
        below = found.pop(SUB_IFD, None)
        if not isinstance(below, int):
            break
        directory = below
    return found
