"""What reaches the rules is rougher than any world: frames are lost, lenses and speeds wrong, names and boxes too.

Each roughness alone, over rows where somebody is in the way and rows where nobody is: nobody is missed, and nothing
is falsely urgent.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.scenarios.run import Cell, outcome_of, scene_values
from rearguard.lab.scenarios.table import BY_NAME, LATENCY_S
from rearguard.lab.world import boxes, catalogue
from rearguard.types import Box, Detection, EgoMotion, Observation, TrueThing
from rearguard.vision.rules import Rules

CONFIG = Config()
CAMERA = CONFIG.camera
LENS = Pinhole.from_fov(CAMERA.width_px, CAMERA.height_px, CAMERA.hfov_deg)
ROWS = (
    "STAND-0",
    "WALK-TOWARD",
    "CROSS-NEAR-50",
    "CROWD-10",
    "PASS-BY-1.5",
    "CROWD-PASSED",
    "SAME-SPEED",
    "CURVE",
)

Seen = Iterator[tuple[Observation, tuple[TrueThing, ...]]]
Change = Callable[[Observation, random.Random], Observation]


def observed(row: str, fps: float = 10.0, camera: Camera = CAMERA, noise: boxes.Noise | None = None) -> Seen:
    scene = catalogue.scene(BY_NAME[row].world, **scene_values(Cell(row, 2.5, fps, 0.0, True), 0))
    return iter(boxes.observe(scene, camera, fps=fps, noise=noise or boxes.Noise(), seed=0))


def each(change: Change) -> Callable[[str], Seen]:
    def rough(row: str) -> Seen:
        rng = random.Random(1)
        return ((change(seen, rng), truth) for seen, truth in observed(row))

    return rough


def frames_lost(share: float, fps: float) -> Callable[[str], Seen]:
    """A camera of so many frames a second that loses a share of them; the turn is told over what was lost."""

    def rough(row: str) -> Seen:
        rng, turned = random.Random(2), EgoMotion()
        for seen, truth in observed(row, fps):
            now = seen.ego
            turned = EgoMotion(
                turned.yaw_rad + now.yaw_rad,
                turned.pitch_rad + now.pitch_rad,
                turned.roll_rad + now.roll_rad,
                now.quality,
            )
            if seen.seq == 0 or rng.random() >= share:
                yield replace(seen, ego=turned), truth
                turned = EgoMotion()

    return rough


def other_lens(factor: float) -> Callable[[str], Seen]:
    """A focal length that is longer by a factor than the one that is configured."""
    hfov_deg = 2 * math.degrees(math.atan(math.tan(math.radians(CAMERA.hfov_deg) / 2) / factor))

    def rough(row: str) -> Seen:
        for seen, truth in observed(row, camera=replace(CAMERA, hfov_deg=hfov_deg)):
            ego, heading = seen.ego, seen.heading
            ego = replace(ego, yaw_rad=ego.yaw_rad * factor, pitch_rad=ego.pitch_rad * factor)
            if heading is not None:
                heading = replace(heading, bearing_rad=heading.bearing_rad * factor)
            yield replace(seen, ego=ego, heading=heading), truth

    return rough


def detections(change: Callable[[Detection, random.Random], list[Detection]]) -> Callable[[str], Seen]:
    return each(
        lambda seen, rng: replace(
            seen, detections=tuple(d for one in seen.detections for d in change(one, rng))
        )
    )


def upper(found: Detection, share: float) -> Detection:
    b = found.box
    return replace(found, box=Box(b.x0, b.y0, b.x1, b.y0 + share * b.height))


def legs_hidden(row: str) -> Seen:
    """Of every four seconds, for one only the upper half of everybody is seen."""
    for seen, truth in observed(row):
        hidden = seen.captured_ns % (4 * NS_PER_S) < NS_PER_S
        found = tuple(upper(d, 0.6) if hidden else d for d in seen.detections)
        yield replace(seen, detections=found), truth


def wrong_speed(factor: float) -> Callable[[str], Seen]:
    return each(
        lambda s, _: replace(s, speed=None if s.speed is None else replace(s.speed, m_s=s.speed.m_s * factor))
    )


def wrong_heading(off_rad: float) -> Callable[[str], Seen]:
    def change(seen: Observation, _: random.Random) -> Observation:
        if seen.heading is None:
            return seen
        return replace(seen, heading=replace(seen.heading, bearing_rad=seen.heading.bearing_rad + off_rad))

    return each(change)


def late_or_early(seen: Observation, rng: random.Random) -> Observation:
    return replace(seen, captured_ns=max(0, seen.captured_ns + rng.randrange(-15_000_000, 15_000_000)))


ROUGH: dict[str, Callable[[str], Seen]] = {
    "a third of the turns unseen": lambda row: observed(row, noise=boxes.Noise(turn_lost=1 / 3)),
    "a third of the sightings missed": lambda row: observed(row, noise=boxes.Noise(missed=1 / 3)),
    "ghosts": lambda row: observed(row, noise=boxes.Noise(ghosts=0.5)),
    "frames lost": frames_lost(0.6, 30.0),
    "five frames a second": frames_lost(0.0, 5.0),
    "unsteady times": each(late_or_early),
    "a longer lens": other_lens(1.1),
    "a shorter lens": other_lens(0.9),
    "too fast": wrong_speed(1.25),
    "too slow": wrong_speed(0.75),
    "no speed": each(lambda s, _: replace(s, speed=None)),
    "no heading": each(lambda s, _: replace(s, heading=None)),
    "heading to the right": wrong_heading(0.05),
    "heading to the left": wrong_heading(-0.05),
    "short boxes": detections(lambda d, _: [upper(d, 0.9)]),
    "tall boxes": detections(lambda d, _: [upper(d, 1.1)]),
    "now and then only the upper half": detections(lambda d, r: [upper(d, 0.6) if r.random() < 0.2 else d]),
    "legs hidden for a second": legs_hidden,
    "two boxes": detections(lambda d, r: [d, replace(upper(d, 0.55), score=0.8 * d.score)][: 1 + (r.random() < 0.3)]),
    "called a bicycle": detections(lambda d, r: [replace(d, label="bicycle") if r.random() < 0.2 else d]),
    "called a dog": detections(lambda d, r: [replace(d, label="dog") if r.random() < 0.15 else d]),
}  # fmt: skip


@pytest.mark.parametrize("rough", ROUGH)
@pytest.mark.parametrize("row", ROWS)
def test_rough_observations_neither_hide_anybody_nor_cry_wolf(row: str, rough: str) -> None:
    rules = Rules(CONFIG, LENS)
    verdicts = ((rules.judge_frame(seen, LATENCY_S)[1], truth) for seen, truth in ROUGH[rough](row))
    outcome = outcome_of(BY_NAME[row], 2.5, verdicts, CONFIG)
    assert outcome.criticals == 0
    assert outcome.passed, outcome
