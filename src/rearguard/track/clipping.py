"""What the picture's edge hides of a box, and the whole box guessed back from what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

from rearguard.ego.pinhole import Pinhole
from rearguard.types import Box

# Of the shorter side: boxes of things the edge cuts end up to so far inside it (measured on rendered people).
_EDGE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Cut:
    """Which sides of a box the picture's edge cuts."""

    left: bool
    top: bool
    right: bool
    bottom: bool

    @property
    def beside(self) -> bool:
        """The width is no measure of the thing."""
        return self.left or self.right

    @property
    def upright(self) -> bool:
        """The height is no measure of the thing."""
        return self.top or self.bottom

    @property
    def anywhere(self) -> bool:
        """Some of it is out of sight."""
        return self.beside or self.upright


def cut(box: Box, lens: Pinhole) -> Cut:
    """Where a box touches the picture's edge."""
    edge = _EDGE_SHARE * min(lens.width_px, lens.height_px)
    return Cut(
        box.x0 <= edge,
        box.y0 <= edge,
        box.x1 >= lens.width_px - edge,
        box.y1 >= lens.height_px - edge,
    )


def whole(box: Box, sides: Cut, width_px: float) -> Box:
    """The box as it would be in a wider picture, were the thing `width_px` wide: its inner side is seen.

    A box cut on both sides, or wider than that already, stays as it is.
    """
    if sides.left == sides.right or box.width >= width_px:
        return box
    if sides.left:
        return Box(box.x1 - width_px, box.y0, box.x1, box.y1)
    return Box(box.x0, box.y0, box.x0 + width_px, box.y1)


def visible(box: Box, lens: Pinhole) -> Box:
    """The part of a box inside the picture; a sliver of one pixel at the edge where nothing is."""
    x0 = min(max(box.x0, 0.0), lens.width_px - 1.0)
    y0 = min(max(box.y0, 0.0), lens.height_px - 1.0)
    x1, y1 = min(box.x1, float(lens.width_px)), min(box.y1, float(lens.height_px))
    return Box(x0, y0, max(x1, x0 + 1.0), max(y1, y0 + 1.0))
