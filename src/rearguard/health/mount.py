"""Whether the camera sits upright and looks where the wearer goes, told by how the world flows past.

    watch = MountWatch()
    watch.check_mount(small, at_ns)     # Wrong.NOTHING while all is well, or nothing is known

Who moves forward sees the near ground flow out of the picture at its lower edge, and little flow above. Turns of the
camera move everything alike and cancel in the difference between a band at an edge and the middle; what is left adds
up over seconds. Flow out of the *upper* edge alone is a picture upside down, out of one side alone, with the light
on the other, a picture on its side; flow inwards is a camera that looks back. A picture that falls through as a whole
shows the ground and nothing else.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.ego.ignored import Ignored
from rearguard.types import Image

Floats = NDArray[np.floating[Any]]

_EACH_S = 0.1  # two pictures in a row are compared at most so often: more costs time and says no more
_WINDOW_S = 5.0  # steps swing the camera by 15 times the flow that tells; halved, they are not averaged away
_KNOWN = 0.5  # of the window's pictures must show enough
_STOPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03)  # a third of the iterations, and as good
_FLOW_PX = 13
_POINTS, _LEAST_POINTS, _LEAST_IN_BAND = 100, 12, 4
_BAND = 0.28  # of the picture at each edge; the middle is as wide
# Flows in pictures' widths a second: 2.5 m/s at chest height is 0.07 at the lower edge of a 66 degree picture.
_OUT = 0.04  # a band flows out: from a slow jog on
_IN = -0.045  # and in
_STILL_SHARE = 0.3  # and the band across by at most so much of that
_ALIKE = 0.62  # of the pictures show it the same way: what leans on a few is a turn or somebody who passes
_TIMES = 3.0  # it flows so many times more than the band across
_SIDE_OUT = 0.15
_SIDE_TIMES = 3.0
_LIGHTER = 25.0  # grey levels between the sky's side and the ground's
_EVEN = 15.0  # and at most so many between top and bottom
_FALLS = 0.25  # the whole picture falls through: the camera would have to tumble


class Wrong(StrEnum):
    """How a camera can sit."""

    NOTHING = "nothing"
    UPSIDE_DOWN = "upside down"
    ON_ITS_SIDE = "on its side"
    LOOKS_BACK = "looks away from where you go"
    LOOKS_DOWN = "looks at the ground"


class MountWatch:
    """Feeds on small grey pictures in order; the wearer's `own` parts are left out."""

    def __init__(self, own: Ignored | None = None) -> None:
        self._own = own or Ignored()
        self._last: tuple[int, Image] | None = None
        self._flows: deque[tuple[int, Floats]] = deque()
        self._window: NDArray[np.float32] | None = None
        self._told = Wrong.NOTHING

    def check_mount(self, small: Image, at_ns: int) -> Wrong:
        """What is wrong with how the camera sits, by the last seconds. `small`: grey uint8 (height, width)."""
        before, self._last = self._last, (at_ns, small)
        if before is None or before[1].shape != small.shape or not 0 < at_ns - before[0] < NS_PER_S // 2:
            self._told = Wrong.NOTHING
        elif not self._flows or not 0 <= at_ns - self._flows[-1][0] < _EACH_S * NS_PER_S:
            rate = NS_PER_S / (at_ns - before[0]) / small.shape[1]
            self._flows.append((at_ns, self._bands(before[1], small) * rate))
            while at_ns - self._flows[0][0] > _WINDOW_S * NS_PER_S:
                self._flows.popleft()
            known = at_ns - self._flows[0][0] >= 0.9 * _WINDOW_S * NS_PER_S
            self._told = (
                _judge(np.stack([flow for _, flow in self._flows]), small) if known else Wrong.NOTHING
            )
        return self._told

    def _bands(self, before: Image, after: Image) -> Floats:
        """How far the bottom, top, left and right bands flow outwards against the middle, and the middle downwards."""
        none = np.full(5, np.nan)
        h, w = before.shape
        mask = self._own.seen((w, h), _FLOW_PX // 2)
        points = cv2.goodFeaturesToTrack(before, _POINTS, 0.01, 5, mask=mask, blockSize=5)
        if points is None or len(points) < _LEAST_POINTS:
            return none
        if self._window is None or self._window.shape != (h, w):
            self._window = self._own.window((w, h))
        shift, _ = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), self._window)
        guess = points + np.array(shift, np.float32)
        moved, found, _ = cv2.calcOpticalFlowPyrLK(
            before, after, points, guess, winSize=(_FLOW_PX, _FLOW_PX), maxLevel=2, criteria=_STOPS,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )  # fmt: skip
        good = found.ravel() == 1
        at = points[good].reshape(-1, 2)
        flow = moved[good].reshape(-1, 2) - at
        x, y = at[:, 0] / w, at[:, 1] / h
        half = _BAND / 2
        middle_y, middle_x = (
            _median(flow[:, 1], abs(y - 0.5) < half),
            _median(flow[:, 0], abs(x - 0.5) < half),
        )
        return np.array([
            _median(flow[:, 1], y > 1 - _BAND) - middle_y,
            middle_y - _median(flow[:, 1], y < _BAND),
            middle_x - _median(flow[:, 0], x < _BAND),
            _median(flow[:, 0], x > 1 - _BAND) - middle_x,
            middle_y,
        ])  # fmt: skip


