"""General trackers beside rearguard's own: they are told the same detections, and nothing else.

Imported only when they are asked for. Each is set up once, for all recordings alike: a track begins at the score at
which rearguard's begin, and is told from its third frame on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from rearguard.errors import PartFailed
from rearguard.types import Box, Detection

_CONFIRMED_AFTER = 3  # frames
_NORFAIR_IOU_DISTANCE = 0.7
_NORFAIR_REMEMBERS_S = 0.6


class OtherTracker(Protocol):
    """A tracker of boxes. One frame at a time, in order."""

    def update(self, detections: Sequence[Detection]) -> list[tuple[int, Box]]:
        """Name and box (pixels) of each thing that is seen in this frame, given all detections of one label."""


class ByteTrack:
    """ByteTrack (Zhang et al. 2022) as `supervision` has it: weak detections carry on what strong ones began."""

    def __init__(self, fps: float, min_score: float) -> None:
        with warnings.catch_warnings():  # it is to move to a package that needs a second OpenCV
            warnings.simplefilter("ignore")
            import supervision

            self._detections: Any = supervision.Detections
            self._tracker: Any = supervision.ByteTrack(
                frame_rate=fps,
                track_activation_threshold=min_score,
                minimum_consecutive_frames=_CONFIRMED_AFTER,
            )

    def update(self, detections: Sequence[Detection]) -> list[tuple[int, Box]]:
        """See `OtherTracker`."""
        found = self._detections(
            xyxy=np.array([_corners(d.box) for d in detections]).reshape(-1, 4),
            confidence=np.array([d.score for d in detections]),
            class_id=np.zeros(len(detections), int),
        )
        told = self._tracker.update_with_detections(found)
        return [(int(n), Box(*map(float, b))) for n, b in zip(told.tracker_id, told.xyxy, strict=True)]


class Norfair:
    """norfair (Alori et al. 2023): a Kalman filter for each corner, matched by IoU."""

    def __init__(self, fps: float, min_score: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import norfair

        self._min_score = min_score
        self._detection: Any = norfair.Detection
        self._tracker: Any = norfair.Tracker(
            distance_function="iou",
            distance_threshold=_NORFAIR_IOU_DISTANCE,
            initialization_delay=_CONFIRMED_AFTER - 1,
            hit_counter_max=max(_CONFIRMED_AFTER, round(fps * _NORFAIR_REMEMBERS_S)),
        )

    def update(self, detections: Sequence[Detection]) -> list[tuple[int, Box]]:
        """See `OtherTracker`."""
        strong = [d for d in detections if d.score >= self._min_score]
        made = [
            self._detection(points=np.array(_corners(d.box)).reshape(2, 2), scores=np.full(2, d.score))
            for d in strong
        ]
        told = self._tracker.update(made)
        return [(int(t.id), Box(*map(float, t.last_detection.points.ravel()))) for t in told]


# name → (module, how it is made, why it may not be there)
OTHERS: dict[str, tuple[str, Callable[[float, float], OtherTracker], str]] = {
    "ByteTrack": ("supervision", ByteTrack, "pip install 'rearguard[bench]'"),
    "norfair": ("norfair", Norfair, "it refuses this rich and NumPy 2, see docs/score.md"),
}


def available() -> tuple[list[str], list[str]]:
    """The trackers that can be run here, and one line for each that cannot."""
    there, left_out = [], []
    for name in OTHERS:
        try:
            make(name, 10.0, 0.3)
            there.append(name)
        except PartFailed as e:
            left_out.append(f"{e}; left out")
    return there, left_out


def make(name: str, fps: float, min_score: float) -> OtherTracker:
    """A fresh tracker for pictures `fps` a second, whose tracks begin at a score; raises `PartFailed` without it."""
    module, build, how = OTHERS[name]
    if find_spec(module) is None:
        raise PartFailed(f"{name}: {module} is not installed: {how}")
    try:
        return build(fps, min_score)
    except (ImportError, AttributeError, TypeError) as e:
        raise PartFailed(f"{name}: this {module} cannot be used ({e}): {how}") from e


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1
