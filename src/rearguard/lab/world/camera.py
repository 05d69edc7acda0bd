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

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array

NEAR_M = 0.15


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


def to_level(in_camera: Array, lens: Pinhole) -> Array:
    """Level-picture pixels (N, 2) of points in camera axes; depths must be positive."""
    scale = lens.focal_px / in_camera[:, 2:3]
    px: Array = in_camera[:, :2] * scale + np.array([lens.cx, lens.cy])
    return px


def rolled(level_px: Array, lens: Pinhole, roll_rad: float) -> Array:
    """Where points of the level picture fall in the picture as taken."""
    s, c = math.sin(roll_rad), math.cos(roll_rad)
    x, y = level_px[:, 0] - lens.cx, level_px[:, 1] - lens.cy
    return np.stack([lens.cx + c * x + s * y, lens.cy - s * x + c * y], axis=1)


def rotations(poses: list[Pose], heading_rad: Array | None = None) -> Array:
    """World-to-camera rotations of many poses, (T, 3, 3); `heading_rad` (T,) turns the local frames."""
    yaw = np.array([p.yaw_rad for p in poses]) + (0.0 if heading_rad is None else heading_rad)
    pitch, roll = np.array([p.pitch_rad for p in poses]), np.array([p.roll_rad for p in poses])
    sy, cy, sp, cp = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
    s, c, zero = np.sin(roll), np.cos(roll), np.zeros_like(yaw)
    right, down, ahead = np.stack([[cy, zero, -sy], [-sy * sp, cp, -cy * sp], [sy * cp, sp, cy * cp]])
    turned: Array = np.stack([c * right + s * down, c * down - s * right, ahead])
    return turned.transpose(2, 0, 1)
