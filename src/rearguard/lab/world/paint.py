"""Painting meshes, panels and sprites into a picture, sub-pixel and anti-aliased."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import NEAR_M, Pose, into_camera, to_level
from rearguard.lab.world.mesh import Light, Mesh
from rearguard.types import Image

_SHIFT = 4
HAZE = (226.0, 216.0, 206.0)
_FINE_PX = 360  # a silhouette smaller than this is painted at twice, or four times, its size and then shrunk


def blend(picture: Image, sprite: Image, x: int, y: int) -> None:
    """Lay a premultiplied BGRA sprite over the picture, its top left corner at (x, y), clipped."""
    height, width = picture.shape[:2]
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + sprite.shape[1]), min(height, y + sprite.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = sprite[y0 - y : y1 - y, x0 - x : x1 - x]
    clear = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(part, 3)), cv2.COLOR_GRAY2BGR)
    faded = cv2.multiply(picture[y0:y1, x0:x1], clear, scale=1 / 255)
    picture[y0:y1, x0:x1] = cv2.add(faded, cv2.cvtColor(part, cv2.COLOR_BGRA2BGR))


@dataclass(frozen=True, slots=True)
class Cloth:
    """A noise tile that gives painted solids folds and grain; one for a whole world."""

    tile: Image

    @classmethod
    def of(cls, seed: int) -> Cloth:
        rng = np.random.default_rng([seed, 0xC107])
        tile = np.zeros((256, 256), np.float32)
        for cells, gain in ((12, 11.0), (28, 9.0), (90, 6.0)):
            coarse = rng.normal(0, 1, (cells, int(cells * 1.6))).astype(np.float32)
            tile += gain * cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
        return cls(np.clip(128 + tile, 60, 200).astype(np.uint8))

    def over(self, sprite: Image) -> None:
        """Modulate a premultiplied sprite in place."""
        size = (sprite.shape[1], sprite.shape[0])
        grain = cv2.resize(self.tile, size, interpolation=cv2.INTER_CUBIC)
        cv2.multiply(
            sprite, cv2.merge([grain, grain, grain, np.full_like(grain, 128)]), dst=sprite, scale=1 / 128
        )


def mesh_pixels(mesh: Mesh, pose: Pose, lens: Pinhole) -> Array | None:
    """Level-picture corners (N, 4, 2) and depths of the quads before the lens, as (N, 4, 3); None when none is."""
    seen = into_camera(mesh.quads.reshape(-1, 3), pose).reshape(-1, 4, 3)
    seen = seen[(seen[:, :, 2] > NEAR_M).all(axis=1)]
    if not len(seen):
        return None
    px = to_level(seen.reshape(-1, 3), lens).reshape(-1, 4, 2)
    corners: Array = np.concatenate([px, seen[:, :, 2:3]], axis=2)
    return corners


def paint_mesh(
    picture: Image,
    mesh: Mesh,
    pose: Pose,
    lens: Pinhole,
    light: Light,
    offset: tuple[int, int],
    cloth: Cloth | None,
    fog: float,
) -> None:
    """Paint a solid into the level picture, whose top left pixel is at -`offset` of the lens's picture.

    `fog` 0..1 pales it as distance does. Far quads first, those that face away left out.
    """
    seen = into_camera(mesh.quads.reshape(-1, 3), pose).reshape(-1, 4, 3)
    before = (seen[:, :, 2] > NEAR_M).all(axis=1)
    seen = seen[before]
    if not len(seen):
        return
    px = to_level(seen.reshape(-1, 3), lens).reshape(-1, 4, 2) + np.array(offset, float)
    diagonal = px[:, 2] - px[:, 0], px[:, 3] - px[:, 1]
    facing = diagonal[0][:, 0] * diagonal[1][:, 1] - diagonal[0][:, 1] * diagonal[1][:, 0] < 0
    px, colours = px[facing], light.shade(mesh.quads[before][facing], mesh.colours[before][facing])
    if not len(px):
        return
    order = np.argsort(-seen[facing][:, :, 2].mean(axis=1))
    height, width = picture.shape[:2]
    x0, y0 = (int(v) - 2 for v in np.floor(px.reshape(-1, 2).min(axis=0)))
    x1, y1 = (int(v) + 3 for v in np.ceil(px.reshape(-1, 2).max(axis=0)))
    tall = y1 - y0
    x0, y0, x1, y1 = max(x0, -8), max(y0, -8), min(x1, width + 8), min(y1, height + 8)
    if x0 >= x1 or y0 >= y1:
        return
    fine = 4 if tall < _FINE_PX / 4 else 2 if tall < _FINE_PX else 1
    sprite = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine, 4), np.uint8)
    # OpenCV's pixel centres are whole numbers; ours are halves, so that a world point at u lies between pixels.
    corners = np.round(((px[order] - (x0, y0)) * fine - 0.5) * (1 << _SHIFT)).astype(np.int32)
    for corner, colour in zip(corners, colours[order].tolist(), strict=True):
        cv2.fillConvexPoly(sprite, corner, (*colour, 255), cv2.LINE_8, _SHIFT)
    if cloth is not None:
        cloth.over(sprite)
    soft = max(0.5 * fine, min(tall * fine / 300, 3.0))
    sprite = cv2.GaussianBlur(sprite, (0, 0), soft)
    if fine > 1:
        sprite = cv2.resize(sprite, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    if fog > 0.01:
        _pale(sprite, fog)
    blend(picture, sprite, x0, y0)


def _pale(sprite: Image, fog: float) -> None:
    """Mix a premultiplied sprite with the haze, its alpha kept."""
    alpha = cv2.extractChannel(sprite, 3)
    haze = cv2.merge([cv2.multiply(alpha, 1.0, scale=v / 255) for v in HAZE] + [alpha])
    cv2.addWeighted(sprite, 1 - fog, haze, fog, 0, dst=sprite)


def dimmed(sprite: Image, light: float) -> Image:
    """A premultiplied sprite at another brightness, its alpha kept."""
    result: Image = cv2.multiply(sprite, (light, light, light, 1.0))
    return result


@dataclass(frozen=True, slots=True)
class Panel:
    """A flat, textured, upright rectangle: corner at its foot's left end, unit vector along its foot, BGRA texture.

    `mips` holds the texture and its halvings, premultiplied; `per_m` is the finest one's pixels per metre.
    """

    foot_left: tuple[float, float, float]
    along: tuple[float, float, float]
    width_m: float
    height_m: float
    mips: tuple[Image, ...]
    per_m: float

    def corners(self) -> Array:
        """Foot left, foot right, top right, top left: (4, 3)."""
        foot, along = np.array(self.foot_left), np.array(self.along) * self.width_m
        up = np.array([0.0, -self.height_m, 0.0])
        return np.array([foot, foot + along, foot + along + up, foot + up])


def halvings(texture: Image, levels: int = 7) -> tuple[Image, ...]:
    """A BGRA texture, premultiplied, and its halvings."""
    alpha = texture[:, :, 3:4].astype(np.float32) / 255
    first = np.concatenate([texture[:, :, :3] * alpha, texture[:, :, 3:4]], axis=2).astype(np.uint8)
    mips = [first]
    while len(mips) < levels and min(mips[-1].shape[:2]) >= 8:
        half = (mips[-1].shape[1] // 2, mips[-1].shape[0] // 2)
        mips.append(cv2.resize(mips[-1], half, interpolation=cv2.INTER_AREA))
    return tuple(mips)


def clipped(corners: Array) -> Array:
    """A polygon in camera axes cut at the near plane (Sutherland-Hodgman)."""
    kept = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            kept.append(a + (NEAR_M - a[2]) / (b[2] - a[2]) * (b - a))
    return np.array(kept).reshape(-1, 3)


def panel_pixels(panel: Panel, pose: Pose, lens: Pinhole) -> Array:
    """The panel's outline in the level picture (N, 2); empty when it is behind the lens."""
    outline = clipped(into_camera(panel.corners(), pose))
    return to_level(outline, lens) if len(outline) else np.empty((0, 2))


