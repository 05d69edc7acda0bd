"""Running a detector over labelled pictures, with the time of every invoke and every picture."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec

from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.errors import BadInput
from rearguard.evaluate.datasets import Dataset, Truth
from rearguard.evaluate.score import Figures, score
from rearguard.words import Detection

if TYPE_CHECKING:
    from rearguard.words import Image


@dataclass(frozen=True, slots=True)
class Measured:
    """One model on one set: figures per label, medians of the time in milliseconds."""

    dataset: str
    model: str
    runtime: str
    threads: int
    pictures: int
    input_px: int
    invoke_ms: float
    frame_ms: float
    figures: tuple[Figures, ...]


def measure(
    dataset: Dataset, config: Detect, labels: tuple[str, ...], progress: Callable[[], None] = lambda: None
) -> Measured:
    """Detect in every picture of `dataset` and compare; `progress` is called after each picture.

    Scores down to 0.02 are asked of the detector, whatever `config.weak_score` says, because average
    precision is over all of them; recall and precision are those at `config.min_score`. Raises
    `BadInput` for a picture that cannot be read.
    """
    detector = Detector(msgspec.structs.replace(config, weak_score=0.02, max_detections=100, ignore=()))
    truths: list[tuple[Truth, ...]] = []
    found: list[list[Detection]] = []
    frame_ms: list[float] = []
    invoke_ms: list[float] = []
    input_px: list[int] = []
    for labelled in dataset.pictures:
        image = load_picture(labelled.path)
        start = time.perf_counter()
        found.append(detector.detect(image))
        frame_ms.append((time.perf_counter() - start) * 1e3)
        invoke_ms.append(detector.model.invoke_s * 1e3)
        input_px.append(math.prod(detector.model.input_size))
        truths.append(labelled.in_pixels(image.shape[1], image.shape[0]))
        progress()
    model = detector.model
    return Measured(
        dataset=dataset.name,
        model=model.name,
        runtime=model.runtime,
        threads=config.threads,
        pictures=len(truths),
        input_px=round(statistics.fmean(input_px)),
        # Medians, because a picture of another shape loads the network anew.
        invoke_ms=statistics.median(invoke_ms),
        frame_ms=statistics.median(frame_ms),
        figures=tuple(score(truths, found, labels, config.min_score)),
    )


def load_picture(path: Path) -> Image:
    """The picture at `path` as BGR; raises `BadInput` when there is none to be had."""
    image: Image | None = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BadInput(f"{path}: missing, damaged or no picture")
    return image
