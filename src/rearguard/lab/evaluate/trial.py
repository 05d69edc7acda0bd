"""Try a model on the golden picture: does it find the person, how small, how fast, and what can it warn of?"""

from __future__ import annotations

import statistics
import time

import cv2
import msgspec
import numpy as np

from rearguard.config.detect import Detect
from rearguard.detect.classes import PRIORS
from rearguard.detect.detector import Detector
from rearguard.detect.fit import FULL_FPS
from rearguard.detect.labels import UNNAMED
from rearguard.health.golden import golden
from rearguard.types import Box, Image

_PICTURE = (1280, 720)
_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)
_SAME_IOU = 0.5
_TIMED = 12
_FOCAL_PX = 985.0  # of that picture at 66°, the camera the golden picture is drawn for


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `score` and `overlap` (IoU) are of the person in the golden picture, None when not found.

    `least_px`: the least height in a 1280x720 picture at which the person is still found, of those tried.
    `knows`: its labels that rearguard knows the height of, so that range and path can be judged; `others` how many
    more it names.
    """

    score: float | None
    overlap: float | None
    least_px: int | None
    frame_ms: float
    knows: tuple[str, ...]
    others: int

    @property
    def fps(self) -> float:
        return 1000.0 / self.frame_ms

    def verdict(self) -> list[str]:
        """What it is good for, in plain words."""
        lines = []
        if "person" not in self.knows:
            lines.append("It knows no people: with it rearguard warns of nobody by name, only of what looms. "
                         "It is no detector to run with.")  # fmt: skip
        elif self.score is None or self.least_px is None:
            lines.append("It does not find the person in the golden picture: the self-test will refuse to arm with it. "
                         "Are the labels in the right order?")  # fmt: skip
        else:
            reach_m = _FOCAL_PX * PRIORS["person"].height_m / self.least_px
            lines.append(
                f"It finds the golden picture's person with a score of {self.score:.2f} (overlap {self.overlap:.2f}), "
                f"down to {self.least_px} px tall: about {reach_m:.0f} m away with a 66° lens."
            )
        pace = "fast enough" if self.fps >= FULL_FPS else "too slow for full rate; warnings come later"
        lines.append(f"A frame takes {self.frame_ms:.0f} ms here, {self.fps:.1f} per second: {pace}.")
        names = ", ".join(self.knows) or "nothing"
        more = f", and {self.others} more labels, judged without range" if self.others else ""
        lines.append(f"Of what can stand in the way it knows {names}{more}.")
        return lines


def try_model(config: Detect) -> Trial:
    """Run the configured model over the golden picture at several sizes; raises what `Detector` raises."""
    detector = Detector(config, _PICTURE)
    labels = tuple(dict.fromkeys(detector.model.card.classes.labels))
    found: dict[float, tuple[float, float] | None] = {}
    heights: dict[float, int] = {}
    for scale in _SCALES:
        image, person = _golden_at(scale)
        heights[scale] = round(person.height)
        found[scale] = _person(detector, image, person, config.min_score)
    image, _ = _golden_at(1.0)
    took = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        detector.detect(image)
        took.append(1000 * (time.perf_counter() - began))
    full = found[1.0]
    seen = [heights[scale] for scale in _SCALES if found[scale] is not None]
    return Trial(
        score=None if full is None else round(full[0], 3),
        overlap=None if full is None else round(full[1], 3),
        least_px=min(seen, default=None),
        frame_ms=round(statistics.median(took), 2),
        knows=tuple(label for label in labels if label in PRIORS),
        others=sum(label not in PRIORS and label != UNNAMED for label in labels),
    )


def _golden_at(scale: float) -> tuple[Image, Box]:
    """The golden picture, shrunk into the middle of one of its size, and the person's box in it."""
    inner = round(_PICTURE[0] * scale), round(_PICTURE[1] * scale)
    image, person = golden(inner)
    left, top = (_PICTURE[0] - inner[0]) // 2, (_PICTURE[1] - inner[1]) // 2
    right, bottom = _PICTURE[0] - inner[0] - left, _PICTURE[1] - inner[1] - top
    framed = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(framed, np.uint8), Box(
        person.x0 + left, person.y0 + top, person.x1 + left, person.y1 + top
    )


def _person(detector: Detector, image: Image, person: Box, least: float) -> tuple[float, float] | None:
    """Score and overlap of the best detection of the person; None when there is none."""
    there = [(d.score, d.box.iou(person)) for d in detector.detect(image) if d.label == "person"]
    return max(((s, o) for s, o in there if s >= least and o >= _SAME_IOU), default=None)