def _median(values: Floats, where: NDArray[np.bool_]) -> float:
    some = np.sort(values[where])  # np.median takes ten times as long over so few
    n = len(some)
    return float(0.5 * (some[(n - 1) // 2] + some[n // 2])) if n >= _LEAST_IN_BAND else float("nan")


def _judge(flows: Floats, small: Image) -> Wrong:
    """What five seconds of band flows (n, 5) and the light of the last picture say."""
    known = np.isfinite(flows).mean(axis=0) >= _KNOWN
    means = [float(np.nanmean(flows[:, k])) if known[k] else math.nan for k in range(5)]
    bottom, top, left, right, falls = (
        _steady(flows[:, k], means[k]) if known[k] else math.nan for k in range(5)
    )
    if known[4] and falls > _FALLS:
        return Wrong.LOOKS_DOWN
    if not (known[0] and known[1]):
        return Wrong.NOTHING
    # Of the edges' bands the means tell: medians are drawn to the steps' turning points.
    out, back = (float((sign * flows[:, k] > 0).mean()) >= _ALIKE for k, sign in ((1, 1), (0, -1)))
    if out and means[1] > _OUT and means[0] < means[1] * _STILL_SHARE:
        return Wrong.UPSIDE_DOWN
    if back and bottom < _IN and abs(bottom) > _TIMES * abs(top):
        return Wrong.LOOKS_BACK
    if known[2] and known[3] and _on_side(bottom, top, left, right, small):
        return Wrong.ON_ITS_SIDE
    return Wrong.NOTHING


def _steady(values: Floats, mean: float) -> float:
    """The smaller of mean and median: what passes by moves the one, what stands at an edge the other."""
    middle = _median(values, np.isfinite(values))
    return 0.0 if mean * middle < 0 else min(mean, middle, key=abs)


def _on_side(bottom: float, top: float, left: float, right: float, small: Image) -> bool:
    """One side flows out like ground, the light comes from the other: a wall beside the path has the sky above."""
    most, other = max(left, right), min(left, right)
    if most < _SIDE_OUT or most < _SIDE_TIMES * max(abs(other), abs(bottom), abs(top)):
        return False
    h, w = small.shape
    y, x = round(_BAND * h), round(_BAND * w)
    above, below = float(small[:y].mean()), float(small[-y:].mean())
    lefts, rights = float(small[:, :x].mean()), float(small[:, -x:].mean())
    sky_side = lefts - rights if right > left else rights - lefts
    return sky_side > _LIGHTER and abs(above - below) < _EVEN
