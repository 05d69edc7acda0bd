"""One ego state: the swing of the trunk told from the turn of the path, and how fast the wearer is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.clock import NS_PER_S
from rearguard.ego.level import Direction, axes, depth_share, direction, pixel
from rearguard.ego.pinhole import Pinhole
from rearguard.ego.state import EgoEstimator
from rearguard.types import EgoMotion, EgoState, Gravity, Heading, Lane, Speed

LENS = Pinhole.from_fov(1280, 720, 66.0)


def run(bend_rad_s: float, *, fps: float = 10.0, seconds: float = 12.0, stride_hz: float = 1.5,
        swing_deg: float = 10.0, after_s: float = 4.0) -> list[tuple[EgoState, float]]:  # fmt: skip
    """(state, true angle off the path) of a trunk that swings at its stride's rhythm on a path that bends."""
    ego, out, was = EgoEstimator(), [], 0.0
    for i in range(round(seconds * fps)):
        t = i / fps
        swing = math.radians(swing_deg) * math.sin(2 * math.pi * stride_hz * t + 0.4)
        yaw = bend_rad_s * t + swing
        state = ego.add_turn(EgoMotion(yaw_rad=yaw - was, quality=0.9), round(t * NS_PER_S))
        was = yaw
        if t >= after_s:
            out.append((state, swing))
    return out


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
@pytest.mark.parametrize("stride_hz", [1.0, 1.42, 1.5, 1.65])
def test_the_direction_of_travel_stays_put_while_the_trunk_swings(fps: float, stride_hz: float) -> None:
    errors = [math.degrees(abs(s.swing_rad - true)) for s, true in run(0.0, fps=fps, stride_hz=stride_hz)]
    assert median(errors) < 1.0
    assert max(errors) < 3.0


@pytest.mark.parametrize("radius_m", [36.5, -36.5, 12.0, 6.0])
def test_on_a_bend_the_direction_of_travel_turns_along_and_the_bend_is_known(radius_m: float) -> None:
    bend = 2.5 / radius_m
    told = run(bend)
    assert median([math.degrees(abs(s.swing_rad - true)) for s, true in told]) < 1.5
    assert median([s.turn_rate_rad_s for s, _ in told[-40:]]) == pytest.approx(bend, rel=0.15)
    assert told[-1][0].curvature_per_m == pytest.approx(min(max(1 / radius_m, -0.2), 0.2), rel=0.2)


def headed(trunk: Callable[[float], float], bend_rad_s: float = 0.0, *, told: bool = True,
           seconds: float = 8.0) -> list[tuple[float, EgoState, float]]:  # fmt: skip
    """(time, state, true angle off the path) of a camera on a trunk that swings about `trunk(t)`; where the picture
    expands from is `told` in every frame, off by a degree, in the mean over the last third of a second."""
    ego, out, was, off = EgoEstimator(), [], 0.0, random.Random(1)
    for i in range(round(10 * seconds)):
        t = i / 10
        swing = 0.17 * math.sin(2 * math.pi * 1.5 * t + 0.4) + trunk(t)
        yaw = bend_rad_s * t + swing
        state = ego.add_turn(EgoMotion(yaw_rad=yaw - was, quality=0.9), round(t * NS_PER_S))
        was = yaw
        if told:
            seen = -swing - 0.5 * 0.33 * bend_rad_s + off.gauss(0.0, 0.017)
            ego.add_heading(Heading(seen, 0.025, 0.33))
        out.append((t, state, swing))
    return out


@pytest.mark.parametrize("bend_rad_s", [0.0, 0.07, -0.2])
@pytest.mark.parametrize("askew_deg", [-15.0, 5.0, 10.0])
def test_a_pod_that_hangs_askew_is_found_out_by_where_the_picture_expands_from(
    askew_deg: float, bend_rad_s: float
) -> None:
    def errors(*, told: bool) -> list[float]:
        run = headed(lambda _: math.radians(askew_deg), bend_rad_s, told=told)
        return [math.degrees(abs(s.swing_rad - true)) for t, s, true in run if t > 2]

    assert median(errors(told=True)) < 1.5
    assert median(errors(told=False)) > 0.7 * abs(askew_deg)


