"""Ego-motion: the turn of the camera from the picture, and from it the direction of travel."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.config.camera import Camera
from rearguard.ego.flow import FlowEgo, fit_turn
from rearguard.ego.pinhole import Pinhole, moved, turn
from rearguard.lab.world import boxes, catalogue
from rearguard.lab.world.render import Renderer
from rearguard.types import Box, EgoMotion

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
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    renderer = Renderer(scene, lens, camera.height_m, math.radians(camera.pitch_deg))
    flow = FlowEgo(lens)
    truth = [k.seen.ego for k in boxes.observe(scene, camera, fps=15.0, noise=boxes.without_noise())]
    errors, sizes = [], []
    for seq, true in enumerate(truth):
        found = flow.estimate_turn(renderer.frame(seq / 15.0, seq)[0])
        if seq == 0:
            assert found.quality == 0
            continue
        assert found.quality > 0.3
        errors += [abs(found.yaw_rad - true.yaw_rad), abs(found.pitch_rad - true.pitch_rad)]
        sizes.append(abs(true.yaw_rad))
    assert len(errors) == 2 * 37
    assert math.degrees(max(sizes)) > 2  # it did swing
    assert math.degrees(median(errors)) < 0.2


@pytest.mark.parametrize("pitch_deg", [-10.0, 6.0])
def test_a_camera_that_points_up_or_down_still_tells_its_turns(pitch_deg: float) -> None:
    """What is far enough to tell a turn by is above the horizon, wherever in the picture that is."""
    scene = catalogue.scene("pass-by", duration=6.0, lateral=1.5)
    lens = Pinhole.from_fov(640, 360, 66.0)
    pitch_rad = math.radians(pitch_deg)
    renderer = Renderer(scene, lens, 1.35, pitch_rad)
    flow = FlowEgo(lens)
    told = [flow.estimate_turn(renderer.frame(i / 10, i)[0], (), pitch_rad) for i in range(60)]
    assert all(turned.known for turned in told[1:])


@settings(deadline=None, max_examples=50)
@given(small, small, small, st.floats(0.03, 0.2), st.integers(0, 1000))
def test_what_fills_the_picture_and_grows_is_told_from_a_turn(
    yaw: float, pitch: float, roll: float, grown: float, seed: int
) -> None:
    before = points(seed)
    near = before + (grown * (before - (160, 90))).astype(np.float32)
    found = fit_turn(before, turned(near, EgoMotion(yaw, pitch, roll)), LENS, near=True)
    assert abs(found.yaw_rad - yaw) < 1e-3
    assert abs(found.pitch_rad - pitch) < 1e-3
    assert abs(found.roll_rad - roll) < 1e-3
    assert found.quality > 0.95


def test_a_wall_that_fills_the_picture_leaves_the_turn_known() -> None:
    """The nearer it is, the less of the world is far; the last two seconds are those in which it matters."""
    camera = Camera(width_px=640, height_px=360)
    scene = catalogue.scene("wall", start=6.0, seed=3)
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    renderer = Renderer(scene, lens, camera.height_m, math.radians(camera.pitch_deg))
    flow = FlowEgo(lens)
    truth = [k.seen.ego for k in boxes.observe(scene, camera, fps=15.0, noise=boxes.without_noise())]
    found = [flow.estimate_turn(renderer.frame(seq / 15.0, seq)[0]) for seq in range(23)]  # to 2.2 m from it
    pairs = [(f, t) for f, t in zip(found[1:], truth[1:], strict=False) if f.known]
    assert len(pairs) >= 20
    off = [max(abs(f.yaw_rad - t.yaw_rad), abs(f.pitch_rad - t.pitch_rad)) for f, t in pairs]
    assert math.degrees(max(off)) < 1.5


def test_a_picture_without_texture_tells_no_turn() -> None:
    flow = FlowEgo(LENS)
    grey = np.full((180, 320), 90, np.uint8)
    assert flow.estimate_turn(grey).quality == 0
    assert flow.estimate_turn(grey).quality == 0
