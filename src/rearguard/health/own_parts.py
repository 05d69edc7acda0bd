"""Parts of the picture that stay as they are while the world flows by: a strap, an elbow, a scratch on the lens.

    parts = OwnParts(camera)
    parts.look(small, at_ns)        # each small grey picture
    parts.regions                   # proposals for `camera.ignore`

A slope of brightness that moves by a pixel changes each pixel by as much as it is steep. So what changes by less than a
part of its slope, while the picture as a whole moves by more than a pixel, is an outline of what moves with the camera;
and what such an outline encloses and does not change either is the wearer's own. Sky does not change, but no outline
encloses it. Pictures in which little moves tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.config.path import MOST_HIDDEN, hidden_of_path
from rearguard.ego.ignored import Ignored
from rearguard.types import Image, Region

Floats = NDArray[np.floating[Any]]

_EACH_S = 0.5  # pictures closer together differ by less than tells
# Pictures compared: 20 s of moving before anything is proposed, the last 30 s count most.
_LEAST, _MOST = 40, 60
_WIDTH_PX = 80  # straps sway: half a pixel of this is half a percent of the picture
_MOVES_PX, _STAYS_PX = 1.0, 0.45  # by the median, the world; at most, an outline of one's own
_LEAST_SLOPE = 3.0  # grey levels per pixel; less is sky, haze, a soft shadow
_SHARP = 0.6  # of an outline's slope in single pictures, left of it in their mean
_STILL = 0.35  # of the usual change, within an outline
_ENCLOSED = 0.5  # of what encloses a still part is outline
_LEAST_PX = 12  # 0.3 % of the picture
_MARGIN_PX = 2  # soft edges, and what it sways by
_MOST_REGIONS = 4  # a picture with more of one's own is better put in order


class OwnParts:
    """Feeds on small grey pictures in order."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._last_ns: int | None = None
        self._before: Floats | None = None
        self._compared = 0
        self._means: Floats | None = None  # of brightness, slope and change, (3, height, width)

    def look(self, small: Image, at_ns: int) -> None:
        """Take note of a picture: grey uint8, (height, width)."""
        if self._last_ns is not None and 0 <= at_ns - self._last_ns < _EACH_S * NS_PER_S:
            return
        self._last_ns = at_ns
        height = max(8, round(_WIDTH_PX * small.shape[0] / small.shape[1]))
        values = np.asarray(cv2.resize(small, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.float32)
        before, self._before = self._before, values
        if before is None or before.shape != values.shape:
            return
        change, slope = np.abs(values - before), _slope(values)
        sloped = slope > _LEAST_SLOPE
        if not sloped.any() or np.median(change[sloped] / slope[sloped]) < _MOVES_PX:
            return
        now = np.stack([values, slope, change])
        if self._means is None or self._means.shape != now.shape:
            self._means, self._compared = np.zeros_like(now), 0
        self._compared = min(self._compared + 1, _MOST)
        self._means += (now - self._means) / self._compared

    @property
    def regions(self) -> tuple[Region, ...]:
        """What of the picture may be ignored, the largest first; nothing that the path needs."""
        if self._means is None or self._compared < _LEAST:
            return ()
        mask = _enclosed(*self._means)
        if (seen := Ignored(self._camera.ignore).seen((mask.shape[1], mask.shape[0]))) is not None:
            mask[seen == 0] = 0
        found: tuple[Region, ...] = ()
        for region in sorted(_boxes(mask), key=lambda r: (r[0] - r[2]) * (r[3] - r[1]))[:_MOST_REGIONS]:
            if hidden_of_path(self._camera, (*self._camera.ignore, *found, region)) <= MOST_HIDDEN:
                found = (*found, region)
        return found


def _enclosed(mean: Floats, slope: Floats, change: Floats) -> Image:
    """Where the picture stays as it is within an outline that does: 1, else 0."""
    outline = (slope > _LEAST_SLOPE) & (change < _STAYS_PX * slope) & (_slope(mean) > _SHARP * slope)
    still = (change < _STILL * np.median(change)) & ~outline
    kernel = np.ones((3, 3), np.uint8)
    mask = outline.astype(np.uint8)
    near = cv2.dilate(mask, kernel)
    # An outline has gaps where what is behind it looks like it: what is still beyond them is not of one piece with it.
    count, parts = cv2.connectedComponents(cv2.erode(still.astype(np.uint8), kernel), connectivity=4)
    for part in range(1, count):
        inside = cv2.dilate((parts == part).astype(np.uint8), kernel)
        ring = cv2.dilate(inside, kernel, borderValue=0) - inside
        if ring.any() and near[ring > 0].mean() >= _ENCLOSED:
            mask |= inside
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel), np.uint8)


def _boxes(mask: Image) -> Iterator[Region]:
    """The parts of a mask, as shares of the picture, a little larger than they are."""
    height, width = mask.shape
    for x, y, w, h, area in cv2.connectedComponentsWithStats(mask)[2][1:]:
        if area < _LEAST_PX:
            continue
        sides = (
            (x - _MARGIN_PX) / width, (y - _MARGIN_PX) / height,
            (x + w + _MARGIN_PX) / width, (y + h + _MARGIN_PX) / height,
        )  # fmt: skip
        x0, y0, x1, y1 = (round(min(max(float(side), 0.0), 1.0), 2) for side in sides)
        yield x0, y0, x1, y1


def _slope(values: Floats) -> Floats:
    """How steeply brightness changes at each pixel, grey levels per pixel."""
    x = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=1 / 8)
    y = cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(np.hypot(x, y), np.float32)
