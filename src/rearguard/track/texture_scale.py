"""How much a thing grew between two frames, from the picture itself.

A detector's box trembles, and lies for a while when somebody steps out from behind something or lifts an
arm. The texture inside it does neither: corners on the body are followed from frame to frame (pyramidal
Lucas-Kanade) and a similarity is fitted to their motion (RANSAC), whose scale is the growth, to a fraction
of a pixel. The idea is that of MedianFlow (Kalal et al. 2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from rearguard.types import Box, Growth, Image

_WORK_HEIGHT_PX = 110.0  # boxes are looked at in this size: enough texture, little work
_LARGEST_ZOOM = 2.0
_MARGIN = 0.25  # of the box's height around it, for what moves
_MOST_CORNERS = 40
_LEAST_CORNERS = 6
_LEAST_AGREEING = 0.5
_RANSAC_PX = 1.2
_LEAST_HEIGHT_PX = 24.0
# The fit's own spread is optimistic: limbs move, and the shutter rolls. Measured against hand-made boxes.
_LEAST_SD = 0.008
_PIXEL_SD = 0.4


def measure_growth(
    before: Image, after: Image, then: Mapping[int, Box], now: Mapping[int, Box], seen: Image | None = None
) -> tuple[Growth, ...]:
    """The growth of each thing between two grey pictures (height, width).

    `then` are the boxes in the first picture by place among its detections, `now` where each is expected in the
    second. Things whose texture does not tell are left out. `seen` is 255 where the pictures show the world
    (`Ignored.seen`); None: everywhere.
    """
    found = ((i, _one(before, after, box, now[i], seen)) for i, box in then.items())
    return tuple(Growth(i, *grown) for i, grown in found if grown is not None)


def _one(before: Image, after: Image, then: Box, now: Box, seen: Image | None) -> tuple[float, float] | None:
    if then.height < _LEAST_HEIGHT_PX or then.width < 8:
        return None
    zoom = min(_WORK_HEIGHT_PX / then.height, _LARGEST_ZOOM)
    # One size for both cuts: computed from each box by itself, the two could differ by a pixel.
    pad = _MARGIN * then.height
    size = (
        max(8, round((then.width + 2 * pad) * zoom)),
        max(8, round((then.height + 2 * pad) * zoom)),
    )
    first = _cut(before, then, size)
    # The second cut is the first one moved, not scaled, so that all growth is left in the flow.
    moved = Box(
        now.cx - then.width / 2, now.cy - then.height / 2, now.cx + then.width / 2, now.cy + then.height / 2
    )
    second = _cut(after, moved, size)
    if first is None or second is None:
        return None
    # The trunk and head: the middle of the box, without feet and ground.
    mask = np.zeros(first.shape, np.uint8)
    height, width = first.shape
    pad = _MARGIN * then.height * zoom
    x0, x1 = pad + 0.1 * then.width * zoom, width - pad - 0.1 * then.width * zoom
    mask[int(pad) : max(int(height - pad - 0.2 * then.height * zoom), 1), int(x0) : max(int(x1), 1)] = 255
    if seen is not None and (shown := _cut(seen, then, size)) is not None:
        mask[shown < 255] = 0
    corners = cv2.goodFeaturesToTrack(first, _MOST_CORNERS, 0.01, 4, mask=mask, blockSize=3)
    if corners is None or len(corners) < _LEAST_CORNERS:
        return None
    flowed, ok, _ = cv2.calcOpticalFlowPyrLK(
        first, second, corners, np.zeros_like(corners), winSize=(13, 13), maxLevel=3, criteria=(3, 15, 0.02)
    )
    good = ok.ravel() == 1
    p, q = corners[good].reshape(-1, 2), flowed[good].reshape(-1, 2)
    if len(p) < _LEAST_CORNERS:
        return None
    fit, inliers = cv2.estimateAffinePartial2D(p, q, method=cv2.RANSAC, ransacReprojThreshold=_RANSAC_PX)
    if fit is None:
        return None
    agree = inliers.ravel() == 1
    n = int(agree.sum())
    if n < _LEAST_CORNERS or n < _LEAST_AGREEING * len(p):
        return None
    scale = math.hypot(fit[0, 0], fit[1, 0])
    spread = float(np.sqrt(np.mean(np.sum((p[agree] - p[agree].mean(axis=0)) ** 2, axis=1))))
    error = q[agree] - (p[agree] @ fit[:, :2].T + fit[:, 2])
    residual = float(np.sqrt(np.mean(np.sum(error**2, axis=1))))
    if not (0.5 < scale < 2.0) or spread < 2.0:
        return None
    sd = math.hypot(_LEAST_SD, _PIXEL_SD / then.height, residual / (spread * math.sqrt(n)))
    return math.log(scale), sd


def _cut(grey: Image, box: Box, size: tuple[int, int]) -> Image | None:
    """The box with its margin out of a picture, resized; outside the picture the edge is repeated."""
    pad = _MARGIN * box.height
    width, height = box.width + 2 * pad, box.height + 2 * pad
    if box.x1 < 0 or box.y1 < 0 or box.x0 > grey.shape[1] or box.y0 > grey.shape[0]:
        return None
    sx, sy = size[0] / width, size[1] / height
    matrix = np.array([[sx, 0, -(box.x0 - pad) * sx], [0, sy, -(box.y0 - pad) * sy]], np.float64)
    return np.asarray(
        cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
