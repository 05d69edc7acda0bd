"""What lies flat on a clear track and is no obstacle: lines, lane numbers, fallen leaves, shadows."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from rearguard.lab.array import Array
from rearguard.types import Image

_LEAVES = 160
_COLOURS = ((40, 120, 190), (50, 80, 140), (60, 150, 170), (46, 100, 60))  # of fallen leaves, BGR
_WHITE = (222.0, 226.0, 228.0)
_LANE_M = 1.22
_FINE = 4  # marks are drawn with so many fractional bits of a pixel


def marked(
    textures: tuple[Image, ...], cells: tuple[tuple[float, float], ...], seed: int
) -> tuple[Image, ...]:
    """Ground textures with the same marks on each; `cells` are their (metres a pixel, half width in metres)."""
    return tuple(
        _marked(texture, cell_m, half_m, seed)
        for texture, (cell_m, half_m) in zip(textures, cells, strict=True)
    )


def _marked(texture: Image, cell_m: float, half_m: float, seed: int) -> Image:
    rng = np.random.default_rng([seed, 0x3A2C])
    ground = texture.astype(np.float32)
    rows_m = texture.shape[0] * cell_m

    def at(n: float, s: float) -> tuple[int, int]:
        """A place on the ground as a pixel with `_FINE` fractional bits; rows run along the track."""
        return round((n + half_m) / cell_m * (1 << _FINE)), round(s / cell_m * (1 << _FINE))

    paint = np.zeros(texture.shape[:2], np.uint8)
    _lines(paint, at, cell_m, rows_m, rng)
    shade = np.zeros(texture.shape[:2], np.float32)
    _pole_shadows(shade, at, cell_m, rows_m, rng)
    shade += _dapple(rows_m, half_m, cell_m, seed)
    cover = cv2.GaussianBlur(paint, (0, 0), max(0.4, 0.006 / cell_m)).astype(np.float32)[..., None] / 255
    ground += 0.85 * cover * (np.array(_WHITE, np.float32) - ground)
    ground *= (1 - np.clip(shade, 0, 0.55))[..., None]
    for _ in range(_LEAVES):
        n, s = rng.uniform(-3.0, 3.0), rng.uniform(0.2, rows_m - 0.2)
        axes = (rng.uniform(0.02, 0.05), rng.uniform(0.015, 0.03))
        turn, colour = float(rng.uniform(0, 180)), _COLOURS[int(rng.integers(len(_COLOURS)))]
        size = tuple(max(1, round(a / cell_m * (1 << _FINE))) for a in axes)
        cv2.ellipse(ground, at(n, s), (size[0], size[1]), turn, 0, 360, colour, -1, cv2.LINE_AA, _FINE)
    return np.clip(ground, 0, 255).astype(np.uint8)


def _lines(
    paint: Image,
    at: Callable[[float, float], tuple[int, int]],
    cell_m: float,
    rows_m: float,
    rng: np.random.Generator,
) -> None:
    """Start and finish lines across, and a number in every lane."""
    thick = max(1, round(0.05 / cell_m))
    for s in (0.21 * rows_m, 0.55 * rows_m, 0.61 * rows_m):
        cv2.line(paint, at(-3.6, s), at(3.6, s), 255, thick, cv2.LINE_AA, _FINE)
    start = float(rng.uniform(0.65, 0.9)) * rows_m
    for lane in range(-3, 4):
        n = lane * _LANE_M
        if not abs(n) < 3.6:
            continue
        x, y = (v >> _FINE for v in at(n - 0.25, start))
        size = 0.5 / cell_m / 22  # half a metre tall: the font is 22 pixels tall at scale 1
        glyph, thick = np.zeros_like(paint), max(1, round(2 * size))
        cv2.putText(
            glyph, str(lane + 4), (x, len(paint) - y), cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA
        )
        np.maximum(paint, glyph[::-1], out=paint)  # rows run away from who reads it


def _pole_shadows(
    shade: Array,
    at: Callable[[float, float], tuple[int, int]],
    cell_m: float,
    rows_m: float,
    rng: np.random.Generator,
) -> None:
    """Long thin shadows that lie across the lane as a branch would."""
    for _ in range(3):
        s, skew = rng.uniform(1.0, rows_m - 1.0), rng.uniform(-0.9, 0.9)
        thick = max(1, round(rng.uniform(0.06, 0.14) / cell_m))
        layer = np.zeros(shade.shape, np.float32)
        cv2.line(layer, at(-3.6, s - skew), at(3.6, s + skew), 0.45, thick, cv2.LINE_AA, _FINE)
        np.maximum(shade, cv2.GaussianBlur(layer, (0, 0), max(0.4, 0.012 / cell_m)), out=shade)


def _dapple(rows_m: float, half_m: float, cell_m: float, seed: int) -> Array:
    """The shade of leaves: blotches of a quarter of a metre on one stretch of the track, the same at any resolution."""
    rng = np.random.default_rng([seed, 0xDA99])
    coarse = rng.normal(0, 1, (round(rows_m / 0.25), round(12.8 / 0.25))).astype(np.float32)
    stretch = np.arange(coarse.shape[0]) * 0.25
    coarse[(stretch < 0.3 * rows_m) | (stretch > 0.5 * rows_m)] = 0.0
    size = round(12.8 / cell_m), round(rows_m / cell_m)
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    dark = np.clip((fine - 0.25) / 0.3, 0, 1) * 0.4
    whole = np.zeros((size[1], round(2 * half_m / cell_m)), np.float32)
    inset = (whole.shape[1] - dark.shape[1]) // 2
    whole[:, inset : inset + dark.shape[1]] = dark[: whole.shape[0]]
    return whole
