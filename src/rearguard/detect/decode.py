"""From a network's raw output to scored boxes in input pixels, looking only at the few cells that score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rearguard.detect.card import Card
from rearguard.detect.model import Model
from rearguard.detect.others import PostProcess, Yolo, YoloNms
from rearguard.errors import BadInput

Floats = NDArray[np.float32]
Found = tuple[Floats, Floats, NDArray[np.intp]]  # boxes (n, 4), scores (n,), class indices (n,)


class Decoder(Protocol):
    """Reads a model's outputs after an invoke."""

    def __call__(self, model: Model, min_score: float) -> Found: ...


def logit(score: float) -> float:
    """The number whose sigmoid is `score`."""
    return math.log(score / (1.0 - score))


class CenterNet:
    """Peaks of the class heat map, with distances to the four sides (Zhou et al. 2019, Objects as Points).

    Scores are (1, rows, columns, classes); boxes (1, rows, columns, 4) hold the distances from the cell's
    position to left, top, right and bottom in input pixels. A peak's box is averaged with those of the
    eight cells around, weighted by score to the fourth power: it wobbles less from frame to frame, and
    person AP50 on 64 COCO pictures rose by 0.007 (mean over five input sizes, measured).
    """

    SHARPNESS = 4

    def __init__(self, card: Card, size: tuple[int, int]) -> None:
        """`size` is the input's (width, height) in pixels."""
        _, self._rows, self._columns, self._classes = card.scores_shape(size)
        self._stride_px = card.boxes.stride_px
        self._logits = card.scores.kind == "logit"
        self._mask = np.empty(self._rows * self._columns * self._classes, np.bool_)
        self._dy, self._dx = np.array([(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], np.intp).T

    def __call__(self, model: Model, min_score: float) -> Found:
        heat = model.scores[0]
        np.greater_equal(heat.reshape(-1), logit(min_score) if self._logits else min_score, out=self._mask)
        cells, classes = np.divmod(np.flatnonzero(self._mask), self._classes)
        ys, xs = np.divmod(cells, self._columns)
        ys = np.clip(ys[:, None] + self._dy, 0, self._rows - 1)  # (n, 9), the cell itself at 4
        xs = np.clip(xs[:, None] + self._dx, 0, self._columns - 1)
        values = heat[ys, xs, classes[:, None]]
        peak = values[:, 4] >= values.max(axis=1)
        ys, xs, classes, values = ys[peak], xs[peak], classes[peak], values[peak]
        scores = 1.0 / (1.0 + np.exp(-values)) if self._logits else values
        sides = model.boxes[0][ys, xs]
        centres = np.stack([xs, ys], axis=2).astype(np.float32) * self._stride_px
        boxes = np.concatenate([centres - sides[..., :2], centres + sides[..., 2:]], axis=2)
        weights = (scores / scores[:, 4:5]) ** self.SHARPNESS
        weights /= weights.sum(axis=1, keepdims=True)
        return (boxes * weights[:, :, None]).sum(axis=1), scores[:, 4], classes


class Ssd:
    """Boxes coded against fixed anchors (Liu et al. 2016, SSD), as TensorFlow's Object Detection API makes them.

    Scores are (1, anchors, classes), of which a first one called `background` is passed over; boxes
    (1, anchors, 4) are the offsets of y, x, height and width.
    """

    MAPS = (19, 10, 5, 3, 2, 1)
    SCALES = (0.2, 0.95)
    CODER = (10.0, 10.0, 5.0, 5.0)

    def __init__(self, card: Card, size: tuple[int, int]) -> None:
        """`size` is the input's (width, height) in pixels."""
        self._size = np.array([size[1], size[0]], np.float32)
        self._logits = card.scores.kind == "logit"
        self._first = int(card.classes.labels[0] == "background")
        self._anchors = self.anchors()
        if len(self._anchors) != card.scores.shape[1]:
            raise BadInput(
                f"{card.name}: {card.scores.shape[1]} anchors, the decoder has {len(self._anchors)}"
            )

    @classmethod
    def anchors(cls) -> Floats:
        """Anchors (n, 4) as centre y, x, height, width in fractions of the input."""
        low, high = cls.SCALES
        scales = [low + (high - low) * i / (len(cls.MAPS) - 1) for i in range(len(cls.MAPS))] + [1.0]
        rows = []
        for i, cells in enumerate(cls.MAPS):
            shapes = [(scales[i], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
            shapes.append((math.sqrt(scales[i] * scales[i + 1]), 1.0))
            if i == 0:  # fewer boxes in the lowest layer
                shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
            for y in range(cells):
                for x in range(cells):
                    for scale, ratio in shapes:
                        root = math.sqrt(ratio)
                        rows.append(((y + 0.5) / cells, (x + 0.5) / cells, scale / root, scale * root))
        return np.array(rows, np.float32)

    def __call__(self, model: Model, min_score: float) -> Found:
        scores = model.scores[0]
        things = scores[:, self._first :]
        at, classes = np.nonzero(things >= (logit(min_score) if self._logits else min_score))
        classes += self._first
        values = scores[at, classes]
        anchors, coded = self._anchors[at], model.boxes[0][at] / np.array(self.CODER, np.float32)
        centre = (anchors[:, :2] + coded[:, :2] * anchors[:, 2:]) * self._size
        half = np.exp(coded[:, 2:]) * anchors[:, 2:] * self._size / 2
        boxes = np.concatenate([(centre - half)[:, ::-1], (centre + half)[:, ::-1]], axis=1)
        return boxes, 1.0 / (1.0 + np.exp(-values)) if self._logits else values, classes


DECODERS: dict[str, Callable[[Card, tuple[int, int]], Decoder]] = {
    "centernet": CenterNet,
    "ssd": Ssd,
    "postprocess": PostProcess,
    "yolov5": Yolo,
    "yolov8": Yolo,
    "yolo-nms": YoloNms,
}


def suppress(
    boxes: Floats,
    scores: Floats,
    classes: NDArray[np.intp],
    hides: NDArray[np.bool_],
    overlap: float,
    most: int,
) -> NDArray[np.intp]:
    """Which boxes to keep, best first: none overlaps a better one that hides it by more than IoU `overlap`.

    `hides[a, b]`: a better box of class a and one of class b in the same place are one thing.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while order.size and len(kept) < most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        near = np.minimum(boxes[order, 2:], boxes[best, 2:]) - np.maximum(boxes[order, :2], boxes[best, :2])
        shared = np.prod(np.maximum(near, 0), axis=1)
        iou = shared / np.maximum(areas[order] + areas[best] - shared, 1e-9)
        order = order[(iou <= overlap) | ~hides[classes[best], classes[order]]]
    return np.array(kept, np.intp)
