"""Real footage through the real detector: warns where it is due, keeps quiet where it is not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.geometry import Pinhole
from rearguard.vision.pipeline import Pipeline, age_of_file
from rearguard.words import Level


def levels(path: Path, fps: float) -> list[Level]:
    """The level of every frame."""
    config = Config()
    source = open_source(str(path), config.camera, fps=fps)
    lens = Pinhole.from_fov(source.info.width_px, source.info.height_px, source.info.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect), age_of_file)
    return [pipeline.step(frame).verdict.level for frame in source.frames()]


def test_stroller_among_pedestrians_is_warned_when_due_and_not_when_people_walk_away(
    shared_data: Path,
) -> None:
    found = levels(shared_data / "jelmoli", 14)
    assert len(found) == 187
    # A standing man ahead, a cyclist cutting in, a man slowing down: its README's three intervals.
    for first, last in ((0, 24), (104, 114), (156, 186)):
        assert max(found[first : last + 1]) >= Level.CAUTION, f"no warning in frames {first}-{last}"
    assert max(found[60:85]) <= Level.NOTICE


def test_a_static_camera_with_nobody_on_a_collision_course_stays_calm(shared_data: Path) -> None:
    found = levels(shared_data / "vtest" / "vtest.avi", 7)
    assert len(found) == 795
    assert max(found) < Level.CRITICAL
    rises = sum(a < Level.CAUTION <= b for a, b in pairwise(found))
    assert rises <= 2
