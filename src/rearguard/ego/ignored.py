"""The parts of the picture that show the wearer's own things, or dirt, and that nothing is to be told from.

    own = Ignored(config.camera.ignore, (lens.width_px, lens.height_px))
    own.holds(detection.box)        # it is of the strap, or hidden by it
    own.seen((320, 180))            # 255 where the world is seen, for pictures of that size; None: everywhere

Each stage asks here, so that all of them leave out the same places. Masks are kept, and not to be written to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.types import Box, Image, Region, hidden_share

# Of a box, within the regions. A detector's boxes of the same strap tremble by a tenth each way. Whoever shows a fifth
# or more beside the strap is kept: a warning too many is better than one too few.
_OWN = 0.8
_SOFT_PX = 7


class Ignored:
    """Regions as shares of the picture, for boxes in pixels of one of this size (width, height)."""

    def __init__(self, regions: Sequence[Region] = (), size: tuple[int, int] = (1, 1)) -> None:
        self._regions = tuple(regions)
        self._size = size

    def holds(self, box: Box) -> bool:
        """Whether a box, in pixels, lies mostly inside; one that contains a region does not."""
        if not self._regions:
            return False
        w, h = self._size
        return hidden_share(Box(box.x0 / w, box.y0 / h, box.x1 / w, box.y1 / h), self._regions) >= _OWN

    def within(self, part: Box) -> Ignored:
        """The regions as shares of a part of the picture, which is itself in shares of the picture; for masks only."""
        return Ignored(
            [
                ((x0 - part.x0) / part.width, (y0 - part.y0) / part.height,
                 (x1 - part.x0) / part.width, (y1 - part.y0) / part.height)
                for x0, y0, x1, y1 in self._regions
                if part.shared(Box(x0, y0, x1, y1)) > 0
            ]
        )  # fmt: skip

    def seen(self, size: tuple[int, int], margin_px: int = 0) -> Image | None:
        """255 where pictures of this size (width, height) show the world, else 0; None where all of it does.

        With a margin also what lies so near that a window around it reaches into a region is left out.
        """
        return _seen(self._regions, size, margin_px) if self._regions else None

    def tiles(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Which tiles of the picture lie mostly inside, (rows, columns)."""
        return _tiles(self._regions, rows, columns)

    def window(self, size: tuple[int, int], height_share: float = 1.0) -> NDArray[np.float32]:
        """Weights for comparing as a whole the upper `height_share` of pictures, (width, height) in size: less towards
        the edges, the regions' too, none inside."""
        window = np.asarray(cv2.createHanningWindow(size, cv2.CV_32F), np.float32)
        seen = self.seen((size[0], round(size[1] / height_share)), _SOFT_PX // 2)
        if seen is None:
            return window
        soft = cv2.blur(seen, (_SOFT_PX, _SOFT_PX))[: size[1]]
        return np.asarray(window * (soft / np.float32(255)), np.float32)


@cache
def _seen(regions: tuple[Region, ...], size: tuple[int, int], margin_px: int) -> Image:
    width, height = size
    seen = np.full((height, width), 255, np.uint8)
    for x0, y0, x1, y1 in regions:
        rows = slice(max(0, int(y0 * height) - margin_px), math.ceil(y1 * height) + margin_px)
        seen[rows, max(0, int(x0 * width) - margin_px) : math.ceil(x1 * width) + margin_px] = 0
    return seen


@cache
def _tiles(regions: tuple[Region, ...], rows: int, columns: int) -> NDArray[np.bool_]:
    tiles = [
        Box(c / columns, r / rows, (c + 1) / columns, (r + 1) / rows)
        for r in range(rows)
        for c in range(columns)
    ]
    return np.array([hidden_share(tile, regions) >= 0.5 for tile in tiles], np.bool_).reshape(rows, columns)