def test_a_trunk_that_turns_aside_and_stays_so_is_no_bend() -> None:
    told = headed(lambda t: math.radians(20.0) * min(max((t - 3) / 0.8, 0.0), 1.0))
    assert max(abs(s.turn_rate_rad_s) for t, s, _ in told if t > 4) < 0.1
    assert max(math.degrees(abs(s.swing_rad - true)) for t, s, true in told if t > 5) < 4.0


def test_where_the_wearer_heads_tells_which_kind_of_path_it_is() -> None:
    """By the camera's turns alone a straight may as well be about to bend, for seconds."""
    straight = [s for t, s, _ in headed(lambda _: 0.0) if 2 <= t < 4]
    assert median(s.turn_rate_sd_rad_s for s in straight) < 0.008
    assert median(abs(s.turn_rate_rad_s) for s in straight) < 0.002
    bend = [s for t, s, _ in headed(lambda _: 0.0, 0.1) if 2 <= t < 4]
    assert max(abs(s.turn_rate_rad_s - 0.1) - 2.5 * s.turn_rate_sd_rad_s for s in bend) < 0


def test_somebody_who_walks_through_the_picture_moves_the_path_by_little() -> None:
    """Whoever crosses near the camera can seem to be where the picture expands from, for half a second."""
    ego = EgoEstimator()
    for i in range(60):
        state = ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 10)
        ego.add_heading(Heading(0.4 if 40 <= i < 45 else 0.0, 0.025, 0.33))
    assert math.degrees(abs(state.swing_rad)) < 3.0
    assert abs(state.turn_rate_rad_s) < 0.02


