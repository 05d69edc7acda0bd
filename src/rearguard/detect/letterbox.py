"""Fitting a picture of any size into a network's input, and boxes back out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rearguard.types import Image

_MAX_HALVINGS = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a picture lies inside the input: centred, its shape kept as far as whole pixels allow.

    x_input = x_picture · sx + left, y_input = y_picture · sy + top; coordinates are pixel edges.
    """

    sx: float
    sy: float
    left: int
    top: int
    width_px: int
    height_px: int

    @classmethod
    def of(cls, picture: tuple[int, int], into: tuple[int, int]) -> Fit:
        """Fit a picture of (width, height) pixels into an input of (width, height) pixels."""
        scale = min(into[0] / picture[0], into[1] / picture[1])
        width = min(into[0], max(1, round(picture[0] * scale)))
        height = min(into[1], max(1, round(picture[1] * scale)))
        left, top = (into[0] - width) // 2, (into[1] - height) // 2
        return cls(width / picture[0], height / picture[1], left, top, width, height)

    def to_picture(self, boxes: NDArray[Any]) -> NDArray[Any]:
        """Boxes (n, 4: left, top, right, bottom) from input pixels to picture pixels."""
        return (boxes - [self.left, self.top, self.left, self.top]) / [self.sx, self.sy, self.sx, self.sy]


class Letterbox:
    """Shrinks (or grows) pictures into one input buffer that is reused; borders are black."""

    BORDER = 0

    def __init__(self, into: tuple[int, int]) -> None:
        """`into` is the input's (width, height) in pixels."""
        self.into = into
        self._buffer: Image = np.full((into[1], into[0], 3), self.BORDER, np.uint8)
        self._fit: Fit | None = None
        self._seen = (0, 0)
        self._halves: dict[int, Image] = {}

    def put(self, image: Image) -> tuple[Image, Fit]:
        """The input buffer (height, width, 3) holding `image` (BGR uint8), valid until the next call."""
        size = (image.shape[1], image.shape[0])
        if self._fit is None or size != self._seen:
            self._fit, self._seen = Fit.of(size, self.into), size
            self._buffer.fill(self.BORDER)
        fit = self._fit
        inside = self._buffer[fit.top : fit.top + fit.height_px, fit.left : fit.left + fit.width_px]
        image = self._halve(image, fit)
        much = 2 * fit.height_px < image.shape[0] or 2 * fit.width_px < image.shape[1]
        method = cv2.INTER_AREA if much else cv2.INTER_LINEAR
        cv2.resize(image, (fit.width_px, fit.height_px), dst=inside, interpolation=method)
        return self._buffer, fit

    def _halve(self, image: Image, fit: Fit) -> Image:
        """`image`, averaged 2×2 for as long as it divides and stays as large as it is to become.

        Plain bilinear sampling skips over the thin, far figures; averaging to the exact size costs eight
        times as much as this (3.9 ms against 0.5 ms for 1280×720 into 576×320, measured on x86).
        """
        for step in range(_MAX_HALVINGS):
            (width, odd_x), (height, odd_y) = divmod(image.shape[1], 2), divmod(image.shape[0], 2)
            if odd_x or odd_y or width < fit.width_px or height < fit.height_px:
                break
            half = self._halves.get(step)
            if half is None or half.shape[:2] != (height, width):
                half = self._halves[step] = np.empty((height, width, 3), np.uint8)
            image = cv2.resize(image, (width, height), dst=half, interpolation=cv2.INTER_AREA)
        return image
