"""Where a simulated camera draws a point of its world, worked out in the plainest way."""

from __future__ import annotations

import math

import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import NEAR_M, Pose, axes, into_camera, rolled, to_level


def project(points: Array, pose: Pose, lens: Pinhole) -> tuple[Array, Array]:
    """Pixels (N, 2) and depths (N,) in metres of world points (N, 3); NaN pixels for those behind the lens."""
    seen = into_camera(points, pose)
    with np.errstate(divide="ignore", invalid="ignore"):
        px = rolled(to_level(seen, lens), lens, pose.roll_rad)
    px[seen[:, 2] < NEAR_M] = np.nan
    return px, seen[:, 2]


def rotation(pose: Pose) -> Array:
    """World-to-camera rotation, roll included (rows: right, down, forward)."""
    s, c = math.sin(pose.roll_rad), math.cos(pose.roll_rad)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ axes(pose.yaw_rad, pose.pitch_rad)
