"""Pixelate the heads of people before a picture is stored: bystanders did not ask to be in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rearguard.types import Box

if TYPE_CHECKING:
    from rearguard.types import Image

# Share of a person box that is head, seen whole. A person near the camera is cut by the lower edge, so that
# the head is more of the box than that; the box's width then tells its size: shoulders are about 2 heads wide.
HEAD_OF_HEIGHT = 0.25
HEAD_OF_WIDTH = 0.6
# Of the head's height above, of the box's width at the sides: detectors cut dark hair off, and lean heads out.
MARGIN_ABOVE, MARGIN_BESIDE = 0.5, 0.3
MARGIN_BELOW = 0.15
BLOCKS = 4  # across a head: too few for a face to be told from another
MIN_BLOCK_PX = 6


def head(box: Box, doubt: float = 0.0) -> Box:
    """The part of a person's box that holds the head, with a margin, in the same pixels.

    `doubt` widens the margin: by how much the box may be off, as a share of its width.
    """
    tall = min(box.height, max(HEAD_OF_HEIGHT * box.height, HEAD_OF_WIDTH * box.width))
    beside, off = MARGIN_BESIDE * box.width, doubt * box.width
    above, below = MARGIN_ABOVE * tall, MARGIN_BELOW * tall
    return Box(
        box.x0 - beside - off, box.y0 - above - off, box.x1 + beside + off, box.y0 + tall + below + off
    )


def redact(image: Image, areas: Iterable[Box]) -> Image:
    """A copy of a BGR picture (height, width, 3) with every area pixelated.

    Each block of `block_px(area)` pixels becomes its own mean colour, so nothing finer is left. `areas` are what
    `head` says of every person that is known, however doubtful.
    """
    out = image.copy()
    height, width = image.shape[:2]
    for area in areas:
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
