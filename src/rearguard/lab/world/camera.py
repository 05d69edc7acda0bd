"""The pinhole camera of a simulated world: where a point of the world falls in the picture.

Axes of world and camera: x right, y down, z forward. Angles in radians as in `types.EgoMotion`: yaw positive
to picture-right, pitch positive down, roll positive clockwise as seen in the picture's own frame.
The *level picture* is the one the camera would take without its roll; roll then turns it about the
principal point, which is exact for a pinhole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rearguard.lab.array import Array
from rearguard.types import EgoMotion

NEAR_M = 0.15


@dataclass(frozen=True, slots=True)
class Lens:
    """Picture size and focal length, square pixels, principal point in the middle."""

    width_px: int
    height_px: int
    focal_px: float

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, hfov_deg: float) -> Lens:
        return cls(width_px, height_px, 0.5 * width_px / math.tan(math.radians(hfov_deg) / 2))

    @property
    def cx(self) -> float:
        return self.width_px / 2

    @property
    def cy(self) -> float:
        return self.height_px / 2


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the lens is (local metres, y down) and how it is turned (radians)."""

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0


def axes(yaw_rad: float, pitch_rad: float) -> Array:
    """Rows: the level camera's right, down and forward in the world."""
    sy, cy, sp, cp = math.sin(yaw_rad), math.cos(yaw_rad), math.sin(pitch_rad), math.cos(pitch_rad)
    return np.array([[cy, 0.0, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])


def into_camera(points: Array, pose: Pose) -> Array:
    """World points (N, 3) in the level camera's axes (right, down, depth)."""
    seen: Array = (points - np.array([pose.x_m, pose.y_m, pose.z_m])) @ axes(pose.yaw_rad, pose.pitch_rad).T
    return seen


def to_level(in_camera: Array, lens: Lens) -> Array:
    """Level-picture pixels (N, 2) of points in camera axes; depths must be positive."""
    scale = lens.focal_px / in_camera[:, 2:3]
    px: Array = in_camera[:, :2] * scale + np.array([lens.cx, lens.cy])
    return px


def rolled(level_px: Array, lens: Lens, roll_rad: float) -> Array:
    """Where points of the level picture fall in the picture as taken."""
    s, c = math.sin(roll_rad), math.cos(roll_rad)
    x, y = level_px[:, 0] - lens.cx, level_px[:, 1] - lens.cy
    return np.stack([lens.cx + c * x + s * y, lens.cy - s * x + c * y], axis=1)


def project(points: Array, pose: Pose, lens: Lens) -> tuple[Array, Array]:
    """Pixels (N, 2) and depths (N,) in metres of world points (N, 3); NaN pixels for those behind the lens."""
    seen = into_camera(points, pose)
    with np.errstate(divide="ignore", invalid="ignore"):
        px = rolled(to_level(seen, lens), lens, pose.roll_rad)
    px[seen[:, 2] < NEAR_M] = np.nan
    return px, seen[:, 2]


def rotation(pose: Pose) -> Array:
    """World-to-camera rotation, roll included (rows: right, down, forward)."""
    s, c = math.sin(pose.roll_rad), math.cos(pose.roll_rad)
    result: Array = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ axes(
        pose.yaw_rad, pose.pitch_rad
    )
    return result


def rotations(poses: list[Pose], heading_rad: Array | None = None) -> Array:
    """World-to-camera rotations of many poses, (T, 3, 3); `heading_rad` (T,) turns the local frames."""
    yaw = np.array([p.yaw_rad for p in poses]) + (0.0 if heading_rad is None else heading_rad)
    pitch, roll = np.array([p.pitch_rad for p in poses]), np.array([p.roll_rad for p in poses])
    sy, cy, sp, cp = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
    s, c, zero = np.sin(roll), np.cos(roll), np.zeros_like(yaw)
    right, down, ahead = np.stack([[cy, zero, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])
    turned: Array = np.stack([c * right + s * down, c * down - s * right, ahead])
    return turned.transpose(2, 0, 1)


def ego_motion(
    before: Pose, now: Pose, *, heading_change_rad: float = 0.0, quality: float = 1.0
) -> EgoMotion:
    """How the camera turned between two poses, as the background's flow would tell it.

    `heading_change_rad` is by how much the track itself, and so the local frame, turned meanwhile.
    """
    was = rotation(before)
    turned = rotation(Pose(0, 0, 0, now.yaw_rad + heading_change_rad, now.pitch_rad, now.roll_rad))
    step = was @ turned.T  # columns: the new right, down and forward in the old camera's axes
    return EgoMotion(
        yaw_rad=math.atan2(step[0, 2], step[2, 2]),
        pitch_rad=math.atan2(step[1, 2], math.hypot(step[0, 2], step[2, 2])),
        roll_rad=math.atan2(step[1, 0], step[1, 1]),
        quality=quality,
    )
