"""A hand over the lens or a torn picture, for a moment, on the way to somebody who stands there."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.ego.flow import FlowEgo
from rearguard.ego.pinhole import Pinhole
from rearguard.types import Detection, Frame, Image, Level, Observation, Speed
from rearguard.vision.rules import Rules

CONFIG = Config()


@cache
def frames() -> tuple[Pinhole, list[Frame]]:
    source = open_source("sim:stand?speed=3&start=22&duration=7", CONFIG.camera, fps=15)
    info = source.info
    return Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg), list(source.frames())


def covered(image: Image) -> Image:
    spoiled = image.copy()
    spoiled[: int(0.75 * len(image))] = (90, 120, 170)
    return spoiled


def torn(image: Image) -> Image:
    return np.random.default_rng(3).integers(0, 255, image.shape, np.uint8)


def left_at_critical(spoil, at_s: float, count: int) -> float | None:
    """True seconds to contact at the first CRITICAL, when `count` pictures from `at_s` before it are spoiled."""
    lens, pictures = frames()
    ego, rules = FlowEgo(lens), Rules(CONFIG, lens)
    left = count
    for frame in pictures:
        (thing,) = frame.truth
        bad = left > 0 and thing.ttc_s is not None and thing.ttc_s < at_s
        left -= bad
        turned = ego.estimate_turn(
            spoil(frame.image) if bad else frame.image, tuple(t.box for t in rules.tracks)
        )
        found = () if bad or thing.box is None else (Detection(thing.box, "person", 0.8),)
        seen = Observation(frame.seq, frame.captured_ns, found, turned, speed=Speed(2.5, 0.3))
        _, verdict = rules.judge_frame(seen, 0.1)
        if verdict.level is Level.CRITICAL:
            return thing.ttc_s
    return None


@pytest.mark.parametrize("spoil", [covered, torn])
@pytest.mark.parametrize("at_s", [4.2, 3.2, 2.9])
def test_two_spoiled_pictures_do_not_delay_the_warning(spoil, at_s):
    undisturbed = left_at_critical(spoil, 0.0, 0)
    assert undisturbed is not None
    left = left_at_critical(spoil, at_s, 2)
    assert left is not None
    assert left > undisturbed - 0.34, "the two themselves and three more, of fifteen a second"
