"""The picture as image flow and looming look at it: small, grey, and of a usual lens, whatever the camera's.

What stands up from the ground is told by fractions of a pixel, so that what matters is pixels per degree. A wide lens's
whole picture at one width would have half of them; its middle has as many as a usual lens's whole picture, at the
same cost. What a wide lens sees beside that is the detector's.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rearguard.ego.pinhole import Array, Pinhole
from rearguard.types import Box, Image

_MOST_HFOV_DEG = 70.0  # about the usual lens, 66°, at which both were measured


class SmallView:
    """The middle of the frames of one lens, scaled down to a width.

    `lens` is that of the small picture, `part` which part of the frame it shows, in shares of it.
    """

    def __init__(self, frame: Pinhole, width_px: int) -> None:
        usual_px = 2 * frame.focal_px * math.tan(math.radians(_MOST_HFOV_DEG) / 2)
        share = min(1.0, usual_px / frame.width_px)
        width, height = round(frame.width_px * share), round(frame.height_px * share)
        self._left, self._top = (frame.width_px - width) // 2, (frame.height_px - height) // 2
        self._cut = (slice(self._top, self._top + height), slice(self._left, self._left + width))
        self.part = Box(
            self._left / frame.width_px,
            self._top / frame.height_px,
            (self._left + width) / frame.width_px,
            (self._top + height) / frame.height_px,
        )
        self._zoom = width_px / width
        self.lens = Pinhole(width_px, max(16, round(height * self._zoom)), frame.focal_px * self._zoom)

    def shrink(self, image: Image) -> Image:
        """The small grey picture of a frame."""
        size = (self.lens.width_px, self.lens.height_px)
        small = cv2.resize(image[self._cut], size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)) if small.ndim == 3 else small

    def to_small(self, box: Box, pad: float = 0.0) -> Box:
        """A box of the frame, wider by `pad` all round, in small pixels; it may lie outside."""
        z = self._zoom
        return Box(
            (box.x0 - pad - self._left) * z,
            (box.y0 - pad - self._top) * z,
            (box.x1 + pad - self._left) * z,
            (box.y1 + pad - self._top) * z,
        )

    def to_frame(self, points: Array) -> Array:
        """Small points (n, 2) in the frame's pixels."""
        return np.asarray(points / self._zoom + np.array([self._left, self._top], float))
