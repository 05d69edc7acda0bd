"""Decoders for networks that others made: TensorFlow's post-processing, and the YOLO heads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rearguard.detect.card import Card
from rearguard.detect.labels import UNNAMED
from rearguard.detect.model import Model

Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]
_LARGEST_SHARE = 1.5  # boxes may reach a little over the edge
_MOST = 1000  # boxes of a YOLO that go on to suppression, best first
_NAMED_NOTHING = (np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))


class PostProcess:
    """`TFLite_Detection_PostProcess`: boxes as shares (top, left, bottom, right), classes, scores and how many.

    Its classes count from 0 without a background, as its own source says (tensorflow/lite/kernels/
    detection_postprocess.cc).
    """

    def __init__(self, card: Card, size: tuple[int, int]) -> None:
        """`size` is the input's (width, height) in pixels."""
        self._sides = np.array([size[0], size[1], size[0], size[1]], np.float32)
        self._named = np.array([label != UNNAMED for label in card.classes.labels])

    def __call__(self, model: Model, min_score: float) -> Found:
        boxes, classes, scores, count = (part.reshape(-1) for part in model.parts)
        several = min(len(scores), int(count[0]) if np.isfinite(count[0]) else 0)
        if several <= 0:
            return _NAMED_NOTHING
        boxes, classes, scores = boxes.reshape(-1, 4)[:several], classes[:several], scores[:several]
        known = np.isfinite(classes) & (classes >= 0) & (classes < len(self._named)) & (scores >= min_score)
        boxes, scores, numbers = boxes[known], scores[known], classes[known].astype(np.intp)
        named = self._named[numbers]
        boxes = boxes[named][:, [1, 0, 3, 2]] * self._sides
        return boxes, scores[named], numbers[named]


class Yolo:
    """One row per cell: the box's centre and sides, in YOLOv5 an objectness, then a score for each class.

    YOLOv5 (ultralytics/yolov5) gives (1, cells, 5 + classes) and multiplies objectness and score; YOLOv8 and 11
    (ultralytics) give (1, 4 + classes, cells). Scores are probabilities.
    """

    def __init__(self, card: Card, size: tuple[int, int]) -> None:
        """`size` is the input's (width, height) in pixels."""
        whole = card.boxes.unit == "px"
        self._sides = np.ones(4, np.float32) if whole else np.array([*size, *size], np.float32)
        self._objectness = card.decoder == "yolov5"
        self._named = np.array([label != UNNAMED for label in card.classes.labels])

    def __call__(self, model: Model, min_score: float) -> Found:
        rows = model.scores[0]
        if self._objectness:
            rows = rows[rows[:, 4] >= min_score]
            table = rows[:, 5:] * rows[:, 4:5]
        else:
            rows = rows.T
            table = rows[:, 4:]
        if not len(rows):
            return _NAMED_NOTHING
        table = np.where(self._named, table, 0.0)
        classes = table.argmax(axis=1)
        scores = table[np.arange(len(table)), classes]
        at = np.flatnonzero(scores >= min_score)
        at = at[np.argsort(-scores[at], kind="stable")][:_MOST]
        centres, halves = rows[at, :2], rows[at, 2:4] / 2
        boxes = np.concatenate([centres - halves, centres + halves], axis=1) * self._sides
        return boxes.astype(np.float32), np.minimum(scores[at], 1.0).astype(np.float32), classes[at]


class YoloNms:
    """One row per thing, overlaps already removed: left, top, right, bottom, score, class (1, things, 6).

    YOLOv10 and YOLO26 give this by themselves, others when exported with `nms=True`. Some tell boxes in pixels and
    some as shares; which, a box that is larger than any share shows.
    """

    def __init__(self, card: Card, size: tuple[int, int]) -> None:
        """`size` is the input's (width, height) in pixels."""
        self._sides = np.array([*size, *size], np.float32)
        self._named = np.array([label != UNNAMED for label in card.classes.labels])
        self._whole = False

    def __call__(self, model: Model, min_score: float) -> Found:
        rows = model.scores[0]
        rows = rows[(rows[:, 4] >= min_score) & (rows[:, 5] >= 0) & (rows[:, 5] < len(self._named))]
        rows = rows[self._named[rows[:, 5].astype(np.intp)]]
        boxes = rows[:, :4]
        self._whole = self._whole or bool((boxes > _LARGEST_SHARE).any())
        if not self._whole:
            boxes = boxes * self._sides
        return boxes.astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.intp)
