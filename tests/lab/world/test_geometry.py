"""The camera model, the path and the gait: numbers worked out by hand, and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from camera_kit import project, rotation
from hypothesis import given
from hypothesis import strategies as st

from rearguard.ego.pinhole import Pinhole
from rearguard.lab.world.backdrop import Trees
from rearguard.lab.world.camera import Pose, axes, rotations
from rearguard.lab.world.gait import Gait, Profile
from rearguard.lab.world.path import Path

LENS = Pinhole(1280, 720, 1000.0)
angles = st.floats(-0.3, 0.3)


def one(point: tuple[float, float, float], pose: Pose) -> tuple[float, float]:
    px, _ = project(np.array([point]), pose, LENS)
    return float(px[0, 0]), float(px[0, 1])


@pytest.mark.parametrize(
    ("point", "pose", "pixel"),
    [
        ((0.0, 0.0, 10.0), Pose(0, 0, 0), (640.0, 360.0)),
        ((1.0, 0.0, 10.0), Pose(0, 0, 0), (740.0, 360.0)),
        ((0.0, 0.0, 10.0), Pose(0, -1.5, 0), (640.0, 510.0)),  # the ground 10 m ahead, lens at 1.5 m
        (
            (0.0, -1.5, 10.0),
            Pose(0, -1.5, 0, yaw_rad=math.atan(0.1)),
            (540.0, 360.0),
        ),  # turned right: moves left
        (
            (0.0, -1.5, 10.0),
            Pose(0, -1.5, 0, pitch_rad=math.atan(0.1)),
            (640.0, 260.0),
        ),  # turned down: moves up
        (
            (1.0, 0.0, 10.0),
            Pose(0, 0, 0, roll_rad=math.pi / 2),
            (640.0, 260.0),
        ),  # clockwise: right becomes up
    ],
)
def test_projection(point: tuple[float, float, float], pose: Pose, pixel: tuple[float, float]) -> None:
    assert one(point, pose) == pytest.approx(pixel, abs=1e-9)


def test_what_is_behind_the_lens_has_no_pixel() -> None:
    px, depth = project(np.array([[0.0, 0.0, -5.0]]), Pose(0, 0, 0), LENS)
    assert np.isnan(px).all()
    assert depth[0] == -5.0


def test_focal_length_of_a_field_of_view() -> None:
    assert Pinhole.from_fov(1280, 720, 90).focal_px == pytest.approx(640)


@given(angles, angles)
def test_level_axes_are_a_right_handed_frame_without_roll(yaw: float, pitch: float) -> None:
    frame = axes(yaw, pitch)
    assert frame @ frame.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)
    assert frame[0, 1] == 0.0  # the level camera's right is level


@given(angles, angles, angles)
def test_many_rotations_are_one_rotation_each(yaw: float, pitch: float, roll: float) -> None:
    pose = Pose(0, 0, 0, yaw, pitch, roll)
    assert rotations([pose, pose])[1] == pytest.approx(rotation(pose), abs=1e-12)


def test_a_left_bend_of_36_5_m_is_1_4_m_off_straight_at_10_m() -> None:
    x, z, heading = Path(-1 / 36.5).place(10.0, 0.0)
    assert x == pytest.approx(-1.361, abs=1e-3)
    assert z == pytest.approx(9.875, abs=1e-3)
    assert heading == pytest.approx(-0.274, abs=1e-3)


@given(st.sampled_from([0.0, -1 / 36.5, 1 / 36.5, 0.2]), st.floats(-4, 30), st.floats(-4, 4))
def test_places_on_a_path_are_found_again(curvature: float, ds: float, n: float) -> None:
    path = Path(curvature)
    if abs(ds * curvature) > 2.5:
        return
    x, z, _ = path.place(ds, n)
    back = path.unplace(np.array([x]), np.array([z]))
    assert float(back[0][0]) == pytest.approx(ds, abs=1e-9)
    assert float(back[1][0]) == pytest.approx(n, abs=1e-9)
    assert [float(v[0]) for v in path.places(np.array([ds]), np.array([n]))] == pytest.approx(
        path.place(ds, n)
    )


def run(gait: Gait, speed: float = 2.5, seconds: float = 40.0) -> tuple[np.ndarray, np.ndarray, object]:
    t = np.arange(0, seconds, 0.005)
    speeds = np.full_like(t, speed)
    return t, speeds, gait.shake(t, t * float(gait.step_hz(np.array(speed))), speeds)


def test_gait_has_the_amplitudes_it_is_given() -> None:
    _, _, shake = run(Gait(Profile(slap_rms_deg=0.0)))
    assert np.max(shake.up_m) == pytest.approx(0.03, rel=1e-3)
    assert np.degrees(np.max(shake.yaw_rad)) == pytest.approx(10.0, rel=1e-3)
    assert np.degrees(np.max(shake.pitch_rad)) == pytest.approx(2.5, rel=1e-3)
    assert np.degrees(np.max(shake.roll_rad)) == pytest.approx(3.0, rel=1e-3)
    assert np.max(shake.along_m_s) == pytest.approx(0.15, rel=1e-3)


def test_gait_repeats_each_stride_at_one_and_a_half_hertz() -> None:
    t, _, shake = run(Gait(Profile(slap_rms_deg=0.0)))
    for values, hertz in (
        (shake.yaw_rad, 1.5),
        (shake.roll_rad, 1.5),
        (shake.pitch_rad, 3.0),
        (shake.up_m, 3.0),
    ):
        peak = np.argmax(np.abs(np.fft.rfft(values))[1:]) + 1
        assert peak / (t[-1] + 0.005) == pytest.approx(hertz, abs=0.03)


def test_harness_slap_is_half_a_degree() -> None:
    _, _, shake = run(
        Gait(Profile(yaw_deg=0, pitch_deg=0, roll_deg=0, slap_rms_deg=0.5), seed=3), seconds=400
    )
    for values in (shake.yaw_rad, shake.pitch_rad, shake.roll_rad):
        assert np.degrees(np.std(values)) == pytest.approx(0.5, rel=0.05)


def test_ripple_of_place_is_the_integral_of_ripple_of_speed() -> None:
    t, _, shake = run(Gait())
    assert np.gradient(shake.along_m, t)[5:-5] == pytest.approx(shake.along_m_s[5:-5], abs=2e-3)


@given(st.floats(0, 8))
def test_gait_fades_at_rest_and_stays_bounded(speed: float) -> None:
    _, _, shake = run(Gait(seed=1), speed, 4.0)
    assert np.max(np.abs(shake.up_m)) <= 0.03 * 1.4 + 1e-9
    if speed == 0:
        assert np.max(np.abs(shake.yaw_rad)) == 0.0


def test_the_same_seed_shakes_the_same_way() -> None:
    a, b, c = (run(Gait(seed=s))[2].yaw_rad for s in (4, 4, 5))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("radius_m", [6.0, -6.0, 9.0, -20.0, 36.5])
def test_no_tree_stands_on_a_bend_or_its_other_side(radius_m: float) -> None:
    path = Path(1 / radius_m)
    trees = Trees(Pinhole.from_fov(640, 360, 66.0), 2, 60.0)
    seen = 0
    for s_m in range(0, 60, 3):
        for _, tree in trees.near(s_m, path):
            x, z, _ = path.place(tree.s_m - s_m, tree.n_m)
            # The path is a circle about (radius, 0).
            assert abs(math.hypot(x - radius_m, z) - abs(radius_m)) > 8.0
            seen += 1
    assert seen > 20