def paint_panel(
    picture: Image, panel: Panel, pose: Pose, lens: Pinhole, light: float, offset: tuple[int, int], fog: float
) -> None:
    """Paint a panel into the level picture (see `paint_mesh`); `light` is its brightness."""
    outline = panel_pixels(panel, pose, lens)
    if len(outline) < 3:
        return
    outline = outline + np.array(offset, float)
    height, width = picture.shape[:2]
    x0, y0 = (max(0, math.floor(v) - 1) for v in outline.min(axis=0))
    x1, y1 = min(width, math.ceil(outline[:, 0].max()) + 1), min(height, math.ceil(outline[:, 1].max()) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    seen = into_camera(panel.corners(), pose)
    depth = float(np.clip(seen[:, 2], 0.5, None).min())
    level = int(
        np.clip(round(math.log2(max(panel.per_m * depth / lens.focal_px, 1.0))), 0, len(panel.mips) - 1)
    )
    texture = panel.mips[level]
    # Texture (u, v, 1) → camera axes is linear on a plane; its inverse takes picture pixels to texture pixels.
    du = (seen[1] - seen[0]) / texture.shape[1]
    dv = (seen[0] - seen[3]) / texture.shape[0]
    plane = np.stack([du, dv, seen[3]], axis=1)
    to_picture = np.array(
        [
            [lens.focal_px, 0, lens.cx + offset[0] - x0],
            [0, lens.focal_px, lens.cy + offset[1] - y0],
            [0, 0, 1.0],
        ]
    )
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    half_back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    matrix = half_back @ to_picture @ plane @ half
    found, back = cv2.invert(matrix)
    if not found:
        return
    sprite = cv2.warpPerspective(
        texture, back, (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0),
    )  # fmt: skip
    if (seen[:, 2] < NEAR_M).any():  # pixels whose ray meets the plane behind the lens
        mask = np.zeros(sprite.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round(outline - (x0, y0)).astype(np.int32), 255)
        sprite = cv2.bitwise_and(sprite, cv2.merge([mask] * 4))
    if light != 1.0:
        sprite = dimmed(sprite, light)
    if fog > 0.01:
        _pale(sprite, fog)
    blend(picture, sprite, x0, y0)
