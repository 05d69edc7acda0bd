"""Which detection continues which track: one assignment over predicted boxes.

Between two frames of a running wearer a box may jump by more than its own width even after the turn of the
camera is removed, so that overlap (IoU) alone would lose it. The cost is the distance of the centres in units
of the box's height plus the change of size, solved as a linear assignment problem (Jonker & Volgenant 1987, by
the `lap` library).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import lap
import numpy as np
from numpy.typing import NDArray

from rearguard.track.edges import Cut
from rearguard.words import Box, Detection

_SIZE_WEIGHT = 0.7
_LABEL_PENALTY = 0.2
# A box that is this much larger or smaller than predicted (ln) is another thing, however near.
_SIZE_GATE = 0.25
_SIZE_GATE_UNSURE = 0.3
_COMPARABLE = 0.5  # somebody far behind, half as tall, does not confuse a box
_WIDTH_GATE = 0.8  # arms and legs swing, but nobody gets twice as wide at once
# Labels the detector takes for one another; across these groups nothing is the same thing.
_GROUPS = (
    {"car", "truck", "bus", "train"},
    {"bicycle", "motorcycle"},
    {"dog", "cat", "sheep", "cow", "horse"},
    {"bench", "chair", "dining table", "potted plant", "suitcase", "fire hydrant"},
)
_GROUP_OF = {label: i for i, group in enumerate(_GROUPS) for label in group}
_FAR = 1e3
_CUT_BESIDE = math.log(2)  # of who is half out of the picture an arm and a leg may be all that is found


def cost(
    predicted: Box, label: str, detection: Detection, *, size_px: float, size_sd: float, cut: Cut
) -> float:
    """How badly a detection fits a predicted box; 0 is perfect, above about 1 it is another thing.

    `size_px` is the height the whole thing should have, `size_sd` how unsure that is (ln); a detection `cut`
    by the picture's upper or lower edge may be smaller than that, one cut at its side down to half. Infinite
    where it cannot be the same thing: another kind of label, or another size.
    """
    box = detection.box
    same = detection.label == label
    if not same and _GROUP_OF.get(label, label) != _GROUP_OF.get(detection.label, detection.label):
        return math.inf
    size = math.log(max(box.height, 1.0) / max(size_px, 1.0))
    if size < 0 and cut.anywhere:
        size = 0.0 if cut.upright else max(0.0, -size - _CUT_BESIDE)
    size = abs(size)
    if size > _SIZE_GATE + min(2 * size_sd, _SIZE_GATE_UNSURE):
        return math.inf
    if math.log(max(box.width, 1.0) / max(predicted.width, 1.0)) > _WIDTH_GATE:
        return math.inf
    height = max(predicted.height, 0.5 * predicted.width, 8.0)
    away = math.hypot(box.cx - predicted.cx, box.cy - predicted.cy) / height
    return away + _SIZE_WEIGHT * size + (0.0 if same else _LABEL_PENALTY)


def assign(costs: NDArray[np.float64], gates: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; a pair above its row's gate is no pair.

    `costs` is (tracks, detections); `gates` one bound a track.
    """
    if costs.size == 0:
        return []
    if costs.size == 1:
        return [(0, 0)] if costs[0, 0] <= gates[0] else []
    limit = np.asarray(gates, dtype=np.float64)[:, None]
    gated = np.where(np.isfinite(costs) & (costs <= limit), costs, _FAR)
    _, rows, columns = lap.lapjvx(gated, extend_cost=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gated[i, j] < _FAR]


def crowding(box: Box, others: Sequence[Box]) -> float:
    """How much of a box the most intrusive of the others shares with it, 0..1 of the smaller one's area."""
    most = 0.0
    for other in others:
        if other is not box and other.height > _COMPARABLE * box.height:
            most = max(most, _shared(box, other) / max(min(box.area, other.area), 1.0))
    return min(most, 1.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    inter = _shared(a, b)
    return inter / (a.area + b.area - inter) if inter > 0 else 0.0


def _shared(a: Box, b: Box) -> float:
    """The area two boxes have in common, px²."""
    w = min(a.x1, b.x1) - max(a.x0, b.x0)
    h = min(a.y1, b.y1) - max(a.y0, b.y0)
    return w * h if w > 0 and h > 0 else 0.0
