"""How good detections are: average precision by pycocotools, recall and precision where we operate."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rearguard.errors import PartFailed
from rearguard.lab.evaluate.datasets import Truth
from rearguard.types import Box, Detection

IOU = 0.5
# Box heights in picture pixels, as a table of recall by height tells from where on things are seen.
HEIGHTS_PX = ((0, 25), (25, 50), (50, 100), (100, 200), (200, 100_000))


@dataclass(frozen=True, slots=True)
class Recall:
    """Of the `truths` with a height from `from_px` up to `to_px`, how many were found."""

    from_px: int
    to_px: int
    truths: int
    found: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One label on one set: AP at IoU 0.5; recall and precision at `min_score`; None where undefined."""

    label: str
    truths: int
    ap50: float | None
    min_score: float
    recall: float | None
    precision: float | None
    by_height: tuple[Recall, ...]


def score(
    truths: Sequence[Sequence[Truth]],
    detections: Sequence[Sequence[Detection]],
    labels: Sequence[str],
    min_score: float,
) -> list[Figures]:
    """Figures per label, from each picture's truths and detections (of any score).

    AP50 is COCO's: interpolated at 101 recalls, at most 100 detections per picture. Raises `PartFailed`
    when pycocotools is not installed.
    """
    index = {label: i for i, label in enumerate(labels, 1)}
    evaluated = _coco(truths, detections, index)
    result = []
    for position, label in enumerate(labels):
        precision = evaluated.eval["precision"][0, :, position, 0, 0]
        valid = precision[precision > -1]
        images = [e for e in evaluated.evalImgs if e is not None and e["category_id"] == index[label]]
        ap50 = float(valid.mean()) if valid.size else None
        result.append(_figures(label, images, evaluated, ap50, min_score))
    return result


def _coco(
    truths: Sequence[Sequence[Truth]], detections: Sequence[Sequence[Detection]], index: dict[str, int]
) -> Any:
    """A COCOeval after evaluation at IoU 0.5."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as e:
        raise PartFailed("pycocotools is not installed; pip install 'rearguard[bench]'") from e
    things = [(i, t) for i, ts in enumerate(truths) for t in ts if t.label in index]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": index[t.label],
            "bbox": _xywh(t.box),
            "area": t.box.area,
            "iscrowd": int(t.doubtful),
        }
        for number, (image, t) in enumerate(things, 1)
    ]
    found = [
        {"image_id": image, "category_id": index[d.label], "bbox": _xywh(d.box), "score": d.score}
        for image, ds in enumerate(detections)
        for d in ds
        if d.label in index
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it narrates
        ground = COCO()
        ground.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(truths))],
            "categories": [{"id": i, "name": label} for label, i in index.items()],
            "annotations": annotations,
        }
        ground.createIndex()
        evaluated = COCOeval(ground, ground.loadRes(found) if found else COCO(), "bbox")
        evaluated.params.imgIds = list(range(len(truths)))
        evaluated.params.catIds = list(index.values())
        evaluated.params.iouThrs = np.array([IOU])
        evaluated.params.areaRng = [[0, 1e10]]
        evaluated.params.areaRngLbl = ["all"]
        evaluated.params.maxDets = [100]
        evaluated.evaluate()
        evaluated.accumulate()
    return evaluated


def _figures(label: str, images: list[Any], evaluated: Any, ap50: float | None, min_score: float) -> Figures:
    """Count what was matched by detections of at least `min_score`."""
    heights, hits, right, reported = [], [], 0, 0
    for image in images:
        scores = dict(zip(image["dtIds"], image["dtScores"], strict=True))
        for truth, by, ignored in zip(image["gtIds"], image["gtMatches"][0], image["gtIgnore"], strict=True):
            if not ignored:
                heights.append(evaluated.cocoGt.anns[truth]["bbox"][3])
                hits.append(by > 0 and scores[by] >= min_score)
        matches, doubtful = image["dtMatches"][0], image["dtIgnore"][0]
        for value, truth, ignored in zip(image["dtScores"], matches, doubtful, strict=True):
            if value >= min_score and not ignored:
                reported += 1
                right += truth > 0
    tall, found = np.array(heights), np.array(hits, bool)
    bands = tuple(
        Recall(low, high, int(inside.sum()), int(found[inside].sum()))
        for low, high in HEIGHTS_PX
        for inside in [(tall >= low) & (tall < high)]
    )
    recall = float(found.mean()) if heights else None
    precision = float(right / reported) if reported else None
    return Figures(label, len(heights), ap50, min_score, recall, precision, bands)


def _xywh(box: Box) -> list[float]:
    return [box.x0, box.y0, box.width, box.height]
