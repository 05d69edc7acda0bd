"""Where the ground is not one plane, or mirrors: steps up and down across the track, puddles."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose, into_camera, to_level
from rearguard.lab.world.ground import FARTHEST_M, Ground
from rearguard.lab.world.path import Path
from rearguard.lab.world.things import STEPS, Thing
from rearguard.types import Image

_NEAREST_M = 0.4  # a step nearer than this is underfoot
_WIDE = 3.0  # of the distance: as far aside as any lens sees
_SHIFT = 4
_MIRRORS = 0.55  # of the light that falls on a puddle at this angle, about
_PUDDLE_SIDES = 24


def paint_step(
    level: Image, thing: Thing, ground: Ground, pose: Pose, path: Path, s_m: float, at: tuple[float, Pinhole],
    offset: tuple[int, int],
) -> None:  # fmt: skip
    """The ground beyond a step, higher or lower by the thing's height; `at` is how far ahead it is, and the lens.

    Only for straight paths: its edge is one line across the track.
    """
    ahead, lens = at
    if ahead < _NEAREST_M:
        return
    rise = STEPS[thing.kind] * thing.height_m
    beyond = level.copy()
    ground.paint(beyond, replace(pose, y_m=pose.y_m + rise), path, s_m, offset)
    edge_y = min(-rise, 0.0)
    corners = np.array(
        [
            [side * _WIDE * z, edge_y, z]
            for z, side in ((ahead, -1), (ahead, 1), (FARTHEST_M, 1), (FARTHEST_M, -1))
        ]
    )
    mask = _filled(level, corners, pose, lens, offset)[..., None]
    level[:] = (level * (1 - mask) + beyond * mask).astype(np.uint8)


def paint_puddle(
    level: Image, thing: Thing, pose: Pose, lens: Pinhole, at: tuple[float, float], offset: tuple[int, int]
) -> None:
    """Still water at local `at` (x, z): what stands behind it, upside down, over a darker ground."""
    x, z = at
    if z < 2 * _NEAREST_M + thing.height_m:
        return
    rng = np.random.default_rng([thing.look.seed, 0x9DD1])
    angle = np.linspace(0, 2 * math.pi, _PUDDLE_SIDES, endpoint=False)
    wavy = 1 + 0.15 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle + rng.uniform(0, 6))
    rim = np.stack(
        [
            x + 0.5 * thing.width_m * wavy * np.cos(angle),
            np.zeros_like(angle),
            z + 0.5 * thing.height_m * wavy * np.sin(angle),
        ],
        axis=1,
    )
    mask = _MIRRORS * _filled(level, rim, pose, lens, offset)
    rows = np.nonzero(mask.any(axis=1))[0]
    if not len(rows):
        return
    horizon = offset[1] + lens.cy - lens.focal_px * math.tan(pose.pitch_rad)
    mirrored = np.clip(np.round(2 * horizon - rows), 0, level.shape[0] - 1).astype(int)
    share = mask[rows][..., None]
    level[rows] = (level[rows] * 0.9 * (1 - share) + level[mirrored] * share).astype(np.uint8)


def _filled(level: Image, corners: Array, pose: Pose, lens: Pinhole, offset: tuple[int, int]) -> Array:
    """1 inside the outline of ground points (N, 3), 0 outside, soft at the edge."""
    seen = into_camera(corners, pose)
    mask = np.zeros(level.shape[:2], np.uint8)
    if (seen[:, 2] < 0.1).any():
        return mask.astype(np.float32)
    px = to_level(seen, lens) + np.array(offset, float)
    px = np.clip(px, -20_000, 20_000)
    cv2.fillPoly(mask, [np.round((px - 0.5) * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return mask.astype(np.float32) / 255
