"""Running a detector over labelled pictures, with the time of every invoke and every picture."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import msgspec

from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.detect.model import Size
from rearguard.errors import BadInput
from rearguard.lab.evaluate.datasets import Dataset, Truth
from rearguard.lab.evaluate.score import Figures, score
from rearguard.types import Detection

if TYPE_CHECKING:
    from rearguard.types import Image


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


class Seer(Protocol):
    """Anything that detects, with what its row in the table says of it.

    `invoke_s` is the network's own time in the last `detect`, `input_px` the pixels it was given.
    """

    name: str
    runtime: str
    threads: int
    invoke_s: float
    input_px: int

    def prepare(self, picture: Size) -> None:
        """Make ready for pictures of (width, height); not timed."""

    def detect(self, image: Image) -> list[Detection]:
        """All detections in a BGR picture, of any score."""


class Ours:
    """The program's own detector as a `Seer`, giving every detection down to a score of 0.02."""

    def __init__(self, config: Detect) -> None:
        everything = {"weak_score": 0.02, "max_detections": 100, "ignore": (), "closer_share": 0.0}
        self._detector = Detector(msgspec.structs.replace(config, **everything))
        self.name = self._detector.model.name
        self.runtime = self._detector.model.runtime
        self.threads = config.threads
        self.invoke_s = 0.0
        self.input_px = 0

    def prepare(self, picture: Size) -> None:
        """Load the network for this shape of picture."""
        self._detector.prepare(picture)
        self.input_px = math.prod(self._detector.model.input_size)

    def detect(self, image: Image) -> list[Detection]:
        """What the detector reports."""
        found = self._detector.detect(image)
        self.invoke_s = self._detector.invoke_s
        return found


def measure(
    dataset: Dataset,
    seers: Sequence[Seer],
    labels: tuple[str, ...],
    min_score: float,
    progress: Callable[[], None] = lambda: None,
) -> list[Measured]:
    """Detect in every picture of `dataset` with each of `seers`, and compare.

    They take turns on each picture, so that a busy machine is as busy for all of them. Recall and precision
    are those at `min_score`; average precision is over all scores. Single pictures get no closer look, which
    is for what is followed from frame to frame. `progress` is called after each picture. Raises `BadInput`
    for a picture that cannot be read.
    """
    runs = [_Run(seer) for seer in seers]
    truths: list[tuple[Truth, ...]] = []
    for labelled in dataset.pictures:
        image = load_picture(labelled.path)
        truths.append(labelled.in_pixels(image.shape[1], image.shape[0]))
        for run in runs:
            run.detect_timed(image)
        progress()
    return [run.measured(dataset, truths, labels, min_score) for run in runs]


class _Run:
    """One detector at work on a set."""

    def __init__(self, seer: Seer) -> None:
        self._seer = seer
        self._found: list[list[Detection]] = []
        self._frame_ms: list[float] = []
        self._invoke_ms: list[float] = []
        self._input_px: list[int] = []

    def detect_timed(self, image: Image) -> None:
        """Detect and time it, without the time to get ready for pictures of another shape."""
        self._seer.prepare((image.shape[1], image.shape[0]))
        start = time.perf_counter()
        self._found.append(self._seer.detect(image))
        self._frame_ms.append((time.perf_counter() - start) * 1e3)
        self._invoke_ms.append(self._seer.invoke_s * 1e3)
        self._input_px.append(self._seer.input_px)

    def measured(
        self, dataset: Dataset, truths: Sequence[Sequence[Truth]], labels: tuple[str, ...], min_score: float
    ) -> Measured:
        """What came of it."""
        return Measured(
            dataset=dataset.name,
            model=self._seer.name,
            runtime=self._seer.runtime,
            threads=self._seer.threads,
            pictures=len(truths),
            input_px=round(statistics.fmean(self._input_px)),
            invoke_ms=statistics.median(self._invoke_ms),
            frame_ms=statistics.median(self._frame_ms),
            figures=tuple(score(truths, self._found, labels, min_score)),
        )


def load_picture(path: Path) -> Image:
    """The picture at `path` as BGR; raises `BadInput` when there is none to be had."""
    image: Image | None = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BadInput(f"{path}: missing, damaged or no picture")
    return image
