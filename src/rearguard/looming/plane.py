"""The ground of the path as a plane: seen from straight above the path's line, and how it should have moved.

Two pictures are turned into what a level camera that looks along the path would have seen of the same few metres of
ground, the older one carried forward by the wearer's way (a plane's homography). What is flat then lies still, but for
what the turn, the speed and the horizon are not known to; that rest is a smooth field of few unknowns (Longuet-Higgins
& Prazdny 1980), fitted robustly. Places in this view are tangents: `u` to the right of the path, `t` below the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Array, Pinhole
from rearguard.looming.features import LEAST_TEXTURE, WORST_MATCH, largest_in_cells
from rearguard.types import Image

Flat = NDArray[np.float32]

_FAR_M, _NEAR_M = 9.5, 3.2  # what is looked at; nearer, the ground is below the picture
_HALF_M = 0.6  # of the path, at the far end more: there the view's width is the near end's
_ACROSS_PX = 500.0  # focal length across: things move along the path, so that fewer columns do
_INSET_PX = 10.0  # of the picture, which windows at its edge would leave
_CELL_PX = 12
_MOST_POINTS, _LEAST_POINTS = 160, 25
_WINDOW_PX = (11, 13)
_SIGMA_PX = 0.3  # of a followed point
# What is not known of the way between the pictures, rad, and as shares of s/h. The speed is that of the last second.
_TURN_SD, _ACROSS_SD, _TILT_SD = 0.005, 0.02, 0.02
_SPEED_SD, _HORIZON_SD = 0.05, 0.01
_FIRST_SPEED_SD, _FIRST_HORIZON_SD = 0.2, 0.05  # before anything was seen: a pod that hangs three degrees off
_SWING_SHARE_SD = 0.15
_STEPS = 10
# Fits of pictures that show the ground leave 0.1 pixel along and 0.3 across; these show something else.
_WORST_PX = 0.5


class View(NamedTuple):
    """A level view of the ground: the picture, and (3, 3) from its pixels to the frame's."""

    image: Image
    to_frame: Array


@dataclass(frozen=True, slots=True)
class Plane:
    """How the ground moved beyond what was expected, and by how much it came nearer.

    `g` is the way over the lens's height, so that nearness is g·t; `horizon` how far below the supposed horizon the
    true one is. `along` and `across` are coefficients of `_fields_along` and `_fields_across`.
    """

    g: float
    horizon: float
    along: Array
    across: Array


class Ground:
    """The view of one lens at one height above the ground, but for what shows the wearer's `own` parts."""

    def __init__(self, lens: Pinhole, height_m: float, own: Ignored | None = None) -> None:
        self.top = height_m / _FAR_M
        bottom = height_m / _NEAR_M
        self.half = _HALF_M / _NEAR_M
        self.fy = lens.focal_px
        self.fx = min(lens.focal_px, _ACROSS_PX)
        self.size = (max(8, round(2 * self.half * self.fx)), max(8, round((bottom - self.top) * self.fy)))
        self._camera = np.array([[lens.focal_px, 0, lens.cx], [0, lens.focal_px, lens.cy], [0, 0, 1.0]])
        w, h = lens.width_px - _INSET_PX, lens.height_px - _INSET_PX
        edge = _INSET_PX
        self._seen = (own or Ignored()).seen((lens.width_px, lens.height_px), int(_INSET_PX))
        self._frame = np.array([[edge, edge, 1], [w, edge, 1], [w, h, 1], [edge, h, 1.0]])
        self._rays = np.linalg.inv(
            np.array([[self.fx, 0, self.half * self.fx], [0, self.fy, -self.top * self.fy], [0, 0, 1.0]])
        )
        x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        u, t = self.tangents(x, y)
        self.path = (np.abs(u) * height_m < _HALF_M * t).astype(np.uint8)

    def tangents(self, x: Array, y: Array) -> tuple[Array, Array]:
        """(u, t) of the view's pixels."""
        return x / self.fx - self.half, y / self.fy + self.top

    def view(self, grey: Image, axes: Array, g: float = 0.0) -> View:
        """The ground in a frame whose camera has these `axes` (rows: right, down, forward) in those of the path.

        With `g`, as it looks after a way of g lens heights.
        """
        forward = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, g, 1.0]])
        to_frame = self._camera @ axes @ forward @ self._rays
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return View(
            np.asarray(cv2.warpPerspective(grey, to_frame, self.size, flags=flags), np.uint8), to_frame
        )

    def shown(self, *views: View) -> Image:
        """1 where the path is in all of these views' frames, else 0."""
        shown = self.path.copy()
        for view in views:
            corner = self._frame @ np.linalg.inv(view.to_frame).T
            if (corner[:, 2] <= 0).any():
                return np.zeros_like(shown)
            outline = np.clip(corner[:, :2] / corner[:, 2:], -30_000, 30_000)
            mask = np.zeros_like(shown)
            cv2.fillConvexPoly(mask, np.round(outline).astype(np.int32), 1)
            shown &= mask
            if self._seen is not None:
                flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
                shown[cv2.warpPerspective(self._seen, view.to_frame, self.size, flags=flags) == 0] = 0
        return shown

    def fit(
        self, now: View, then: View, shown: Image, g: float, horizon: float, *, known: bool
    ) -> Plane | None:
        """How the ground moved between two views; None where they do not show one plane.

        `g` and `horizon` are what is expected; `known`: from other pictures, else it may be anything near.
        """
        points = _corners(now.image, shown)
        if len(points) < _LEAST_POINTS:
            return None
        moved, found, error = cv2.calcOpticalFlowPyrLK(
            now.image, then.image, np.ascontiguousarray(points[:, None], np.float32), None,
            winSize=_WINDOW_PX, maxLevel=2, criteria=(3, 10, 0.03),
        )  # fmt: skip
        good = (found.ravel() == 1) & (error.ravel() < WORST_MATCH)
        if int(good.sum()) < _LEAST_POINTS:
            return None
        off = points[good] - moved.reshape(-1, 2)[good]
        u, t = self.tangents(points[good, 0], points[good, 1])
        speed_sd, horizon_sd = (_SPEED_SD, _HORIZON_SD) if known else (_FIRST_SPEED_SD, _FIRST_HORIZON_SD)
        sds = np.array([_TURN_SD, speed_sd * g, horizon_sd * g, _TURN_SD, _TILT_SD * g])
        expected = np.array([0.0, 0.0, horizon * g, 0.0, 0.0])
        along, left_v = _robust(
            _fields_along(u, t), expected, sds, off[:, 1] / self.fy, _SIGMA_PX / self.fy, lower=True
        )
        sds = np.array([_ACROSS_SD, _ACROSS_SD, _ACROSS_SD, _SWING_SHARE_SD * g])
        across, left_u = _robust(
            _fields_across(u, t), np.zeros(4), sds, off[:, 0] / self.fx, _SIGMA_PX / self.fx, lower=False
        )
        left_px = np.median(np.abs(left_v)) * self.fy, np.median(np.abs(left_u)) * self.fx
        if max(left_px) > _WORST_PX:
            return None
        return Plane(g + float(along[1]), float(along[2]) / g, along, across)

    def drift_px(self, plane: Plane, u: Array, t: Array) -> tuple[Array, Array]:
        """How far the ground moved to the right and down at places of the view, beyond what was expected, pixels."""
        return (
            _fields_across(u, t) @ plane.across * self.fx,
            _fields_along(u, t) @ plane.along * self.fy,
        )


