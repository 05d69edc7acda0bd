"""Pixelate the heads of people before a picture is stored: bystanders did not ask to be in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rearguard.words import Box

if TYPE_CHECKING:
    from rearguard.words import Image

# Share of a person box that is head, seen whole. A person near the camera is cut by the lower edge, so that
# the head is more of the box than that; the box's width then tells its size: shoulders are about 2 heads wide.
HEAD_OF_HEIGHT = 0.25
HEAD_OF_WIDTH = 0.6
MARGIN = 0.15  # of the head's height above, of the box's width at the sides; detectors cut tight
BLOCKS = 4  # across a head: too few for a face to be told from another
MIN_BLOCK_PX = 6


def head(box: Box) -> Box:
    """The part of a person's box that holds the head, with a margin, in the same pixels."""
    tall = min(box.height, max(HEAD_OF_HEIGHT * box.height, HEAD_OF_WIDTH * box.width))
    side = MARGIN * box.width
    return Box(box.x0 - side, box.y0 - MARGIN * tall, box.x1 + side, box.y0 + (1 + MARGIN) * tall)


def redact(image: Image, people: Iterable[Box]) -> Image:
    """A copy of a BGR picture (height, width, 3) with the head of every person box pixelated.

    Each block of `block_px(head)` pixels becomes its own mean colour, so nothing finer is left. `people`
    should be every person the detector saw in this frame, however doubtful.
    """
    out = image.copy()
    height, width = image.shape[:2]
    for box in people:
        area = head(box)
        if not all(map(math.isfinite, (area.x0, area.y0, area.x1, area.y1))):
            continue
        x0, y0 = max(0, math.floor(area.x0)), max(0, math.floor(area.y0))
        x1, y1 = min(width, math.ceil(area.x1)), min(height, math.ceil(area.y1))
        if x1 > x0 and y1 > y0:
            _pixelate(out[y0:y1, x0:x1], block_px(area))
    return out


def _pixelate(part: Image, step: int) -> None:
    """Give each block of `step` pixels its mean colour, in place; those at the far edges may be smaller."""
    import numpy as np

    height, width = part.shape[:2]
    ys, xs = np.arange(0, height, step), np.arange(0, width, step)
    high, wide = np.diff(ys, append=height), np.diff(xs, append=width)
    sums = np.add.reduceat(np.add.reduceat(part, ys, axis=0, dtype=np.uint32), xs, axis=1)
    means = (sums // (high[:, None] * wide[None, :])[:, :, None]).astype(np.uint8)
    part[:] = means.repeat(high, axis=0).repeat(wide, axis=1)


def block_px(area: Box) -> int:
    """Side of the blocks that an area is pixelated with, in pixels."""
    return max(MIN_BLOCK_PX, -int(-min(area.width, area.height) // BLOCKS))
