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

from rearguard.words import Box, Detection

_SIZE_WEIGHT = 0.7
_LABEL_PENALTY = 0.3
_FAR = 1e3


def cost(predicted: Box, label: str, detection: Detection, *, sizes_count: bool) -> float:
    """How badly a detection fits a predicted box; 0 is perfect, above about 1 it is another thing."""
    box = detection.box
    height = max(predicted.height, 0.5 * predicted.width, 8.0)
    away = math.hypot(box.cx - predicted.cx, box.cy - predicted.cy) / height
    size = 0.0
    if sizes_count:
        size = abs(math.log(max(box.height, 1.0) / max(predicted.height, 1.0)))
    return away + _SIZE_WEIGHT * size + (0.0 if detection.label == label else _LABEL_PENALTY)


def assign(costs: NDArray[np.float64], gates: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; a pair above its row's gate is no pair.

    `costs` is (tracks, detections); `gates` one bound a track.
    """
    if costs.size == 0:
        return []
    limit = np.asarray(gates, dtype=np.float64)[:, None]
    gated = np.where(np.isfinite(costs) & (costs <= limit), costs, _FAR)
    _, rows, columns = lap.lapjvx(gated, extend_cost=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if gated[i, j] < _FAR]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    w = min(a.x1, b.x1) - max(a.x0, b.x0)
    h = min(a.y1, b.y1) - max(a.y0, b.y0)
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / (a.area + b.area - inter)