def _fields_along(u: Array, t: Array) -> Array:
    """What moves the ground down in the view: pitch, speed, the horizon's place, roll, and a ground that leans."""
    return np.stack([1 + t * t, t * t, t, u, u * t], axis=1)


def _fields_across(u: Array, t: Array) -> Array:
    """What moves it to the right: yaw, roll, what stretches it, and the speed."""
    return np.stack([np.ones_like(u), t, u, u * t], axis=1)


def _corners(image: Image, shown: Image) -> Array:
    """(n, 2): the best corner of each cell that shows one, the strongest first."""
    corner = cv2.cornerMinEigenVal(image, 5)
    corner[shown == 0] = 0.0
    x, y = best_of_cells(corner, (_CELL_PX, _CELL_PX), LEAST_TEXTURE, _MOST_POINTS)
    return np.stack([x, y], axis=1).astype(np.float64)


def best_of_cells(of: Flat, cell: tuple[int, int], least: float, most: int) -> tuple[Array, Array]:
    """(x, y) of the largest value in each cell (wide, high) that has more than `least`; the `most` largest."""
    wide, high = cell
    value, best = largest_in_cells(of, cell)
    row, column = np.nonzero(value > least)
    order = np.argsort(-value[row, column], kind="stable")[:most]
    row, column = row[order], column[order]
    place = best[row, column]
    return column * wide + place % wide, row * high + place // wide


def _robust(
    fields: Array, expected: Array, sds: Array, moved: Array, sigma: float, *, lower: bool
) -> tuple[Array, Array]:
    """Coefficients of `fields` (n, k), `expected` with deviations `sds`, and what is left: reweighted least squares.

    `lower`: things may stand on a plane and then move more, nothing is below it; what moves less is outweighed less.
    """
    found = expected
    scale = max(sigma, float(np.median(np.abs(moved - fields @ found))))
    stiff = np.diag(1.0 / sds**2)
    for _ in range(_STEPS):
        left = moved - fields @ found
        weight = 1.0 / (1.0 + (left / scale) ** 2) ** 2
        if lower:
            weight = np.where(left < 0, 1.0 / (1.0 + (left / (1.5 * scale)) ** 2), weight)
        weight /= scale * scale
        wanted = fields.T @ (weight * moved) + stiff @ expected
        found = np.linalg.solve((fields * weight[:, None]).T @ fields + stiff, wanted)
        scale = max(sigma, 0.5 * scale)
    return found, moved - fields @ found
