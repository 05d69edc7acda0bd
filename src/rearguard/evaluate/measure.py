"""Running a detector over labelled pictures, with the time of every invoke and every picture."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
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
    dataset: Dataset, configs: Sequence[Detect], labels: tuple[str, ...], progress: Callable[[], None]
) -> list[Measured]:
    """Detect in every picture of `dataset` with every configuration, and compare.

    The configurations take turns on each picture, so that a busy machine is as busy for all of them.
    Scores down to 0.02 are asked for, whatever `weak_score` says, because average precision is over all
    of them; recall and precision are those at `min_score`. Single pictures get no closer look, which is
    for what is followed from frame to frame. `progress` is called after each picture.
    Raises `BadInput` for a picture that cannot be read.
    """
    runs = [_Run(config) for config in configs]
    truths: list[tuple[Truth, ...]] = []
    for labelled in dataset.pictures:
        image = load_picture(labelled.path)
        truths.append(labelled.in_pixels(image.shape[1], image.shape[0]))
        for run in runs:
            run.see(image)
        progress()
    return [run.measured(dataset, truths, labels) for run in runs]


class _Run:
    """One configuration at work on a set."""

    def __init__(self, config: Detect) -> None:
        self.config = config
        self._detector = Detector(
            msgspec.structs.replace(config, weak_score=0.02, max_detections=100, ignore=(), closer_share=0.0)
        )
        self._found: list[list[Detection]] = []
        self._frame_ms: list[float] = []
        self._invoke_ms: list[float] = []
        self._input_px: list[int] = []

    def see(self, image: Image) -> None:
        """Detect, with the time it took, without that of loading the network for another shape."""
        self._detector.prepare((image.shape[1], image.shape[0]))
        start = time.perf_counter()
        self._found.append(self._detector.detect(image))
        self._frame_ms.append((time.perf_counter() - start) * 1e3)
        self._invoke_ms.append(self._detector.model.invoke_s * 1e3)
        self._input_px.append(math.prod(self._detector.model.input_size))

    def measured(
        self, dataset: Dataset, truths: Sequence[Sequence[Truth]], labels: tuple[str, ...]
    ) -> Measured:
        """What came of it."""
        model = self._detector.model
        return Measured(
            dataset=dataset.name,
            model=model.name,
            runtime=model.runtime,
            threads=self.config.threads,
            pictures=len(truths),
            input_px=round(statistics.fmean(self._input_px)),
            invoke_ms=statistics.median(self._invoke_ms),
            frame_ms=statistics.median(self._frame_ms),
            figures=tuple(score(truths, self._found, labels, self.config.min_score)),
        )


def load_picture(path: Path) -> Image:
    """The picture at `path` as BGR; raises `BadInput` when there is none to be had."""
    image: Image | None = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BadInput(f"{path}: missing, damaged or no picture")
    return image
