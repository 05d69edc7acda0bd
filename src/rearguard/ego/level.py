"""Directions against the path and the horizon, and where they stand in the picture of a camera that swings.

A chest camera yaws by ten degrees at every stride, pitches and rolls: the same place in the picture is another
direction in every frame. Here a picture point becomes a level direction, and back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rearguard.ego.pinhole import Pinhole, Rows, axes_of
from rearguard.types import EgoState

_LEAST_DEPTH = 0.2  # of the range: what is further aside than 78 degrees has no place in a picture


class Direction(NamedTuple):
    """`bearing_rad` from the path, positive to picture-right; `down`, the tangent below the horizon."""

    bearing_rad: float
    down: float


def axes(ego: EgoState) -> Rows:
    """The camera's axes (right, down, forward), as rows, in level axes along the path."""
    return axes_of(ego.swing_rad, ego.pitch_rad, ego.roll_rad)


def direction(x_px: float, y_px: float, rows: Rows, lens: Pinhole) -> Direction:
    """The level direction of a picture point; `rows` are `axes`."""
    u, v = (x_px - lens.cx) / lens.focal_px, (y_px - lens.cy) / lens.focal_px
    x, y, z = (u * rows[0][i] + v * rows[1][i] + rows[2][i] for i in range(3))
    return Direction(math.atan2(x, z), y / max(math.hypot(x, z), 1e-3))


def pixel(there: Direction, rows: Rows, lens: Pinhole) -> tuple[float, float]:
    """The picture point of a level direction; of one behind the camera some point far aside."""
    x, y, z = math.sin(there.bearing_rad), there.down, math.cos(there.bearing_rad)
    u, v, depth = (r[0] * x + r[1] * y + r[2] * z for r in rows)
    depth = max(depth, _LEAST_DEPTH)
    return lens.cx + lens.focal_px * u / depth, lens.cy + lens.focal_px * v / depth


def depth_share(bearing_rad: float, rows: Rows) -> float:
    """Depth along the optical axis over range: the size of a thing in the picture goes with its inverse."""
    forward = rows[2]
    return max(forward[0] * math.sin(bearing_rad) + forward[2] * math.cos(bearing_rad), _LEAST_DEPTH)
