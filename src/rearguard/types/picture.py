"""A picture, a box in it, and what the detector saw in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from rearguard.types.bounds import Label, Pixels, Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A string, so that the name can be imported where NumPy is not.
Image: TypeAlias = "NDArray[np.uint8]"


class Box(msgspec.Struct, frozen=True, array_like=True):
    """An axis-aligned box in picture pixels: left, top, right, bottom; x grows right, y grows down."""

    x0: Pixels
    y0: Pixels
    x1: Pixels
    y1: Pixels

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def cx(self) -> float:
        return 0.5 * (self.x0 + self.x1)

    @property
    def cy(self) -> float:
        return 0.5 * (self.y0 + self.y1)

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def shared(self, other: Box) -> float:
        """The area two boxes have in common, px²."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, 0..1; 0 for boxes without an area."""
        both = self.shared(other)
        return both / (self.area + other.area - both) if both > 0 else 0.0


Region: TypeAlias = tuple[Share, Share, Share, Share]
"""A rectangle of the picture: left, top, right, bottom as shares of its width and height."""


def hidden_share(box: Box, regions: Sequence[Region]) -> float:
    """How much of a box, itself in shares of the picture, lies in any of the regions: 0 to 1."""
    cut = [
        Box(max(x0, box.x0), max(y0, box.y0), min(x1, box.x1), min(y1, box.y1)) for x0, y0, x1, y1 in regions
    ]
    parts = sorted((p for p in cut if p.width > 0 and p.height > 0), key=lambda p: p.x0)
    hidden = 0.0
    for top, bottom in pairwise(sorted({y for part in parts for y in (part.y0, part.y1)})):
        reached = box.x0
        for part in parts:
            if part.y0 <= top and bottom <= part.y1:  # what several regions hide of a strip counts once
                hidden += (bottom - top) * max(0.0, part.x1 - max(part.x0, reached))
                reached = max(reached, part.x1)
    return hidden / box.area if hidden else 0.0


class TrueThing(msgspec.Struct, frozen=True):
    """Ground truth of one thing in a simulated world at the moment of a frame.

    `ttc_s` is the time until the gap along the path closes at the present speeds (None: not closing),
    `miss_m` the lateral distance from the wearer's path at that moment, positive to picture-right.
    """

    name: str
    label: str
    box: Box | None
    range_m: float
    lateral_m: float
    ttc_s: float | None
    miss_m: float


class Frame(msgspec.Struct, frozen=True):
    """One picture: BGR uint8 (height, width, 3), its capture time and its sequence number.

    `captured_ns` is CLOCK_MONOTONIC for a live source and the source's own time, from 0, for a file or
    a simulation that is not run in real time. `dim`: the camera's exposure and gain are at their ends.
    """

    seq: int
    captured_ns: int
    image: Image
    truth: tuple[TrueThing, ...] = ()
    dim: bool = False


class Detection(msgspec.Struct, frozen=True, array_like=True):
    """Something the detector saw: box in frame pixels, label (COCO name), score 0..1."""

    box: Box
    label: Label
    score: Share
