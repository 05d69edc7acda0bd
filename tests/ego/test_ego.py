"""Ego-motion: the turn of the camera from the picture, and from it the direction of travel."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.clock import NS_PER_S
from rearguard.config.camera import Camera
from rearguard.ego.flow import FlowEgo, fit_turn
from rearguard.ego.geometry import Pinhole, moved, turn
from rearguard.ego.heading import Heading
from rearguard.words import Box, EgoMotion
from rearguard.world import boxes, catalogue
from rearguard.world.camera import Lens
from rearguard.world.render import Renderer

LENS = Pinhole.from_fov(320, 180, 66.0)
small = st.floats(-0.12, 0.12)


def points(seed: int, count: int = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform((10, 10), (310, 110), (count, 2)).astype(np.float32)


def turned(before: np.ndarray, ego: EgoMotion) -> np.ndarray:
    return LENS.pixels(LENS.rays(before.astype(np.float64)) @ turn(ego).T).astype(np.float32)


@settings(deadline=None)
@given(small, small, small, st.integers(0, 1000))
def test_a_known_turn_is_recovered(yaw: float, pitch: float, roll: float, seed: int) -> None:
    before = points(seed)
    found = fit_turn(before, turned(before, EgoMotion(yaw, pitch, roll)), LENS)
    assert abs(found.yaw_rad - yaw) < 1e-3
    assert abs(found.pitch_rad - pitch) < 1e-3
    assert abs(found.roll_rad - roll) < 1e-3
    assert found.quality > 0.95


@settings(deadline=None, max_examples=50)
@given(small, small, st.integers(0, 1000))
def test_a_quarter_of_wild_points_does_not_lead_astray(yaw: float, pitch: float, seed: int) -> None:
    before = points(seed)
    rng = np.random.default_rng(seed + 1)
    after = turned(before, EgoMotion(yaw, pitch, 0.01)) + rng.normal(0, 0.2, before.shape).astype(np.float32)
    after[:20] += rng.uniform(-40, 40, (20, 2)).astype(np.float32)
    found = fit_turn(before, after, LENS)
    assert abs(found.yaw_rad - yaw) < math.radians(0.3)
    assert abs(found.pitch_rad - pitch) < math.radians(0.3)
    assert 0.4 < found.quality < 0.95


@given(small, small, small)
def test_turning_is_a_rotation_and_its_signs_are_as_documented(yaw: float, pitch: float, roll: float) -> None:
    matrix = turn(EgoMotion(yaw, pitch, roll))
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert math.isclose(np.linalg.det(matrix), 1.0, rel_tol=1e-9)
    # The camera turns right, the scene moves left; it turns down, the scene moves up.
    assert (matrix @ [0, 0, 1])[0] * yaw <= 1e-9 or abs(roll * pitch) > abs(yaw)
    box = Box(150, 80, 170, 100)
    assert moved(box, EgoMotion(yaw_rad=0.05, quality=1), LENS).cx < box.cx
    assert moved(box, EgoMotion(pitch_rad=0.05, quality=1), LENS).cy < box.cy
    assert moved(box, EgoMotion(yaw_rad=0.05), LENS) == box  # unknown: not moved


def test_the_turn_is_read_off_a_rendered_track() -> None:
    camera = Camera(width_px=640, height_px=360)
    scene = catalogue.scene("empty", duration=2.5)
    lens = Lens.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    renderer = Renderer(scene, lens, camera.height_m, math.radians(camera.pitch_deg))
    flow = FlowEgo(Pinhole(lens.width_px, lens.height_px, lens.focal_px))
    truth = [k.ego for k in boxes.looks(scene, camera, fps=15.0, noise=boxes.without_noise())]
    errors, sizes = [], []
    for seq, true in enumerate(truth):
        found = flow.look(renderer.frame(seq / 15.0, seq)[0])
        if seq == 0:
            assert found.quality == 0
            continue
        assert found.quality > 0.3
        errors += [abs(found.yaw_rad - true.yaw_rad), abs(found.pitch_rad - true.pitch_rad)]
        sizes.append(abs(true.yaw_rad))
    assert len(errors) == 2 * 37
    assert math.degrees(max(sizes)) > 2  # it did swing
    assert math.degrees(median(errors)) < 0.2


def test_a_picture_without_texture_tells_no_turn() -> None:
    flow = FlowEgo(LENS)
    grey = np.full((180, 320), 90, np.uint8)
    assert flow.look(grey).quality == 0
    assert flow.look(grey).quality == 0


def heading_errors(bend_rad_s: float, fps: float = 10.0, seconds: float = 12.0) -> list[float]:
    """Degrees between the told and the true angle off the path, of a trunk that swings 10 deg at 1.5 Hz."""
    heading, errors, was = Heading(), [], 0.0
    for i in range(round(seconds * fps)):
        t = i / fps
        swing = math.radians(10) * math.sin(2 * math.pi * 1.5 * t + 0.4)
        yaw = bend_rad_s * t + swing
        told = heading.turn(yaw - was, round(t * NS_PER_S))
        was = yaw
        if t > 6:
            errors.append(math.degrees(abs(told - swing)))
    return errors


def test_the_direction_of_travel_stays_put_while_the_trunk_swings() -> None:
    errors = heading_errors(0.0)
    assert median(errors) < 1.0
    assert max(errors) < 2.5


def test_on_a_bend_the_direction_of_travel_turns_along() -> None:
    # A stadium's bend (36.5 m) at 2.5 m/s, either way round.
    for bend in (2.5 / 36.5, -2.5 / 36.5):
        errors = heading_errors(bend)
        assert median(errors) < 1.5
        assert max(errors) < 3.5


def test_the_bend_itself_is_known_after_a_while() -> None:
    heading = Heading()
    for i in range(100):
        heading.turn(0.0 if i == 0 else 0.0068, round(i * 0.1 * NS_PER_S))
    assert math.isclose(heading.bend_rad_s, 0.068, rel_tol=0.05)
    assert heading.settled == 1.0


any_yaw = st.one_of(st.floats(-4, 4), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(deadline=None)
@given(st.lists(st.tuples(any_yaw, st.floats(0, 3)), max_size=60))
def test_no_stream_of_turns_makes_nonsense(stream: list[tuple[float, float]]) -> None:
    heading, t = Heading(), 0.0
    for yaw, step in stream:  # time goes on or stands; the tracker lets nothing else through
        t += step
        assert math.isfinite(heading.turn(yaw, round(t * NS_PER_S)))
        assert math.isfinite(heading.bend_rad_s)
        assert 0 <= heading.settled <= 1
