"""How wide a recording sees: what was asked for, else what the file itself says, else what is assumed.

Phones write the focal length that would give the same view on 35 mm film (EXIF tag 0xA405; in QuickTime files the
key ending in `focal_length.35mm_equivalent`), GoPros the angle from corner to corner (GPMF key ZFOV).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rearguard.camera.lens import PRESETS, fisheye_radius

_FILM_DIAGONAL_MM = math.hypot(36, 24)  # CIPA DCG-001: the equivalent focal length goes by the diagonal
_NARROWEST_DEG, _WIDEST_DEG = 20.0, 140.0  # as camera.hfov_deg
_MAX_GPMF_BYTES = 1 << 20
_MAX_BOXES = 10_000


@dataclass(frozen=True, slots=True)
class View:
    """How a recording is to be looked at: the lens's angle along the long side of its picture in degrees, whether
    that was asked for (then it goes before what the file says), and by how much to turn the picture."""

    lens_deg: float
    asked: bool = False
    rotation_deg: int = 0


def field_of_view(
    path: Path, size: tuple[int, int], view: View, tags: Mapping[str, str]
) -> tuple[float, tuple[str, ...]]:
    """The horizontal field of view of the upright picture in degrees, and in words what was assumed.

    `size`: width and height of the upright picture; `tags`: what the file says of itself.
    """
    width, height = size
    long_deg, told = view.lens_deg, f"the lens sees {view.lens_deg:g}° along the long side, as --hfov says"
    if not view.asked:
        found, who = _of_file(path, size, tags)
        if found is not None:
            long_deg, told = found, f"the lens sees {found:.0f}° along the long side, by {who}"
        else:
            told = (
                f"the lens is assumed to see {long_deg:g}° along the long side (camera.hfov_deg); the file does not "
                "say, --hfov can"
            )
    turned = f"the picture is turned by camera.rotation_deg = {view.rotation_deg}"
    return across(long_deg, width, height), (told, turned) if view.rotation_deg else (told,)


def across(long_side_deg: float, width: int, height: int) -> float:
    """Horizontal field of view of a picture whose long side sees `long_side_deg`; pinhole model, degrees."""
    if width >= height:
        return long_side_deg
    return math.degrees(2 * math.atan(math.tan(math.radians(long_side_deg) / 2) * width / height))


def _of_file(path: Path, size: tuple[int, int], tags: Mapping[str, str]) -> tuple[float | None, str]:
    """Degrees along the long side, and who says so."""
    share = max(size) / math.hypot(*size)  # of the diagonal
    for key, value in tags.items():
        if key.lower().endswith(("focal_length.35mm_equivalent", "focallengthin35mmfilm")):
            film_mm = _number(value)
            if film_mm and film_mm > 0:
                angle = math.degrees(2 * math.atan(share * _FILM_DIAGONAL_MM / 2 / film_mm))
                if _NARROWEST_DEG <= angle <= _WIDEST_DEG:
                    return angle, f"the file's focal length ({film_mm:g} mm on film)"
    gopro = gopro_view(path)
    if gopro is not None:
        diagonal, linear = gopro
        if linear:
            angle = math.degrees(2 * math.atan(share * math.tan(math.radians(diagonal) / 2)))
            also = ""
        else:
            # Its lens bends lines. Of all pinholes the one that draws alike around the axis is taken: things in the
            # runner's path lie there. Its angle is less than the lens's own.
            radius = fisheye_radius(math.radians(diagonal) / 2, PRESETS["gopro-wide"].distortion)
            angle = math.degrees(2 * math.atan(share * radius))
            also = ", as far as a pinhole can draw what such a lens does; --lens gopro-wide straightens it"
        if _NARROWEST_DEG <= angle <= _WIDEST_DEG:
            return angle, f"the GoPro's own data ({diagonal:.0f}° from corner to corner){also}"
    return None, ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def gopro_view(path: Path) -> tuple[float, bool] | None:
    """The diagonal angle, degrees, in the `moov/udta/GPMF` box of a GoPro's MP4, and whether lines stay straight in it.

    None for any other file.
    """
    try:
        with path.open("rb") as file:
            if file.read(12)[4:8] != b"ftyp":
                return None
            size = path.stat().st_size
            for start, end in _boxes(file, 0, size, b"moov"):
                for ustart, uend in _boxes(file, start, end, b"udta"):
                    for gstart, gend in _boxes(file, ustart, uend, b"GPMF"):
                        file.seek(gstart)
                        return _gpmf_view(file.read(min(gend - gstart, _MAX_GPMF_BYTES)))
    except (OSError, struct.error):
        pass
    return None


def _boxes(file: BinaryIO, start: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of each box of a kind begin and end."""
    at = start
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        length, content = struct.unpack(">I", head[:4])[0], 8
        if length == 1 and len(head) == 16:
            length, content = struct.unpack(">Q", head[8:16])[0], 16
        elif length == 0:
            length = end - at
        if length < content:
            return
        if head[4:8] == kind:
            yield at + content, min(end, at + length)
        at += length


def _gpmf_view(data: bytes) -> tuple[float, bool] | None:
    """ZFOV and VFOV in GPMF: four letters, type, size, count, then the values padded to four bytes.

    VFOV is a letter or more for the field of view that was chosen; L and what begins with it are the linear ones.
    """
    at, diagonal, chosen = 0, None, b""
    while at + 8 <= len(data):
        key, kind, size, count = struct.unpack(">4sBBH", data[at : at + 8])
        at += 8
        if kind == 0:  # a container: its contents follow
            continue
        if key == b"ZFOV" and kind == ord("f") and size == 4 and count >= 1 and at + 4 <= len(data):
            diagonal = struct.unpack(">f", data[at : at + 4])[0]
        elif key == b"VFOV" and kind == ord("c"):
            chosen = data[at : at + size * count]
        at += -(-size * count // 4) * 4
    if diagonal is None or not (math.isfinite(diagonal) and 0 < diagonal < 180):
        return None
    return diagonal, chosen.startswith(b"L")
