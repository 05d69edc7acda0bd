"""Real footage through the real detector: warns where it is due, keeps quiet where it is not."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.types import Box, Detection, Frame, Image, Level
from rearguard.vision.pipeline import Pipeline, age_of_file


def levels(path: Path, fps: float, first: int = 0, end: int | None = None) -> list[Level]:
    """The level of every frame from the `first` on, up to `end`."""
    config = Config()
    source = open_source(str(path), config.camera, fps=fps)
    lens = Pinhole.from_fov(source.info.width_px, source.info.height_px, source.info.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect), age_of_file)
    return [pipeline.process_frame(frame).verdict.level for frame in islice(source.frames(), first, end)]


def test_stroller_among_pedestrians_is_warned_when_due_and_not_when_people_walk_away(
    shared_data: Path,
) -> None:
    found = levels(shared_data / "jelmoli", 14)
    assert len(found) == 187
    # A standing man ahead, a cyclist cutting in, a man slowing down: its README's three intervals.
    for first, last in ((0, 24), (104, 114), (156, 186)):
        assert max(found[first : last + 1]) >= Level.CAUTION, f"no warning in frames {first}-{last}"
    assert max(found[60:85]) <= Level.NOTICE


@pytest.mark.parametrize("frames", [250, pytest.param(795, marks=pytest.mark.slow)])  # a third, and all of it
def test_a_static_camera_with_nobody_on_a_collision_course_stays_calm(shared_data: Path, frames: int) -> None:
    found = levels(shared_data / "vtest" / "vtest.avi", 7, end=frames)
    assert len(found) == frames
    assert max(found) < Level.CRITICAL
    rises = sum(a < Level.CAUTION <= b for a, b in pairwise(found))
    assert rises <= 2


DOG_PLAYED = 100.0  # frames a second: a toy in a hand, at its own pace never nearer than 4 s to collision
DOG_STEP = 4
DOG_FIRST = 560  # before, it is turned about, and its boxes change shape
RATE = 1 / 4, 1.0  # 1/s: 4 s to 1 s to collision


class HandBoxes:
    """Stands where the detector does and sees what somebody has drawn."""

    def __init__(self, boxes: NDArray[np.float64]) -> None:
        self.boxes = boxes
        self.at = 0

    def detect(self, image: Image, hints: object = None) -> list[Detection]:  # noqa: ARG002
        x, y, w, h = (float(v) for v in self.boxes[self.at])
        return [Detection(Box(x, y, x + w, y + h), "dog", 0.9)]


def slopes(ln_size: NDArray[np.float64], before: int, after: int) -> NDArray[np.float64]:
    """At each frame the slope of a straight line through the frames around it; NaN at the ends."""
    t = np.arange(-before, after + 1)
    found = np.full(len(ln_size), np.nan)
    for i in range(before, len(ln_size) - after):
        found[i] = np.polyfit(t, ln_size[i - before : i + after + 1], 1)[0]
    return found * DOG_PLAYED


def test_a_toy_pushed_at_the_camera_is_timed_as_well_as_its_boxes_allow(shared_data: Path) -> None:
    folder = shared_data / "otb" / "Dog1"
    boxes = np.loadtxt(folder / "dog1_gt.txt", delimiter=",")
    ln_size = 0.5 * np.log(boxes[:, 2] * boxes[:, 3])
    smoothed = round(0.25 * DOG_PLAYED)
    truth = slopes(ln_size, smoothed, smoothed)
    config = Config()
    hand = HandBoxes(boxes)
    lens = Pinhole.from_fov(320, 240, config.camera.hfov_deg)
    pipeline = Pipeline(config, lens, cast("Detector", hand), age_of_file)
    frames = range(DOG_FIRST, len(boxes), DOG_STEP)
    seen = {}
    for hand.at in frames:
        image = cv2.imread(str(folder / "imgs" / f"img{hand.at + 1:05d}.jpg"))
        seen[hand.at] = pipeline.process_frame(Frame(hand.at, round(hand.at / DOG_PLAYED * 1e9), image))

    judged = [i for i in frames if RATE[0] <= truth[i] <= RATE[1]]
    assert len(judged) >= 30
    ours = [(seen[i].tracks[0].ttc_s or 99.0) * truth[i] - 1 for i in judged]
    # Nobody who knows only the past does better than this: the line through the boxes, of the length that
    # hindsight finds best. The hand is not steady, and the boxes move in steps of a twentieth.
    lines = [slopes(ln_size, k, 0)[judged] for k in range(5, 100, 5)]
    best = min(np.median(abs(truth[judged] / np.maximum(line, 1e-2) - 1)) for line in lines)
    assert np.median(np.abs(ours)) <= 1.2 * best
    assert abs(np.median(ours)) <= 0.15
    begins = [
        b for a, b in pairwise(frames) if seen[a].verdict.level < Level.CAUTION <= seen[b].verdict.level
    ]
    assert begins, "comes as near as this and nothing is said"
    assert all(truth[i] > -0.05 for i in begins), "a warning begins while it recedes"


def test_a_toy_that_is_pulled_away_is_no_reason_to_warn(shared_data: Path) -> None:
    folder = shared_data / "otb" / "Dog1"
    heights = np.loadtxt(folder / "dog1_gt.txt", delimiter=",")[:, 3]
    nearest = int(np.argmax(heights))
    away = nearest + int(np.argmax(heights[nearest:] < heights[nearest] / 3))
    found = levels(folder, 30, nearest - 60, away)
    assert len(found) > 180
    begins = [i for i, (a, b) in enumerate(pairwise(found), nearest - 59) if a < Level.CAUTION <= b]
    assert all(i <= nearest for i in begins)
