"""The pinhole camera: pixels, rays and what a small turn of the camera does to them.

Camera axes: x to picture-right, y down, z into the scene. Angles in radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rearguard.types import Box, EgoMotion

Array = NDArray[np.float64]
Rows = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Pinhole:
    """An ideal lens: picture size and focal length in pixels, principal point in the middle."""

    width_px: int
    height_px: int
    focal_px: float

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, hfov_deg: float) -> Pinhole:
        return cls(width_px, height_px, 0.5 * width_px / math.tan(math.radians(hfov_deg) / 2))

    @property
    def cx(self) -> float:
        """The column of the picture's middle, pixels."""
        return 0.5 * self.width_px

    @property
    def cy(self) -> float:
        """Its row."""
        return 0.5 * self.height_px

    def horizon_px(self, pitch_rad: float) -> float:
        """The row of the horizon in the middle of the picture of a camera that points so far down, up to a radian."""
        return self.cy - self.focal_px * math.tan(min(max(pitch_rad, -1.0), 1.0))

    def rays(self, points_px: Array) -> Array:
        """Rays (n, 3) with z = 1 through picture points (n, 2)."""
        rays = np.ones((len(points_px), 3))
        rays[:, 0] = (points_px[:, 0] - self.cx) / self.focal_px
        rays[:, 1] = (points_px[:, 1] - self.cy) / self.focal_px
        return rays

    def pixels(self, rays: Array) -> Array:
        """Picture points (n, 2) of rays (n, 3) in front of the camera."""
        z = np.maximum(rays[:, 2], 1e-6)
        out = np.empty((len(rays), 2))
        out[:, 0] = rays[:, 0] / z * self.focal_px + self.cx
        out[:, 1] = rays[:, 1] / z * self.focal_px + self.cy
        return out


def turn(ego: EgoMotion) -> Array:
    """The matrix (3, 3) that takes a far point's ray before the camera turned to its ray afterwards."""
    return np.array(turn_rows(ego))


def turn_rows(ego: EgoMotion) -> Rows:
    """The same as plain numbers."""
    # Turning right is a rotation about +y (z towards x), turning down about -x, rolling clockwise about +z;
    # the scene moves the other way, hence the transpose (Rodrigues' formula, written out: it runs for every
    # track in every frame).
    angle = math.sqrt(ego.pitch_rad**2 + ego.yaw_rad**2 + ego.roll_rad**2)
    if angle < 1e-12:
        return (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    x, y, z = -ego.pitch_rad / angle, ego.yaw_rad / angle, ego.roll_rad / angle
    s, c = math.sin(angle), math.cos(angle)
    v = 1 - c
    return (
        (c + x * x * v, x * y * v + z * s, x * z * v - y * s),
        (x * y * v - z * s, c + y * y * v, y * z * v + x * s),
        (x * z * v + y * s, y * z * v - x * s, c + z * z * v),
    )


def axes_of(yaw: float, pitch: float, roll: float) -> Rows:
    """The axes (right, down, forward), as rows, of a camera turned to the right, then down, then clockwise."""
    sy, cy, sp, cp = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
    s, c = math.sin(roll), math.cos(roll)
    right, down = (cy, 0.0, -sy), (-sy * sp, cp, -cy * sp)
    return (
        (c * right[0] + s * down[0], s * down[1], c * right[2] + s * down[2]),
        (c * down[0] - s * right[0], c * down[1], c * down[2] - s * right[2]),
        (sy * cp, sp, cy * cp),
    )


def moved(box: Box, ego: EgoMotion, lens: Pinhole) -> Box:
    """Where a box stands after the camera turned: its centre follows the turn, its size stays."""
    if ego.quality <= 0 and not ego.felt:
        return box
    u, v = (box.cx - lens.cx) / lens.focal_px, (box.cy - lens.cy) / lens.focal_px
    rows = turn_rows(ego)
    x, y, z = (r[0] * u + r[1] * v + r[2] for r in rows)
    z = max(z, 1e-6)
    dx, dy = (x / z - u) * lens.focal_px, (y / z - v) * lens.focal_px
    return Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)
