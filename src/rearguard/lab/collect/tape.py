"""How far it was at every moment: from presses at the marks of a tape, or from a mark of known size in the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from rearguard.errors import BadInput
from rearguard.lab.array import Array
from rearguard.types import Image

EVEN_M = 0.3  # a pace is even when no mark is further from it: a press is a tenth of a second off, at 3 m/s
_NEAR_MARKS = 4  # of an uneven pace, this many marks nearest in time give place and speed
_WINDOW_S = 1.2  # of a mark in the picture
_LEAST_SEEN = 5
_LEAST_CLOSING_M_S = 0.3
_LEAST_S = 0.8  # what comes nearer for less is a sway
_GAP_S = 0.5
_FARTHEST_M = 100.0
_MARKER = cv2.aruco.DICT_4X4_50
MARKER_ID = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """When the lens was how far from the thing's nearest side."""

    t_s: float
    range_m: float


@dataclass(frozen=True, slots=True)
class Row:
    """One frame of an approach: metres to go, and how fast they grow less."""

    frame: int
    t_s: float
    range_m: float
    closing_m_s: float

    @property
    def ttc_s(self) -> float:
        return self.range_m / self.closing_m_s


@dataclass(frozen=True, slots=True)
class Approach:
    """One way towards the thing; `off_m` is how far its marks are from the line that was laid through them."""

    rows: tuple[Row, ...]
    off_m: float

    @property
    def contact_s(self) -> float:
        """When it would be reached at the last speed."""
        return self.rows[-1].t_s + self.rows[-1].ttc_s


def from_presses(marks: Sequence[Mark], times_s: Sequence[float]) -> list[Approach]:
    """The approaches between presses; a mark further off than the one before begins another. Times as the film has.

    Raises `BadInput` when an approach has a single mark or its marks are out of order.
    """
    runs: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda m: m.t_s):
        if not 0 <= mark.range_m <= _FARTHEST_M:
            raise BadInput(f"mark at {mark.t_s:g} s: {mark.range_m:g} m is no distance on a tape")
        if runs and mark.range_m < runs[-1][-1].range_m:
            if mark.t_s <= runs[-1][-1].t_s:
                raise BadInput(f"two marks at {mark.t_s:g} s: which of them was passed then?")
            runs[-1].append(mark)
        else:
            runs.append([mark])
    if not runs or any(len(run) < 2 for run in runs):
        raise BadInput("each way along the tape needs two marks or more, from far to near")
    found = [_between(run, times_s) for run in runs]
    if not all(a.rows for a in found):
        raise BadInput(
            f"no picture between the marks: the film lasts from {times_s[0]:g} to {times_s[-1]:g} s"
        )
    return found


def _between(run: Sequence[Mark], times_s: Sequence[float]) -> Approach:
    t, d = np.array([m.t_s for m in run]), np.array([m.range_m for m in run])
    off = _residual(t, d)
    even = off <= EVEN_M
    rows = []
    for frame, at in enumerate(times_s):
        if not t[0] <= at <= t[-1]:
            continue
        near = slice(None) if even else np.sort(np.argsort(np.abs(t - at))[:_NEAR_MARKS])
        slope, now = _line(t[near] - at, d[near])
        if slope < -_LEAST_CLOSING_M_S and now > 0:
            rows.append(Row(frame, at, now, -slope))
    return Approach(tuple(rows), off)


def from_sizes(seen: Sequence[Mark | None], times_s: Sequence[float]) -> list[Approach]:
    """The approaches in what a mark of known size told of each frame, None where it was not found.

    Raises `BadInput` when nothing comes nearer for long enough.
    """
    at = np.array([t for m, t in zip(seen, times_s, strict=True) if m is not None])
    d = np.array([m.range_m for m in seen if m is not None])
    found: list[Approach] = []
    rows: list[Row] = []
    offs: list[float] = []
    for frame, t in enumerate(times_s):
        # At the film's ends the window does not shrink: half of it would tell the speed worse.
        middle = np.clip(t, at[0] + _WINDOW_S / 2, max(at[-1] - _WINDOW_S / 2, at[0])) if len(at) else t
        near = np.abs(at - middle) <= _WINDOW_S / 2
        if near.sum() >= _LEAST_SEEN:
            slope, now = _line(at[near] - t, d[near])
            if slope < -_LEAST_CLOSING_M_S and now > 0:
                rows.append(Row(frame, t, now, -slope))
                offs.append(float(np.abs(d[near] - now - slope * (at[near] - t)).max()))
                continue
        if rows and t - rows[-1].t_s > _GAP_S:
            found.append(Approach(tuple(rows), max(offs)))
            rows, offs = [], []
    if rows:
        found.append(Approach(tuple(rows), max(offs)))
    found = [a for a in found if a.rows[-1].t_s - a.rows[0].t_s >= _LEAST_S]
    if not found:
        raise BadInput(
            f"the mark was found in {len(at)} of {len(times_s)} pictures, and never came nearer for {_LEAST_S:g} s; "
            "is it flat, lit, and all of it in the picture?"
        )
    return found


def _line(t: Array, d: Array) -> tuple[float, float]:
    """Slope, and height at 0, of the line through the points that most agree: what is far off it does not count."""
    slope, now = np.polyfit(t, d, 1)
    if len(t) > _LEAST_SEEN:
        off = np.abs(d - now - slope * t)
        kept = off <= 3 * max(float(np.median(off)), 1e-3)
        slope, now = np.polyfit(t[kept], d[kept], 1)
    return float(slope), float(now)


def _residual(t: Array, d: Array) -> float:
    slope, now = np.polyfit(t, d, 1)
    return float(np.abs(d - now - slope * t).max())


class MarkReader:
    """Finds the printed mark, its black square `side_m` wide, and tells how far away it is."""

    def __init__(self, side_m: float, width_px: int, height_px: int, hfov_deg: float) -> None:
        focal = 0.5 * width_px / math.tan(math.radians(hfov_deg) / 2)
        self._lens = np.array([[focal, 0, width_px / 2 - 0.5], [0, focal, height_px / 2 - 0.5], [0, 0, 1.0]])
        h = side_m / 2
        self._corners = np.array([[-h, h, 0], [h, h, 0], [h, -h, 0], [-h, -h, 0]], np.float32)
        settings = cv2.aruco.DetectorParameters()
        settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        self._finder = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(_MARKER), settings)

    def read(self, image: Image, t_s: float) -> Mark | None:
        """The distance from the lens to the mark's middle, however the camera is turned; None where it is not seen."""
        corners, ids, _ = self._finder.detectMarkers(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        for quad, number in zip(corners, [] if ids is None else ids.ravel(), strict=True):
            if number == MARKER_ID:
                ok, _, place = cv2.solvePnP(
                    self._corners, quad[0], self._lens, None, flags=cv2.SOLVEPNP_IPPE_SQUARE
                )
                distance = float(np.linalg.norm(place)) if ok else math.nan
                return Mark(t_s, distance) if 0 < distance <= _FARTHEST_M else None
        return None


def marker(side_px: int = 800) -> Image:
    """The mark to print, grey (1.25 `side_px` square): a black square of `side_px` with a white rim around it."""
    square = cv2.aruco.generateImageMarker(cv2.aruco.getPredefinedDictionary(_MARKER), MARKER_ID, side_px)
    rim = side_px // 8
    printed: Image = cv2.copyMakeBorder(square, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=255)
    return printed
