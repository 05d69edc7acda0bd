"""The ground: a running track or a park path, textured, sampled in world coordinates so that it flows as it must.

One texture is kept per band of distance, each at the resolution a pixel has there (finer across than along),
so that nothing flickers; along the track the texture repeats after `PERIOD_M`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.array import Array
from rearguard.lab.world.camera import Pose, axes
from rearguard.lab.world.marks import marked
from rearguard.lab.world.paint import HAZE
from rearguard.lab.world.path import Path
from rearguard.types import Image

PERIOD_M = 12.8
FARTHEST_M = 160.0
# (metres per texture pixel, half width in m, for bands that end nearer than this); each is laid into the next
TEXTURES = ((0.008, 6.4, 6.0), (0.02, 19.2, 22.0), (0.05, 51.2, math.inf))
_BAND_RATIO = 1.45
_BLOCK_PX = 8
HAZE_M = 320.0
LANE_M = 1.22  # width of a lane on a World Athletics track

# BGR of the surface kinds: (middle, beyond its edge), half width of the middle, whether it has lane lines
_SURFACES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], float, bool]] = {
    "track": ((72, 88, 158), (62, 112, 92), 3.66 + 0.61, True),
    "path": ((128, 132, 136), (66, 118, 96), 2.0, False),
}


@dataclass(frozen=True, slots=True)
class Band:
    """The texture for distances up to `far_m`: metres per texture pixel across (n) and along (s)."""

    far_m: float
    across_m: float
    along_m: float
    texture: Image


class Ground:
    """Paints the ground of one world as one lens sees it."""

    def __init__(
        self, surface: str, lens: Pinhole, camera_height_m: float, seed: int, textures: tuple[Image, ...] | None = None,
        *, marks: bool = False,
    ) -> None:  # fmt: skip
        """`textures` as `TEXTURES` has them, finest first, instead of drawn ones; `marks`: see `marks`."""
        self._lens = lens
        found = textures or _textures(surface, seed)
        if marks:
            found = marked(found, tuple(row[:2] for row in TEXTURES), seed)
        self._bands = _bands(found, lens.focal_px, camera_height_m)

    def paint(self, picture: Image, pose: Pose, path: Path, s_m: float, offset: tuple[int, int]) -> int:
        """Paint all ground nearer than `FARTHEST_M`; returns the picture row where it begins.

        `picture` is the level picture whose top left pixel lies at -`offset` of the lens's picture.
        """
        height, width = picture.shape[:2]
        right, down, ahead = axes(pose.yaw_rad, pose.pitch_rad)
        y = (np.arange(height) + 0.5 - offset[1] - self._lens.cy) / self._lens.focal_px
        sinks = down[1] * y + ahead[1]  # how steeply the ray through each row goes down
        lifted = -pose.y_m
        first = int(np.searchsorted(sinks, lifted / FARTHEST_M))
        if first >= height:
            return height
        t = lifted / sinks[first:]
        z_row = t * (down[2] * y[first:] + ahead[2])
        x_row = t * (down[0] * y[first:] + ahead[0])
        blocks = width // _BLOCK_PX + 3
        x = ((np.arange(blocks) - 0.5) * _BLOCK_PX - offset[0] - self._lens.cx) / self._lens.focal_px
        local_x = pose.x_m + x_row[:, None] + (t[:, None] * x) * right[0]
        local_z = pose.z_m + z_row[:, None] + (t[:, None] * x) * right[2]
        ds, n = path.unplace(local_x, local_z)
        s = ds + s_m % PERIOD_M
        far = np.hypot(x_row, z_row)
        edges = [0, *np.searchsorted(-far, [-b.far_m for b in reversed(self._bands)]), len(far)]
        for band, (a, b) in zip([None, *reversed(self._bands)], itertools.pairwise(edges), strict=False):
            if a >= b:
                continue
            self._paint_rows(picture, first + a, n[a:b], s[a:b], band or self._bands[-1])
        return first

    @staticmethod
    def _paint_rows(picture: Image, top: int, n: Array, s: Array, band: Band) -> None:
        rows, width = n.shape[0], picture.shape[1]
        size = (n.shape[1] * _BLOCK_PX, rows)
        crop = slice(_BLOCK_PX, _BLOCK_PX + width)
        columns = (n / band.across_m + (band.texture.shape[1] - 1) / 2).astype(np.float32)
        lines = (s / band.along_m - 0.5).astype(np.float32)
        map_x = cv2.resize(columns, size, interpolation=cv2.INTER_LINEAR)[:, crop]
        map_y = cv2.resize(lines, size, interpolation=cv2.INTER_LINEAR)[:, crop]
        picture[top : top + rows] = cv2.remap(
            band.texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )


def _bands(textures: tuple[Image, ...], focal_px: float, height_m: float) -> list[Band]:
    bands = []
    near, far = 0.0, 2.0
    while near < FARTHEST_M:
        middle = math.sqrt(max(near, 1.2) * far)
        base, base_m = next((t, row[0]) for t, row in zip(textures, TEXTURES, strict=True) if far < row[2])
        columns = max(64, min(base.shape[1], round(base.shape[1] * base_m * focal_px / middle)))
        lines = max(4, min(base.shape[0], round(PERIOD_M * focal_px * height_m / middle**2)))
        texture = cv2.resize(base, (columns, lines), interpolation=cv2.INTER_AREA)
        pale = 1 - math.exp(-middle / HAZE_M)
        texture = cv2.addWeighted(texture, 1 - pale, np.full_like(texture, HAZE), pale, 0)
        bands.append(Band(far, base.shape[1] * base_m / columns, PERIOD_M / lines, texture))
        near, far = far, far * _BAND_RATIO
    return bands


@cache
def _textures(surface: str, seed: int) -> tuple[Image, ...]:
    """The textures of a surface, finest first; rows along the track, columns across it, middle in the middle."""
    made: list[Image] = []
    for cell_m, half_m, _ in TEXTURES:
        texture = _surface(surface, seed, half_m, cell_m)
        if made:
            inner = round(2 * TEXTURES[len(made) - 1][1] / cell_m)
            at = (texture.shape[1] - inner) // 2
            texture[:, at : at + inner] = cv2.resize(
                made[-1], (inner, texture.shape[0]), interpolation=cv2.INTER_AREA
            )
        made.append(texture)
    return tuple(made)


def _surface(surface: str, seed: int, half_m: float, cell_m: float) -> Image:
    middle, beyond, half_width_m, lanes = _SURFACES[surface]
    rows, columns = round(PERIOD_M / cell_m), round(2 * half_m / cell_m)
    n = (np.arange(columns) + 0.5) * cell_m - half_m
    rough = _noise(
        seed, rows, columns, cell_m, ((3.2, 9.0), (0.8, 9.0), (0.2, 10.0), (0.05, 9.0), (0.016, 10.0))
    )
    wild = _noise(seed + 1, rows, columns, cell_m, ((1.6, 12.0), (0.4, 12.0), (0.1, 14.0), (0.03, 12.0)))
    edge = n[None, :] + 0.02 * rough / 10
    on = np.clip((half_width_m - np.abs(edge)) / (2 * cell_m) + 0.5, 0, 1).astype(np.float32)
    grain = on * rough + (1 - on) * (1.3 * wild)
    image = np.empty((rows, columns, 3), np.float32)
    line = np.zeros(columns)
    if lanes:
        from_line = np.abs((n + LANE_M) % LANE_M - LANE_M / 2)
        line = np.clip((0.025 - from_line) / cell_m + 0.5, 0, 1) * (np.abs(n) < half_width_m - 0.02)
    # Worn paint, as on a track in use: fresh white lines would hide legs from the detector.
    worn = (np.clip(0.5 + rough / 60, 0, 1) * line).astype(np.float32)
    for channel in range(3):
        base = beyond[channel] + on * (middle[channel] - beyond[channel]) + grain
        image[:, :, channel] = base + worn * (227.0 - base)
    _stains(image, seed, cell_m, half_m, half_width_m)
    return np.clip(image, 0, 255).astype(np.uint8)


def _stains(image: Array, seed: int, cell_m: float, half_m: float, half_width_m: float) -> None:
    """Dark and light patches, the same ones at any resolution; they give flow something to hold on to."""
    rng = np.random.default_rng([seed, 0x57A1])
    rows = image.shape[0]
    mask = np.zeros(image.shape[:2], np.float32)
    for _ in range(70):
        n, s = rng.uniform(-half_width_m, half_width_m), rng.uniform(0, PERIOD_M)
        across, along, turn = rng.uniform(0.02, 0.2), rng.uniform(0.02, 0.35), rng.uniform(0, 180)
        gain = rng.uniform(-34, 22)
        if abs(n) + 0.5 > half_m:
            continue
        for wrap in (-rows, 0, rows):
            centre = (round((n + half_m) / cell_m), round(s / cell_m) + wrap)
            size = (max(1, round(across / cell_m)), max(1, round(along / cell_m)))
            cv2.ellipse(mask, centre, size, turn, 0, 360, gain, -1, cv2.LINE_AA)
    image += cv2.blur(mask, (5, 5))[..., None]


def _noise(
    seed: int, rows: int, columns: int, cell_m: float, octaves: tuple[tuple[float, float], ...]
) -> Array:
    """Noise of several grain sizes (metres, gain), periodic along the rows."""
    total = np.zeros((rows, columns), np.float32)
    for i, (grain_m, gain) in enumerate(octaves):
        if grain_m < cell_m * 0.9:
            continue
        rng = np.random.default_rng([seed, i])
        lines, across = max(2, round(rows * cell_m / grain_m)), max(2, round(columns * cell_m / grain_m))
        grid = rng.normal(0, gain, (lines, across)).astype(np.float32)
        grid = np.concatenate([grid, grid, grid])  # so that interpolation meets itself at the seam
        total += cv2.resize(grid, (columns, rows * 3), interpolation=cv2.INTER_LINEAR)[rows : 2 * rows]
    return total
