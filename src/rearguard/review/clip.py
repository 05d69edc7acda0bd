"""A clip's pictures, small enough for a terminal, decoded one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rearguard.journal.media.jpeg import from_jpeg
from rearguard.journal.media.snapshot import to_thumb
from rearguard.journal.media.thumbnails import SMALL_WIDTH_PX, Thumb

_CHUNK = b"00dc"
_MOST = 4000


def jpegs(avi: bytes) -> list[bytes]:
    """The JPEGs of a motion-JPEG AVI as `media.avi` writes it; what makes no sense ends the list."""
    at = avi.find(b"movi")
    found: list[bytes] = []
    at += 4
    while at >= 4 and at + 8 <= len(avi) and len(found) < _MOST:
        name, size = avi[at : at + 4], struct.unpack("<I", avi[at + 4 : at + 8])[0]
        if name != _CHUNK or at + 8 + size > len(avi):
            break
        found.append(avi[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return found


def fps(avi: bytes) -> float:
    """Pictures per second, from the main header; 10 where it says nothing sensible."""
    at = avi.find(b"avih")
    if at < 0 or at + 12 > len(avi):
        return 10.0
    micros = struct.unpack("<I", avi[at + 8 : at + 12])[0]
    return min(60.0, max(0.5, 1e6 / micros)) if micros else 10.0


def thumbs(avi: bytes, most_hz: float, width_px: int = SMALL_WIDTH_PX) -> Iterator[tuple[Thumb, float]]:
    """Pictures at most `width_px` wide with the seconds each is shown, at most `most_hz` a second; one that is no JPEG
    is passed over."""
    pictures, rate = jpegs(avi), fps(avi)
    step = max(1, round(rate / most_hz))
    for n in range(0, len(pictures), step):
        try:
            image = from_jpeg(pictures[n])
        except ValueError:
            continue
        yield to_thumb(image, n / rate, width_px), step / rate
