"""How the camera sits: where the horizon and the corridor must appear, and what people in the picture tell of it.

Signs as everywhere: pitch is positive when the lens looks down, roll positive when the pod is turned clockwise
as seen in the picture, so that the horizon then leans the other way.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from rearguard.config import Config
from rearguard.config.sense import problems
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.output import output
from rearguard.types import Box, Detection

_EDGE_PX = 3.0
_NEAREST_M, _FARTHEST_M = 1.2, 60.0
_STEEPEST_DEG = 45.0
MARKS_M = (5.0, 10.0)


def horizon(
    lens: Pinhole, pitch_deg: float, roll_deg: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The horizon's end points at the picture's left and right edge, pixels."""
    middle = lens.horizon_px(math.radians(pitch_deg))
    rise = 0.5 * lens.width_px * math.tan(math.radians(roll_deg))
    return (0.0, middle + rise), (float(lens.width_px), middle - rise)


def ground_point(
    lens: Pinhole, height_m: float, pitch_deg: float, ahead_m: float, aside_m: float
) -> tuple[float, float]:
    """Where a point on flat ground appears, `ahead_m` along the way and `aside_m` to picture-right, pixels."""
    p = math.radians(pitch_deg)
    down = height_m * math.cos(p) - ahead_m * math.sin(p)
    along = max(1e-6, height_m * math.sin(p) + ahead_m * math.cos(p))
    return (
        lens.cx + lens.focal_px * aside_m / along,
        lens.cy + lens.focal_px * down / along,
    )


def pitch_of_person(lens: Pinhole, box: Box, camera_height_m: float, person_height_m: float) -> float | None:
    """The lens's pitch in degrees that makes sense of one upright person on flat ground; None if none does.

    Feet and head are seen `atan(c/Z)` and `atan((c−h)/Z)` below the horizon (camera height c, person height
    h, distance Z). Their difference gives Z, and the feet's row then the pitch. A box cut by the picture's
    edge tells nothing.
    """
    if box.y0 <= _EDGE_PX or box.y1 >= lens.height_px - _EDGE_PX or box.height <= 1:
        return None
    feet = math.atan2(box.y1 - lens.cy, lens.focal_px)
    head = math.atan2(box.y0 - lens.cy, lens.focal_px)

    def spread(z_m: float) -> float:
        return math.atan2(camera_height_m, z_m) - math.atan2(camera_height_m - person_height_m, z_m)

    near, far = _NEAREST_M, _FARTHEST_M
    if not spread(far) <= feet - head <= spread(near):
        return None
    for _ in range(50):
        middle = 0.5 * (near + far)
        near, far = (middle, far) if spread(middle) > feet - head else (near, middle)
    pitch_deg = math.degrees(math.atan2(camera_height_m, near) - feet)
    return pitch_deg if abs(pitch_deg) <= _STEEPEST_DEG else None


def pitch_of_people(
    lens: Pinhole, detections: Iterable[Detection], camera_height_m: float, person_height_m: float
) -> list[float]:
    """One pitch for each whole person seen, degrees."""
    people = (d.box for d in detections if d.label == "person")
    found = (pitch_of_person(lens, box, camera_height_m, person_height_m) for box in people)
    return [pitch for pitch in found if pitch is not None]


class Estimate:
    """The pitch that many sightings agree on: their median, and how far half of them lie from it."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def add(self, pitches_deg: Sequence[float]) -> None:
        """Take in one frame's sightings; the last 200 count."""
        self._seen = [*self._seen, *pitches_deg][-200:]

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def pitch_deg(self) -> float | None:
        """None until 10 sightings."""
        return median(self._seen) if len(self._seen) >= 10 else None

    @property
    def spread_deg(self) -> float:
        """Median distance of the sightings from their median."""
        middle = median(self._seen) if self._seen else 0.0
        return median(abs(pitch - middle) for pitch in self._seen) if self._seen else 0.0


def advice(pitch_deg: float, roll_deg: float, lens: Pinhole) -> str:
    """What to do with the pod, in one line; empty when it sits well."""
    if abs(roll_deg) > 3:
        way = "anticlockwise" if roll_deg > 0 else "clockwise"
        return f"turn the pod {way} by {abs(roll_deg):.0f}°, seen from behind it"
    row = horizon(lens, pitch_deg, 0)[0][1] / lens.height_px
    if row > 2 / 3:
        return "the lens looks up: put a wedge under the pod's upper edge until the horizon is in the middle third"
    if row < 1 / 3:
        return "the lens looks down: put a wedge under the pod's lower edge until the horizon is in the middle third"
    return ""


def store(path: Path, values: Mapping[str, float | str], table: str = "camera") -> None:
    """Write settings of a table into a configuration file, every other line as it is; whole or not at all. A number is
    written to a tenth, a text as TOML has it.

    Raises `BadInput` when the file cannot be read or written, or would not be valid, or not protect, afterwards.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        changed = with_settings(text, table, values)
        config = msgspec.convert(tomllib.loads(changed), Config)
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}; try sudo, or --config FILE") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as e:
        raise BadInput(f"{path}: left as it is, not a valid configuration: {e}") from e
    for problem in problems(config):
        raise BadInput(f"{path}: left as it is: {problem}")
    with output(path, make_folder=True) as file:
        file.write(changed.encode())


def with_settings(text: str, table: str, values: Mapping[str, float | str]) -> str:
    """`text` (TOML) with these keys of a table set; comments and order stay."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(rf"\s*\[\s*{table}\s*\]", line)), None)
    if start is None:
        lines += [*([""] if lines else []), f"[{table}]"]
        start = len(lines) - 1
    end = next((i for i in range(start + 1, len(lines)) if re.match(r"\s*\[", lines[i])), len(lines))
    for key, value in values.items():
        new = f"{key} = {value}" if isinstance(value, str) else f"{key} = {value:.1f}"
        at = next((i for i in range(start + 1, end) if re.match(rf"\s*{key}\s*=", lines[i])), None)
        if at is not None:
            comment = re.search(r"\s+#.*$", lines[at])
            lines[at] = new + (comment[0] if comment else "")
        else:
            lines.insert(start + 1, new)
            end += 1
    return "\n".join(lines) + "\n"
