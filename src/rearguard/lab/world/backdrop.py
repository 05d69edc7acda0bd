"""What is far away: sky, hills, houses and a tree line as a cylinder at infinity; single trees beside the track."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose, axes, into_camera, to_level
from rearguard.lab.world.paint import blend, dimmed, halvings
from rearguard.lab.world.path import Path
from rearguard.types import Image

PANORAMA_PX = 6144  # around the whole horizon
PER_RAD = PANORAMA_PX / (2 * math.pi)
LOWEST, HIGHEST = -0.12, 1.0  # tangents of elevation
ROWS_PX = math.ceil((HIGHEST - LOWEST) * PER_RAD)
HORIZON_PX = round(HIGHEST * PER_RAD)
_BLOCK_PX = 8
_TREE_SEEN_M = (3.0, 95.0)
_TREE_BESIDE_M = (8.5, 26.0)  # of the middle of the path


class Backdrop:
    """The panorama of one world."""

    def __init__(self, lens: Pinhole, seed: int, panorama: Image | None = None) -> None:
        """`panorama`, (`ROWS_PX`, `PANORAMA_PX`) BGR, instead of a drawn one."""
        self._lens = lens
        self._panorama = drawn_panorama(seed) if panorama is None else panorama

    def paint(
        self, picture: Image, pose: Pose, heading_rad: float, rows: int, offset: tuple[int, int]
    ) -> None:
        """Fill the topmost `rows` of the level picture, as the camera's yaw and pitch turn the panorama."""
        width = picture.shape[1]
        if rows <= 0:
            return
        right, down, ahead = axes(pose.yaw_rad + heading_rad, pose.pitch_rad)
        lens, o = self._lens, offset
        columns, lines = width // _BLOCK_PX + 3, rows // _BLOCK_PX + 3
        x = ((np.arange(columns) - 0.5) * _BLOCK_PX - o[0] - lens.cx) / lens.focal_px
        y = ((np.arange(lines) - 0.5) * _BLOCK_PX - o[1] - lens.cy) / lens.focal_px
        ray = x[None, :, None] * right + y[:, None, None] * down + ahead
        azimuth = np.unwrap(np.arctan2(ray[..., 0], ray[..., 2]), axis=1)
        azimuth += 2 * math.pi * np.round((azimuth[0, 0] - azimuth[:, :1]) / (2 * math.pi))
        tangent = np.clip(-ray[..., 1] / np.hypot(ray[..., 0], ray[..., 2]), LOWEST + 0.002, HIGHEST - 0.002)
        map_x = (azimuth * PER_RAD + PANORAMA_PX / 2 - 0.5).astype(np.float32)
        map_y = ((HIGHEST - tangent) * PER_RAD - 0.5).astype(np.float32)
        size = (columns * _BLOCK_PX, lines * _BLOCK_PX)
        crop = slice(_BLOCK_PX, _BLOCK_PX + rows), slice(_BLOCK_PX, _BLOCK_PX + width)
        x_px, y_px = (cv2.resize(m, size, interpolation=cv2.INTER_LINEAR)[crop] for m in (map_x, map_y))
        picture[:rows] = cv2.remap(self._panorama, x_px, y_px, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree beside the track: place, height, and which picture of one."""

    s_m: float
    n_m: float
    height_m: float
    sprite: int


class Trees:
    """Single trees and bushes beside the track, at finite distance, so that they pass by as the wearer runs."""

    def __init__(self, lens: Pinhole, seed: int, until_m: float, light: float = 1.0) -> None:
        self._lens = lens
        rng = np.random.default_rng([seed, 0x73EE])
        self._sprites = [
            tuple(dimmed(mip, light) for mip in halvings(_tree(np.random.default_rng([seed, k]), k)))
            for k in range(4)
        ]
        self._trees = []
        s = -20.0
        while s < until_m + _TREE_SEEN_M[1]:
            side = 1 if rng.random() < 0.5 else -1
            n, height = side * rng.uniform(*_TREE_BESIDE_M), rng.uniform(2.0, 9.0)
            self._trees.append(Tree(s, n, height, int(rng.integers(len(self._sprites)))))
            s += rng.uniform(3.0, 9.0)
        self._places = np.array([tree.s_m for tree in self._trees])

    def near(self, s_m: float, path: Path) -> list[tuple[float, Tree]]:
        """(distance, tree) of those in sight, in no order."""
        found = []
        first, last = np.searchsorted(self._places, (s_m - _TREE_SEEN_M[1], s_m + 1.5 * _TREE_SEEN_M[1]))
        for tree in self._trees[first:last]:
            if path.off_m(tree.n_m) < _TREE_BESIDE_M[0]:  # none stands on the other side of a tight bend
                continue
            x, z, _ = path.place(tree.s_m - s_m, tree.n_m)
            if z > 0 and _TREE_SEEN_M[0] < (d := math.hypot(x, z)) < _TREE_SEEN_M[1]:
                found.append((d, tree))
        return found

    def paint(
        self, picture: Image, tree: Tree, pose: Pose, path: Path, s_m: float, offset: tuple[int, int]
    ) -> None:
        """Paint one tree into the level picture."""
        x, z, _ = path.place(tree.s_m - s_m, tree.n_m)
        seen = into_camera(np.array([[x, 0.0, z], [x, -tree.height_m, z]]), pose)
        if seen[:, 2].min() < 1.0:
            return
        foot, top = to_level(seen, self._lens) + np.array(offset, float)
        tall = foot[1] - top[1]
        if tall < 3:
            return
        mips = self._sprites[tree.sprite]
        sprite = mips[int(np.clip(round(math.log2(max(mips[0].shape[0] / tall, 1.0))), 0, len(mips) - 1))]
        scale = tall / sprite.shape[0]
        left, high = foot[0] - 0.5 * sprite.shape[1] * scale, top[1]
        x0, y0 = max(0, math.floor(left)), max(0, math.floor(high))
        x1 = min(picture.shape[1], math.ceil(left + sprite.shape[1] * scale) + 1)
        y1 = min(picture.shape[0], math.ceil(foot[1]) + 1)
        if x0 >= x1 or y0 >= y1:
            return
        matrix = np.array(
            [[scale, 0, left - x0 + 0.5 * scale - 0.5], [0, scale, high - y0 + 0.5 * scale - 0.5]]
        )
        blend(picture, cv2.warpAffine(sprite, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), x0, y0)


@cache
def drawn_panorama(seed: int) -> Image:
    """Sky with clouds, hills, houses and a tree line all around; row 0 at tangent `HIGHEST`."""
    rng = np.random.default_rng([seed, 0x5C1])
    rows, horizon = ROWS_PX, HORIZON_PX
    up = np.clip(np.arange(horizon, horizon - rows, -1) / PER_RAD, 0, 1)[:, None, None] ** 0.6
    sky = (1 - up) * np.array([232.0, 224.0, 214.0]) + up * np.array([208.0, 160.0, 112.0])
    image = np.repeat(sky, PANORAMA_PX, axis=1).astype(np.float32)
    clouds = _round_noise(rng, rows)
    image += np.clip(clouds * 18, -4, 34)[..., None]
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    for ridge in ((0.055, 0.020, (176, 164, 140)), (0.030, 0.016, (138, 142, 112))):
        _ridge(canvas, rng, horizon, *ridge)
    for _ in range(46):
        _house(canvas, rng, horizon)
    _tree_line(canvas, rng, horizon)
    canvas[horizon:] = (96, 128, 112)
    grain = rng.normal(0, 5, (rows, PANORAMA_PX // 2)).astype(np.float32)
    canvas[horizon:] = np.clip(
        canvas[horizon:] + cv2.resize(grain, (PANORAMA_PX, rows))[horizon:, :, None], 0, 255
    )
    blurred: Image = cv2.GaussianBlur(canvas, (0, 0), 0.6)
    return blurred


def _round_noise(rng: np.random.Generator, rows: int) -> Array:
    total = np.zeros((rows, PANORAMA_PX), np.float32)
    for cells, gain in ((40, 1.0), (90, 0.6), (220, 0.3)):
        grid = rng.normal(0, gain, (max(2, cells // 3), cells)).astype(np.float32)
        grid = np.concatenate([grid, grid, grid], axis=1)
        wide = cv2.resize(grid, (PANORAMA_PX * 3, rows), interpolation=cv2.INTER_CUBIC)
        total += wide[:, PANORAMA_PX : 2 * PANORAMA_PX]
    return total


def _ridge(
    canvas: Image, rng: np.random.Generator, horizon: int, base: float, spread: float, colour: tuple[int, int, int]
) -> None:  # fmt: skip
    angle = np.arange(PANORAMA_PX) * (2 * math.pi / PANORAMA_PX)
    height = np.full(PANORAMA_PX, base)
    for k in (2, 3, 5, 9, 17, 40, 90):
        height += spread / math.sqrt(k) * rng.normal() * np.sin(k * angle + rng.uniform(0, 6.28))
    outline = np.stack([np.arange(PANORAMA_PX), horizon - np.maximum(height, 0.004) * PER_RAD], axis=1)
    polygon = np.concatenate([outline, [[PANORAMA_PX - 1, horizon + 2], [0, horizon + 2]]])
    cv2.fillPoly(canvas, [np.round(polygon).astype(np.int32)], colour)


def _house(canvas: Image, rng: np.random.Generator, horizon: int) -> None:
    wide, high = int(rng.uniform(35, 130)), int(rng.uniform(22, 75))
    left = int(rng.integers(PANORAMA_PX - wide))
    wall = np.array([rng.uniform(130, 205), rng.uniform(140, 205), rng.uniform(150, 215)])
    top = horizon - high
    cv2.rectangle(canvas, (left, top), (left + wide, horizon), wall.tolist(), -1)
    roof = np.array([[left - 3, top], [left + wide // 2, top - wide // 5], [left + wide + 3, top]])
    if rng.random() < 0.6:
        cv2.fillPoly(canvas, [roof], (wall * np.array([0.45, 0.5, 0.75])).tolist())
    pane = int(rng.uniform(5, 9))
    for y in range(top + pane, horizon - pane - 4, 2 * pane):
        for x in range(left + pane, left + wide - pane, 2 * pane):
            cv2.rectangle(
                canvas, (x, y), (x + pane - 2, y + pane), (wall * rng.uniform(0.35, 0.7)).tolist(), -1
            )


def _tree_line(canvas: Image, rng: np.random.Generator, horizon: int) -> None:
    for _ in range(2600):
        x = int(rng.integers(PANORAMA_PX))
        stand = 0.5 + 0.5 * math.sin(x / 190.0) * math.sin(x / 67.0 + 1)
        if rng.random() > 0.35 + 0.65 * stand:
            continue
        y = horizon - int(rng.uniform(-2, 12 + 34 * stand))
        green = rng.uniform(0.55, 1.15)
        colour = (52 * green, 98 * green, 72 * green)
        size = int(rng.uniform(3, 11)), int(rng.uniform(3, 9))
        cv2.ellipse(canvas, (x, y), size, 0, 0, 360, colour, -1, cv2.LINE_AA)


def _tree(rng: np.random.Generator, kind: int) -> Image:
    """A broadleaf tree, a conifer or a bush of 256x256 pixels, BGRA, foot at the bottom middle.

    Trunks are thin and half hidden: the detector takes a bare one for a person, which real trees seldom suffer.
    """
    image = np.zeros((256, 256, 4), np.uint8)
    if kind < 2:
        trunk = np.array([[125, 256], [131, 256], [130, 120], [126, 120]])
        cv2.fillPoly(image, [trunk], (58, 74, 88, 255))
    leaves = 700
    for k in range(leaves):
        x, y = _leaf(rng, kind)
        light = 0.5 + 0.35 * k / leaves + 0.3 * (1 - y / 220) + rng.uniform(-0.15, 0.15)
        colour = ((42, 104, 74), (44, 92, 60), (52, 86, 44), (48, 112, 88))[kind]
        size = int(rng.uniform(3, 10)), int(rng.uniform(2, 7))
        lit = tuple(c * light for c in colour)
        cv2.ellipse(image, (int(x), int(y)), size, rng.uniform(0, 180), 0, 360, (*lit, 255), -1, cv2.LINE_AA)
    return image


def _leaf(rng: np.random.Generator, kind: int) -> tuple[float, float]:
    """Where a clump of leaves sits: a round crown reaching far down, a cone, or a low heap."""
    radius, angle = math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    if kind == 2:
        y = 12 + 232 * math.sqrt(rng.random())
        return 128 + (y - 4) * 0.28 * rng.uniform(-1, 1), y
    if kind == 3:
        return 128 + 112 * radius * math.cos(angle), 200 + 52 * radius * math.sin(angle)
    return 128 + 92 * radius * math.cos(angle), 124 + 114 * radius * math.sin(angle)