def test_gravity_is_a_first_word_on_the_pitch_and_where_the_wearer_heads_the_last() -> None:
    """Of a path that climbs by 4 %, gravity tells the horizon, which is not what counts."""
    ego = EgoEstimator()
    by_gravity = Gravity(0.1, -0.08, 0.03)
    for i in range(200):
        ego.add_turn(EgoMotion(quality=0.9, sd_rad=1e-4), i * NS_PER_S // 10)
        ego.add_gravity(by_gravity)
        if i == 20:
            assert ego.state.pitch_rad == pytest.approx(0.1, abs=0.03)
        if i > 20:
            ego.add_heading(Heading(0.0, 0.025, 0.33, -0.06, 0.045))
    assert ego.state.pitch_rad == pytest.approx(0.06, abs=0.01)
    assert ego.state.roll_rad == pytest.approx(-0.08, abs=0.02)


@pytest.mark.parametrize("down_deg", [-8.0, 3.0, 6.0])
def test_a_pod_that_points_up_or_down_is_found_out_by_where_the_picture_expands_from(down_deg: float) -> None:
    """It was set up to point 2 degrees up; who runs nods twice a stride, and bobs as often."""
    ego, was, off, errors = EgoEstimator(math.radians(-2.0)), 0.0, random.Random(1), []
    for i in range(80):
        t = i / 10
        nod = math.radians(down_deg - 2.0) + 0.04 * math.sin(2 * math.pi * 3.0 * t)
        state = ego.add_turn(EgoMotion(pitch_rad=nod - was, quality=0.9), round(t * NS_PER_S))
        was = nod
        if t > 3:
            errors.append(math.degrees(abs(state.pitch_rad - nod)))
        ego.add_heading(Heading(0.0, 0.025, 0.33, -nod + off.gauss(0.0, 0.02), 0.04))
    assert median(errors) < 1.0


def test_what_nobody_saw_of_a_turn_is_the_trunks_not_the_paths() -> None:
    """In one frame of a swing no turn can be fitted: the path has not jumped aside for that."""
    ego, was = EgoEstimator(), 0.0
    for i in range(60):
        t = i / 10
        yaw = 0.17 * math.sin(2 * math.pi * 1.5 * t + 0.4)
        lost = i in {43, 51}
        turned = EgoMotion() if lost else EgoMotion(yaw_rad=yaw - was, quality=0.9)
        state = ego.add_turn(turned, round(t * NS_PER_S))
        was = yaw
        if lost:
            assert abs(math.degrees(state.swing_rad - yaw)) < 4.0, "the rhythm of the strides tells it"
            assert abs(math.degrees(state.path_turned_rad)) < 0.5


def test_turns_that_nobody_saw_make_no_bend_of_where_the_wearer_heads() -> None:
    ego, was, off, rates = EgoEstimator(), 0.0, random.Random(1), []
    for i in range(200):
        t = i / 10
        yaw = 0.17 * math.sin(2 * math.pi * 1.5 * t + 0.4)
        turned = EgoMotion() if off.random() < 1 / 3 else EgoMotion(yaw_rad=yaw - was, quality=0.9)
        rates.append(ego.add_turn(turned, round(t * NS_PER_S)).turn_rate_rad_s)
        was = yaw
        ego.add_heading(Heading(off.gauss(0.0, 0.017) - yaw, 0.025, 0.33))
    assert max(map(abs, rates[20:])) < 0.02


def test_a_straight_is_not_taken_for_a_bend() -> None:
    assert max(abs(s.turn_rate_rad_s) for s, _ in run(0.0)) < 0.02


def test_its_deviations_are_honest() -> None:
    """The error of the swing is within twice its deviation nearly always, and the deviation is of use."""
    told = run(2.5 / 36.5) + run(0.0)
    within = [abs(s.swing_rad - true) < 2 * s.swing_sd_rad + 0.005 for s, true in told]
    assert sum(within) > 0.9 * len(within)
    assert median([s.swing_sd_rad for s, _ in told]) < 0.04


def test_turns_are_composed_so_that_twist_and_lean_do_not_look_like_pitch() -> None:
    """A trunk that twists by 10 deg and leans by 3 deg a quarter of a stride later: summed, it pitches 2 deg/s."""
    ego, state = EgoEstimator(), EgoState()
    before: np.ndarray | None = None
    for i in range(60):
        phase = 2 * math.pi * 1.5 * i / 15
        yaw, roll = math.radians(10) * math.sin(phase), math.radians(3) * math.cos(phase)
        c, s = math.cos(yaw), math.sin(yaw)
        now = np.array([[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
        now = now @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        step = np.eye(3) if before is None else now @ before.T
        w = 0.5 * np.array([step[1, 2] - step[2, 1], step[2, 0] - step[0, 2], step[0, 1] - step[1, 0]])
        size = np.linalg.norm(w)
        w *= math.asin(min(size, 1.0)) / size if size > 1e-9 else 1.0
        state = ego.add_turn(EgoMotion(float(w[1]), float(-w[0]), float(w[2]), 1.0), i * NS_PER_S // 15)
        before = now
    assert abs(math.degrees(state.pitch_rad)) < 1.2


def test_a_turn_that_is_not_known_makes_the_direction_unsure_for_a_while() -> None:
    ego = EgoEstimator()
    for i in range(60):
        ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 10)
    sure = ego.state.swing_sd_rad
    unsure = ego.add_turn(EgoMotion(), 60 * NS_PER_S // 10).swing_sd_rad
    assert unsure > 2.5 * sure


@pytest.mark.parametrize("true_m_s", [0.0, 1.5, 5.0])
def test_the_wearers_speed_is_learned_from_the_ground_and_kept_for_a_while(true_m_s: float) -> None:
    ego = EgoEstimator(usual_pace_m_s=2.5)
    rng = np.random.default_rng(1)
    for i in range(30):
        ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 10)
        ego.add_speed(Speed(max(0.0, true_m_s * (1 + 0.08 * rng.normal())), max(0.12 * true_m_s, 0.15)))
    assert ego.state.speed_m_s == pytest.approx(true_m_s, abs=0.1 + 0.1 * true_m_s)
    for i in range(30, 600):
        ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 10)
    assert ego.state.speed_m_s == pytest.approx(2.5, abs=0.2), (
        "the ground not seen for a minute: the usual pace"
    )
    assert ego.state.speed_sd_m_s > 0.8


@pytest.mark.parametrize("stops", [False, True])
def test_one_frame_stops_nobody_and_two_do(stops: bool) -> None:
    ego, told = EgoEstimator(usual_pace_m_s=2.5), []
    for i in range(24):
        stands = i == 20 or (stops and i > 20)
        ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 15)
        ego.add_speed(Speed(0.2, 0.15) if stands else Speed(2.1, 0.25))
        told.append(ego.add_turn(EgoMotion(quality=0.9), (2 * i + 1) * NS_PER_S // 30).speed_m_s)
    assert told[20] == pytest.approx(2.1, abs=0.2)
    assert told[21] == pytest.approx(0.2 if stops else 2.1, abs=0.3)


def test_asked_twice_of_one_frame_it_says_the_same() -> None:
    ego = EgoEstimator()
    first = ego.add_turn(EgoMotion(yaw_rad=0.1, quality=0.9), NS_PER_S)
    assert ego.add_turn(EgoMotion(yaw_rad=0.1, quality=0.9), NS_PER_S) == first


any_turn = st.one_of(st.floats(-3.2, 3.2), st.sampled_from([0.0, 3.2, -3.2]))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(any_turn, any_turn, any_turn, st.floats(0, 1), st.floats(0, 3)), max_size=40),
       st.lists(st.floats(0, 50), max_size=5))  # fmt: skip
def test_no_stream_of_turns_makes_nonsense(
    stream: list[tuple[float, float, float, float, float]], speeds: list[float]
) -> None:
    ego, t = EgoEstimator(), 0.0
    for yaw, pitch, roll, quality, step in stream:
        t += step
        state = ego.add_turn(EgoMotion(yaw, pitch, roll, quality), round(t * NS_PER_S))
        for speed in speeds:
            ego.add_speed(Speed(speed, 0.2))
        ego.add_lane(Lane(yaw, 0.001 + 0.1 * quality, roll, 0.001 + 0.1 * quality))
        values = [getattr(state, name) for name in state.__struct_fields__]
        assert all(v is None or math.isfinite(v) for v in values)
        assert abs(state.swing_rad) <= math.pi
        assert abs(state.curvature_per_m) <= 0.2


small = st.floats(-0.3, 0.3)


@given(st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), small, small, small)
def test_a_direction_and_its_pixel_are_inverse(
    bearing: float, down: float, swing: float, pitch: float, roll: float
) -> None:
    rows = axes(EgoState(swing_rad=swing, pitch_rad=pitch, roll_rad=roll))
    x, y = pixel(Direction(bearing, down), rows, LENS)
    back = direction(x, y, rows, LENS)
    assert back.bearing_rad == pytest.approx(bearing, abs=1e-6)
    assert back.down == pytest.approx(down, abs=1e-6)


def test_signs_are_as_documented() -> None:
    ahead = Direction(0.0, 0.0)
    right = axes(EgoState(swing_rad=0.1))
    assert pixel(ahead, right, LENS)[0] < 640, (
        "the camera points to the right of the path: the path is left in it"
    )
    assert pixel(ahead, axes(EgoState(pitch_rad=0.1)), LENS)[1] < 360, (
        "it points down: the horizon is high in it"
    )
    assert depth_share(0.3, right) > depth_share(-0.3, right)
