"""Lane lines and path edges: where the path leads and how it bends, seen before it is run.

The ground ahead is turned into a plan. What is bright and narrow there, and where dark meets bright, votes for a
heading and a curvature: those under which most of it falls onto few lines. All lines along a path share both, since
they are circles about one centre: for one that passes `n` metres beside the camera's foot

    q = x cos(psi) - z sin(psi) - k (x^2 + z^2) / 2 = n - k n^2 / 2

is the same for all its points (x to the right, z ahead), and linear in the curvature `k`. The lines are then fitted
together, and with them where the horizon is (iteratively reweighted least squares). Shadows, leaves and legs lie on no
line that long; what stands upright leads to the camera's foot, where no two lines of a path meet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Array, Pinhole, axes_of
from rearguard.ego.small_view import SmallView
from rearguard.types import Box, EgoState, Image, Lane

Flat = NDArray[np.float32]
Whole = NDArray[np.int32]
Flags = NDArray[np.bool_]

# The lane's direction is told so far ahead, which is the way to its place twice as far: there it is known best.
AHEAD_M = 5.0
_WIDTH_PX = 320  # of the picture looked at
_SPACING_S = 0.09  # faster frames are skipped: they cost time and tell little
_FAR_M, _NEAR_M = 14.0, 3.5  # what is looked at; further, a line is narrower than a pixel
_ACROSS_M, _CELL_M = 5.0, 0.025  # of the plan: to each side, and of one of its columns
_LINE_PX, _GAP_PX, _BESIDE_PX, _EDGE_PX = 3, 2, 5, 10  # columns: of a line, and of what it is told from
_LEAST_GREY = 5.0  # by which it is told
_MOST_A_ROW = 4
_KINDS = 3  # lines, edges to the bright, edges to the dark
# Cells of the vote, m; its steps in heading, rad, and curvature, 1/m, and how far it goes: anew, and about what is
# known.
_ANEW = (0.16, (0.024, 0.36), (0.025, 0.2))
_ABOUT = (0.08, (0.012, 0.1), (0.0125, 0.05))
_MOST_ASIDE_M = 4.0
_MOST_LINES = 6
_LINE_M = 0.12  # points of one line are as close together
_LEAST_ROWS = 0.3  # that a line is seen in, as a share
_LEAST_LONG_M = 3.5
_LEAST_APART_M = 0.9  # of two lines of a path; less apart are the edges of one, or of a leg
_OWN_EDGE_M = 0.3  # beside a line's middle, of what it is told from
_MOST_SD_RAD = 0.022  # of the heading at the wearer's feet
_POINT_SD = 0.006  # of a tangent: half a pixel, and the paint is worn
_HORIZON_SD, _MOST_HORIZON = 0.01, 0.05  # rad
_BEND_SD_PER_M = 0.1
_STEPS = 5


class _Points(NamedTuple):
    """Places on the plan (m), each of a kind, in some row."""

    x: Array
    z: Array
    kind: Whole
    row: Whole

    def of(self, which: Flags) -> _Points:
        return _Points(self.x[which], self.z[which], self.kind[which], self.row[which])


class LaneDetector:
    """Feeds on grey pictures of one lens, `height_m` above the ground, tells the lane. One frame at a time, in
    order. `own`: parts of the frame that are left out."""

    def __init__(self, lens: Pinhole, height_m: float, own: Ignored | None = None) -> None:
        self._view = SmallView(lens, _WIDTH_PX)
        self._lens, self._height_m = self._view.lens, height_m
        size = (self._lens.width_px, self._lens.height_px)
        self._seen = (own or Ignored()).within(self._view.part).seen(size, 1)
        top = height_m / _FAR_M
        rows = max(8, round((height_m / _NEAR_M - top) * self._lens.focal_px))
        self._t = (top + (np.arange(rows) + 0.5) / self._lens.focal_px).astype(np.float32)[:, None]
        self._z: Array = height_m / self._t[:, 0].astype(np.float64)
        self._x: Array = (np.arange(round(2 * _ACROSS_M / _CELL_M)) + 0.5) * _CELL_M - _ACROSS_M
        self._u: Flat = (self._x[None] / self._z[:, None]).astype(np.float32)
        self._last_ns: int | None = None
        self._bend_per_m: float | None = None  # of the lane that was found last

    def detect(self, grey: Image, at_ns: int, ego: EgoState, things: Sequence[Box] = ()) -> Lane | None:
        """The lane in a frame in grey, None where there is none, or too soon after the last look.

        `things` are boxes of the frame that hide the ground.
        """
        if self._last_ns is not None and 0 <= at_ns - self._last_ns < _SPACING_S * NS_PER_S:
            return None
        self._last_ns = at_ns
        bend_per_m, self._bend_per_m = self._bend_per_m, None
        points = self._points(self._view.shrink(grey), ego, [self._view.to_small(box) for box in things])
        psi, k = -ego.swing_rad, bend_per_m or 0.0
        if bend_per_m is None:
            psi, k = _vote(points.of(points.row % 2 == 0), psi, k, _ANEW)
        lane = self._fit(points, *_vote(points, psi, k, _ABOUT))
        self._bend_per_m = lane.curvature_per_m if lane else None
        return lane

    # ── what may be a line ──────────────────────────────────────────────────────────────────────────────

    def _points(self, grey: Image, ego: EgoState, things: Sequence[Box]) -> _Points:
        rows = np.array(axes_of(0.0, ego.pitch_rad, ego.roll_rad), np.float32)
        u, t = self._u, self._t
        scale = np.float32(self._lens.focal_px) / ((rows[2, 1] * t + rows[2, 2]) + rows[2, 0] * u)
        px, py = (
            ((row[1] * t + row[2]) + row[0] * u) * scale + np.float32(0.5 * size - 0.5)
            for row, size in zip(rows, (self._lens.width_px, self._lens.height_px), strict=False)
        )
        plan = np.asarray(cv2.remap(grey, px, py, cv2.INTER_LINEAR), np.float32)
        seen = (px > 1) & (px < self._lens.width_px - 2) & (py > 1) & (py < self._lens.height_px - 2)
        if self._seen is not None:
            seen &= cv2.remap(self._seen, px, py, cv2.INTER_NEAREST) > 0
        for box in things:
            seen &= (px < box.x0) | (px > box.x1) | (py < box.y0) | (py > box.y1)
        within = np.zeros_like(plan)
        within[:, _EDGE_PX:-_EDGE_PX] = seen[:, : -2 * _EDGE_PX] & seen[:, 2 * _EDGE_PX :]
        line, beside, half = (np.asarray(cv2.blur(plan, (n, 1))) for n in (_LINE_PX, _BESIDE_PX, _EDGE_PX))
        off, step = _LINE_PX // 2 + _GAP_PX + _BESIDE_PX // 2, _EDGE_PX // 2
        ridge, rise = np.zeros_like(plan), np.zeros_like(plan)
        ridge[:, off:-off] = line[:, off:-off] - np.maximum(beside[:, : -2 * off], beside[:, 2 * off :])
        rise[:, step:-step] = half[:, 2 * step :] - half[:, : -2 * step]
        ridge *= within
        rise *= within
        # A mean over an even number of columns lies between two.
        between_m = -0.5 * _CELL_M
        parts = [
            self._peaks(ridge, 0, 0.0),
            self._peaks(rise, 1, between_m),
            self._peaks(-rise, 2, between_m),
        ]
        return _Points(
            np.concatenate([p.x for p in parts]),
            np.concatenate([p.z for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate([p.row for p in parts]),
        )

    def _peaks(self, value: Flat, kind: int, shift_m: float) -> _Points:
        """The strongest peaks of each row, between columns where three of them say so."""
        least = np.maximum(_LEAST_GREY, 2.0 * np.abs(value).mean(axis=1, keepdims=True))
        middle = value[:, 1:-1]
        row, column = np.nonzero((middle > least) & (middle >= value[:, :-2]) & (middle > value[:, 2:]))
        order = np.lexsort((-value[row, column + 1], row))
        row, column = row[order], column[order] + 1
        most = np.arange(len(row)) - np.searchsorted(row, row) < _MOST_A_ROW
        row, column = row[most], column[most]
        a, b, c = (value[row, column + n].astype(np.float64) for n in (-1, 0, 1))
        between = np.clip(0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-3), -0.5, 0.5)
        x = self._x[column] + between * _CELL_M + shift_m
        return _Points(x, self._z[row], np.full(len(row), kind, np.int32), row.astype(np.int32))

    # ── which lines they are ────────────────────────────────────────────────────────────────────────────

    def _fit(self, points: _Points, psi: float, k: float) -> Lane | None:
        lines = _lines(_beside(points.x, points.z, psi, k), points.kind, _LEAST_ROWS * len(self._z))
        if not lines:
            return None
        kinds, aside = np.array([kind for kind, _ in lines]), np.array([n for _, n in lines])
        off = _beside(points.x, points.z, psi, k)[:, None] - aside
        near = (points.kind[:, None] == kinds) & (np.abs(off) < 2 * _LINE_M)
        points = points.of(near.any(axis=1))
        others = points.kind[:, None] != kinds
        each, horizon = np.arange(len(points.x)), 0.0
        stiff = np.array([1e-3, _BEND_SD_PER_M**-2, _HORIZON_SD**-2, *([1e-3] * len(lines))])
        for _ in range(_STEPS):
            s = 1 / (1 + horizon * points.z / self._height_m)
            x, z = points.x * s, points.z * s
            off = _beside(x, z, psi, k)[:, None] - aside
            off[others] = np.inf
            of = np.abs(off).argmin(axis=1)
            off = off[each, of]
            sd = _POINT_SD * z
            use = np.abs(off) < _LINE_M
            off = np.where(use, off, 0.0)
            weight = np.where(use, 1 / (1 + (off / sd) ** 2) / sd**2, 0.0)
            half = 0.5 * (x * x + z * z)
            jac = np.zeros((len(of), len(stiff)))
            jac[:, 0], jac[:, 1] = z * math.cos(psi) + x * math.sin(psi), half
            jac[:, 2] = z / self._height_m * (_beside(x, z, psi, k) - k * half)
            jac[each, 3 + of] = 1.0
            normal = (jac * weight[:, None]).T @ jac + np.diag(stiff)
            pull = stiff * np.array([0.0, k, horizon, *([0.0] * len(lines))])
            step = np.linalg.solve(normal, jac.T @ (weight * off) - pull)
            psi, k, aside = psi + float(step[0]), k + float(step[1]), aside + step[3:]
            horizon = min(max(horizon + float(step[2]), -_MOST_HORIZON), _MOST_HORIZON)
        good = use & (np.abs(off) < 2.5 * sd)
        long = [i for i in range(len(aside)) if self._is_long(points.row[good & (of == i)])]
        if not long or np.ptp(aside[long]) < _LEAST_APART_M:
            return None
        lines_m = aside[[i for i in long if kinds[i] == 0]]
        # Edges so near a line are its own.
        own = (np.abs(aside[:, None] - lines_m) < _OWN_EDGE_M).any(axis=1) & (kinds != 0)
        return _told(psi, k, np.linalg.inv(normal)[:2, :2], aside[[i for i in long if not own[i]]].tolist())

    def _is_long(self, rows: Whole) -> bool:
        """Whether points in these rows are a line of several metres."""
        rows = np.unique(rows)
        if len(rows) < _LEAST_ROWS * len(self._z):
            return False
        return bool(self._z[rows[0]] - self._z[rows[-1]] > _LEAST_LONG_M)


def _beside(x: Array, z: Array, psi: float, k: float) -> Array:
    """Where the line through a place passes the wearer: `q` of the module's first lines."""
    return np.asarray(x * math.cos(psi) - z * math.sin(psi) - 0.5 * k * (x * x + z * z))


