"""Ego-motion from the picture: how far the camera turned between two frames.

Sparse optical flow (pyramidal Lucas-Kanade) of corners on a small grey picture, then a robust fit of a
pure rotation to the flow of the background: points above and near the horizon, where distance is great
and walking forward moves nothing. Where something near fills the picture there are none: the fit then also
lets the picture expand. A chest camera swings by up to 94 deg/s, so that without this no box would overlap
itself from frame to frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole, turn
from rearguard.ego.small_view import SmallView
from rearguard.types import Box, EgoMotion, Image

Points = NDArray[np.float32]

_WIDTH_PX = 320  # of the small picture
_MAX_CORNERS = 160
_MIN_POINTS = 12
# Below the horizon: what is lower is ground or near, and mostly moves because the wearer does.
_NEAR_RAD = 0.11
_COARSE = 2  # the whole picture's shift is found at this fraction of the small size
_HUBER_PX = 1.0
_INLIER_PX = 1.5
_WINDOW_PX = 15
_MOSTLY_FAR = 0.4  # of the background: with fewer points that turn alike, it may be near


class FlowEgo:
    """Feeds on frames, tells the turn since the previous one. Not for use from several threads.

    `own`: parts of the picture that are left out.
    """

    def __init__(self, lens: Pinhole, own: Ignored | None = None) -> None:
        self._view = SmallView(lens, _WIDTH_PX)
        self._lens = self._view.lens
        self._previous: Image | None = None
        self._own = (own or Ignored()).within(self._view.part)
        self._seen = self._own.seen((self._lens.width_px, self._lens.height_px), _WINDOW_PX // 2)

    def estimate_turn(self, image: Image, moving: tuple[Box, ...] = (), pitch_rad: float = 0.0) -> EgoMotion:
        """The turn since the last call; `moving` are boxes (frame pixels) whose flow is not background, `pitch_rad` how
        far down the camera pointed then."""
        grey = self._view.shrink(image)
        previous, self._previous = self._previous, grey
        if previous is None:
            return EgoMotion()
        shift = self._shift(previous, grey, self._lens.horizon_px(pitch_rad))
        corners = self._corners(previous, moving)
        points = _flow(previous, grey, corners, shift)
        found = self._fit(points, pitch_rad)
        if found.quality >= _MOSTLY_FAR:
            return found
        # What is near and fills the picture has hardly a shift as a whole to begin from.
        again = _flow(previous, grey, corners, (0.0, 0.0))
        near = (self._fit(p, pitch_rad, near=True) for p in (points, again))
        return max(found, *near, key=lambda fit: fit.quality)

    def _fit(self, points: tuple[Points, Points], pitch_rad: float, *, near: bool = False) -> EgoMotion:
        if len(points[0]) < _MIN_POINTS:
            return EgoMotion()
        return fit_turn(*points, self._lens, pitch_rad, near=near)

    def _shift(self, before: Image, after: Image, horizon_px: float) -> tuple[float, float]:
        """By how many small pixels the far part of the picture moved as a whole (phase correlation).

        A swing of 8 deg between two frames is 40 pixels here, further than sparse flow finds by itself.
        """
        height = self._lens.height_px
        # Without the ground, which moves otherwise; but half a picture is wanted to compare.
        rows = int(min(max(horizon_px + _NEAR_RAD * self._lens.focal_px, 0.5 * height), height))
        size = (self._lens.width_px // _COARSE, rows // _COARSE)
        first, second = (
            cv2.resize(g[:rows], size, interpolation=cv2.INTER_AREA).astype(np.float32)
            for g in (before, after)
        )
        (dx, dy), _ = cv2.phaseCorrelate(first, second, self._own.window(size, rows / height))
        return dx * _COARSE, dy * _COARSE

    def _corners(self, before: Image, moving: tuple[Box, ...]) -> Points:
        mask = np.full(before.shape, 255, np.uint8) if self._seen is None else self._seen.copy()
        for box in map(self._view.to_small, moving):
            x0, y0, x1, y1 = (round(v) for v in (box.x0, box.y0, box.x1, box.y1))
            mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 0
        corners = cv2.goodFeaturesToTrack(before, _MAX_CORNERS, 0.01, 6, mask=mask, blockSize=5)
        return np.empty((0, 1, 2), np.float32) if corners is None else corners


def _flow(before: Image, after: Image, corners: Points, shift: tuple[float, float]) -> tuple[Points, Points]:
    """Those of the corners (n, 1, 2) that were found again, (m, 2), and where; looked for from `shift` on."""
    if not len(corners):
        return corners.reshape(-1, 2), corners.reshape(-1, 2)
    moved, ok, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        corners,
        corners + np.array(shift, np.float32),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=3,
        criteria=(3, 12, 0.03),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    good = ok.ravel() == 1
    return corners[good].reshape(-1, 2), moved[good].reshape(-1, 2)


def fit_turn(
    before: Points, after: Points, lens: Pinhole, pitch_rad: float = 0.0, *, near: bool = False
) -> EgoMotion:
    """The small rotation that best explains point pairs (n, 2), outliers down-weighted (IRLS, Huber then cut).

    Points well below the horizon, of a camera that points `pitch_rad` down, are ground or near things and count less:
    their flow is mostly translation. `near`: all is about as near, as of a wall that fills the picture, and expands
    about the horizon's middle. Points of two pictures with nothing in common give some turn too, with next to no
    quality.
    """
    target = after.astype(np.float64)
    focal = lens.focal_px
    from_foe = before - (lens.cx, lens.horizon_px(pitch_rad))
    below = np.zeros(len(before)) if near else np.maximum(0.0, from_foe[:, 1]) / (_NEAR_RAD * focal)
    trust = 1.0 / (1.0 + below**2)
    shift = np.median(target - before, axis=0)
    # Rotation of the camera about x, y, z, and, where that is asked, by how much the picture grew.
    unknown = np.zeros(4 if near else 3)
    unknown[:2] = shift[1] / focal, -shift[0] / focal
    residual = np.empty(len(before))
    for step in range(10 if near else 8):
        grown = float(unknown[3:].sum())
        now = lens.rays(before + grown * from_foe) @ turn(_as_ego(unknown, 1.0)).T
        x, y = now[:, 0] / now[:, 2], now[:, 1] / now[:, 2]
        error = target - lens.pixels(now)
        residual = np.hypot(error[:, 0], error[:, 1])
        # Tight only after the first steps, so that a bad median cannot lock out the truth.
        scale = _HUBER_PX if step > 2 else max(_HUBER_PX, 2.0 * float(np.median(residual)))
        weight = trust / np.maximum(1.0, residual / scale) ** 2
        # d(pixel)/d(rotation): the classical rotational flow field (Longuet-Higgins & Prazdny 1980).
        jx = [focal * x * y, -focal * (1 + x * x), focal * y, from_foe[:, 0]]
        jy = [focal * (1 + y * y), -focal * x * y, -focal * x, from_foe[:, 1]]
        to_x, to_y = (np.stack(j[: len(unknown)], axis=1) for j in (jx, jy))
        normal = (to_x * weight[:, None]).T @ to_x + (to_y * weight[:, None]).T @ to_y
        rhs = to_x.T @ (weight * error[:, 0]) + to_y.T @ (weight * error[:, 1])
        delta = np.linalg.solve(normal + 1e-6 * np.eye(len(normal)), rhs)
        unknown = unknown + delta
        if float(np.abs(delta).max()) < 1e-6:
            break
    agree = float(np.sum(trust * (residual < _INLIER_PX)) / np.sum(trust))
    return _as_ego(unknown, agree)


def _as_ego(w: NDArray[np.float64], quality: float) -> EgoMotion:
    return EgoMotion(yaw_rad=float(w[1]), pitch_rad=float(-w[0]), roll_rad=float(w[2]), quality=quality)
