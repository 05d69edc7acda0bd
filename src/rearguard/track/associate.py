"""Which detection continues which track: one assignment by statistical distance.

The distance is Mahalanobis' in what the filter foretells of a box: the place of its middle and the ln of its height,
each in units of how unsure the prediction and the box are together, solved as a linear assignment problem (Jonker &
Volgenant 1987, by the `lap` library).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

from rearguard.track.clipping import Cut
from rearguard.types import Box, Detection

# Of three measured numbers: a true match is further off than this once in two hundred times.
GATE = 13.0
_SIZE_SD = 0.05  # of a predicted ln height, beyond what the filter knows: people bend and lift arms
_STRAYS = 0.12  # of a box's height: how far its middle strays as limbs and shadows move
_WIDTH_GATE = 0.9  # ln: nobody gets more than twice as wide at once
# Labels the detector takes for one another; across these groups nothing is the same thing.
_GROUPS = (
    {"car", "truck", "bus", "train"},
    {"bicycle", "motorcycle"},
    {"dog", "cat", "sheep", "cow", "horse"},
    {"bench", "chair", "dining table", "potted plant", "suitcase", "fire hydrant"},
)
_GROUP_OF = {label: i for i, group in enumerate(_GROUPS) for label in group}
_FAR = 1e3
_COMPARABLE = 0.5  # somebody far behind, half as tall, does not confuse a box


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a track's next box: where, with the deviation of its middle (px), and its ln height's."""

    label: str
    box: Box
    place_sd_px: float
    ln_height_sd: float
    cut: Cut  # which edges of the picture the box is expected to reach


def distance(expected: Expected, detection: Detection, whole: Box, cut: Cut) -> float:
    """The squared distance of a detection, its box `whole` and as `cut` by the picture's edge, from a track's.

    Infinite where it cannot be the same thing: another kind of label, another width, or beyond the gate. A box that an
    edge cuts may be smaller than expected only where the track is expected to reach that edge.
    """
    if group(expected.label) != group(detection.label):
        return math.inf
    then = expected.box
    place = expected.place_sd_px**2 + (_STRAYS * max(then.height, 0.5 * then.width, 8.0)) ** 2
    aside = whole.cx - then.cx
    if aside * aside > GATE * place:  # most are too far aside, whatever their size
        return math.inf
    if math.log(max(whole.width, 1.0) / max(then.width, 1.0)) > _WIDTH_GATE:
        return math.inf
    size = math.log(max(whole.height, 1.0) / max(then.height, 1.0))
    cy = then.cy
    if (cut.bottom and expected.cut.bottom) or (cut.top and expected.cut.top):
        size = max(size, 0.0)
        # What is left of it has its middle elsewhere: the side that is seen is compared.
        cy = whole.cy
        if not cut.top:
            cy += then.y0 - whole.y0
        elif not cut.bottom:
            cy += then.y1 - whole.y1
    away = (aside**2 + (whole.cy - cy) ** 2) / place
    return away + size**2 / (expected.ln_height_sd**2 + _SIZE_SD**2)


def shared(label: str, then: Box, found: Detection) -> float:
    """How much was found of where a thing of this label is expected, 0..1: of the union of both boxes, or of their
    width where what was found may be an upper or lower part of the thing."""
    now, strays = found.box, _STRAYS * then.height
    outside = now.y0 < then.y0 - strays or now.y1 > then.y1 + strays
    if outside or group(found.label) != group(label):
        return then.iou(now)
    both = min(then.x1, now.x1) - max(then.x0, now.x0)
    return max(then.iou(now), both / (then.width + now.width - both))


def taller_by(expected: Expected, detection: Detection) -> float:
    """By how many deviations of ln height a box is taller than expected."""
    off = math.log(max(detection.box.height, 1.0) / max(expected.box.height, 1.0))
    return off / math.hypot(expected.ln_height_sd, _SIZE_SD)


def group(label: str) -> int | str:
    """The group of labels that the detector takes for one another, or the label itself."""
    return _GROUP_OF.get(label, label)


def assign(costs: NDArray[np.float64], gate: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; a pair above the gate is no pair. `costs` is (tracks, detections)."""
    if costs.size == 0:
        return []
    gated = np.where(costs <= gate, costs, _FAR)
    if costs.size == 1:
        return [(0, 0)] if gated[0, 0] < _FAR else []
    _, rows, columns = lap.lapjvx(gated, extend_cost=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gated[i, j] < _FAR]


def crowding(box: Box, others: Sequence[Box]) -> float:
    """How much of a box the most intrusive of the others shares with it, 0..1 of the smaller one's area."""
    most = 0.0
    for other in others:
        if other.x0 >= box.x1 or other.x1 <= box.x0:  # nothing in common
            continue
        if other is not box and other.height > _COMPARABLE * box.height:
            most = max(most, box.shared(other) / max(min(box.area, other.area), 1.0))
    return min(most, 1.0)