def _told(psi: float, k: float, covariance: Array, beside_m: Sequence[float]) -> Lane | None:
    leads = np.array([1.0, AHEAD_M])
    if covariance[0, 0] > _MOST_SD_RAD**2:
        return None
    return Lane(
        math.remainder(psi + AHEAD_M * k, 2 * math.pi),
        math.sqrt(leads @ covariance @ leads),
        k,
        math.sqrt(covariance[1, 1]),
        max((n for n in beside_m if n < 0), default=None),
        min((n for n in beside_m if n >= 0), default=None),
    )


Steps = tuple[float, tuple[float, float], tuple[float, float]]


def _vote(points: _Points, psi: float, k: float, steps: Steps) -> tuple[float, float]:
    """The heading and curvature about these for which the points lie on the fewest lines."""
    x, z, kind, _ = points
    cell_m, of_psi, of_k = steps
    psis, ks = (
        middle + np.arange(-math.floor(most / step), math.floor(most / step) + 1) * step
        for middle, (step, most) in ((psi, of_psi), (k, of_k))
    )
    cells = round(2 * _MOST_ASIDE_M / cell_m)
    turned = (np.cos(psis)[:, None] * x - np.sin(psis)[:, None] * z) / cell_m + 0.5 * cells
    bent = ks[:, None] * (x * x + z * z) * (0.5 / cell_m)
    place = turned.astype(np.float32)[:, None] - bent.astype(np.float32)
    cell = np.clip(place, 0, cells - 1).astype(np.int32)
    cell += kind * np.int32(cells)
    count = len(psis) * len(ks)
    cell += (np.arange(count, dtype=np.int32) * (_KINDS * cells)).reshape(len(psis), len(ks), 1)
    votes = np.bincount(cell.ravel(), minlength=count * _KINDS * cells).reshape(count, _KINDS, cells)
    votes = votes[:, :, 1:-1].astype(np.float32)  # the outermost hold all that is further out
    both = (votes[..., :-1] + votes[..., 1:]).reshape(count, -1)
    best = int(np.einsum("ij,ij->i", both, both).argmax())
    return float(psis[best // len(ks)]), float(ks[best % len(ks)])


def _lines(beside_m: Array, kind: Whole, least: float) -> list[tuple[int, float]]:
    """(kind, place beside) of the lines that at least as many points lie on; of many, those with most."""
    found: list[tuple[int, int, float]] = []
    for of in range(_KINDS):
        places = np.sort(beside_m[kind == of])
        while len(places) >= least:
            end = np.searchsorted(places, places + _LINE_M, side="right")
            count = end - np.arange(len(places))
            i = int(count.argmax())
            if count[i] < least:
                break
            middle = float(np.median(places[i : end[i]]))
            found.append((-int(count[i]), of, middle))
            places = places[np.abs(places - middle) > 1.25 * _LINE_M]
    return [(of, middle) for _, of, middle in sorted(found)[:_MOST_LINES]]
