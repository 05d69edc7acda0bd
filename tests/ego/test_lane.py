"""Lane lines and path edges: found where they are, not where they are not, and believed only while they agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import median

import cv2
import numpy as np
import pytest

from rearguard.clock import NS_PER_S
from rearguard.ego.ignored import Ignored
from rearguard.ego.lane import AHEAD_M, LaneDetector
from rearguard.ego.lane_keeping import LaneKeeping
from rearguard.ego.pinhole import Pinhole
from rearguard.ego.state import EgoEstimator
from rearguard.lab.world import catalogue
from rearguard.lab.world.camera import Pose
from rearguard.lab.world.render import Renderer
from rearguard.types import Box, EgoMotion, EgoState, Heading, Image, Lane

LENS = Pinhole.from_fov(640, 360, 66.0)
HEIGHT_M, PITCH_RAD = 1.35, math.radians(-2.0)


def looks(world: str, tenths: range, ignore: tuple[tuple[float, float, float, float], ...] = (), **values: float
          ) -> Iterator[tuple[float, Pose, Lane | None]]:  # fmt: skip
    """(time, the camera's true pose, lane) of a drawn world, at these tenths of a second."""
    scene = catalogue.scene(world, **values)
    drawn = Renderer(scene, Pinhole.from_fov(LENS.width_px, LENS.height_px, 66.0), HEIGHT_M, PITCH_RAD)
    detector = LaneDetector(LENS, HEIGHT_M, Ignored(ignore, (LENS.width_px, LENS.height_px)))
    for i in tenths:
        pose = drawn.pose(i / 10)
        ego = EgoState(swing_rad=pose.yaw_rad, pitch_rad=pose.pitch_rad, roll_rad=pose.roll_rad)
        grey = cv2.cvtColor(drawn.frame(i / 10, i)[0], cv2.COLOR_BGR2GRAY)
        yield i / 10, pose, detector.detect(grey, i * NS_PER_S // 10, ego)


def sightings(world: str, ignore: tuple[tuple[float, float, float, float], ...] = (), **values: float
              ) -> tuple[list[tuple[Lane | None, float]], float]:  # fmt: skip
    """(lane, true direction of the path 5 m ahead as the camera sees it) of a second and a half, and the path's
    curvature."""
    bend = catalogue.scene(world, **values).path.curvature_per_m
    seen = looks(world, range(16), ignore, duration=1.6, **values)
    return [(lane, AHEAD_M * bend - pose.yaw_rad) for _, pose, lane in seen], bend


@pytest.mark.parametrize(
    ("world", "values"),
    [
        ("empty", {}),
        ("curve", {}),
        ("bend", {"radius": 20.0}),
        ("empty", {"aside": 8.0}),
        ("marked-track", {}),
    ],
)
def test_a_track_tells_where_it_leads_and_how_it_bends(world: str, values: dict[str, float]) -> None:
    found, bend = sightings(world, **values)
    seen = [(lane, true) for lane, true in found if lane is not None]
    assert len(seen) >= 12
    assert median(math.degrees(abs(lane.bearing_rad - true)) for lane, true in seen) < 0.7
    assert median(abs(lane.curvature_per_m - bend) for lane, _ in seen) < 0.004
    # The wearer runs in the middle of a lane of 1.22 m.
    sides = [
        (lane.left_m, lane.right_m)
        for lane, _ in seen
        if lane.left_m is not None and lane.right_m is not None
    ]
    assert median(right - left for left, right in sides) == pytest.approx(1.22, abs=0.1)


def test_the_edges_of_a_path_do_as_well_as_lines() -> None:
    found, _ = sightings("empty", path=1)
    errors = [math.degrees(abs(lane.bearing_rad - true)) for lane, true in found if lane is not None]
    assert len(errors) >= 3
    assert max(errors) < 2.0


def looked_at(picture: Image, things: tuple[Box, ...] = ()) -> Lane | None:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    return LaneDetector(LENS, HEIGHT_M).detect(grey, 0, EgoState(pitch_rad=PITCH_RAD), things)


def grass(seed: int) -> Image:
    rough = np.random.default_rng(seed).normal(0, 1, (360, 640)).astype(np.float32)
    rough = sum(cv2.GaussianBlur(rough, (0, 0), sd) * sd for sd in (1.0, 3.0, 9.0))
    return np.clip(110 + 25 * rough, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_grass_has_no_lane(seed: int) -> None:
    assert looked_at(grass(seed)) is None


def test_what_stands_upright_is_no_lane() -> None:
    fence = grass(1)
    for x in range(20, 640, 60):
        cv2.line(fence, (x, 100), (x, 355), 250, 5)
    assert looked_at(fence) is None
    legs = grass(2)
    for x in (290, 340):
        cv2.line(legs, (x, 120), (x, 330), 20, 22)
    assert looked_at(legs) is None


def test_one_line_alone_is_no_lane() -> None:
    wire = grass(3)
    cv2.line(wire, (330, 200), (500, 359), 255, 4)
    assert looked_at(wire) is None


def test_lines_behind_things_and_own_parts_are_left_out() -> None:
    scene = catalogue.scene("empty", duration=1.0, gait=0)
    drawn = Renderer(scene, Pinhole.from_fov(LENS.width_px, LENS.height_px, 66.0), HEIGHT_M, PITCH_RAD)
    picture = drawn.frame(0.0, 0)[0]
    assert looked_at(picture) is not None
    assert looked_at(picture, (Box(0, 0, 640, 360),)) is None
    found, _ = sightings("empty", ignore=((0.0, 0.5, 1.0, 1.0),))
    assert all(lane is None for lane, _ in found)


# ── in the ego state ────────────────────────────────────────────────────────────────────────────────────


def run(radius_m: float, *, lanes: bool, seconds: float = 4.0, off_rad: float = 0.0,
        headed: Callable[[float], float] = lambda _: 0.0, until_s: float = math.inf
        ) -> list[tuple[float, EgoState, float]]:  # fmt: skip
    """(time, state, true swing) of a wearer whose trunk swings on a bend; the `lanes` that are seen until a time lead
    `off_rad` beside the path; at a time the wearer heads `headed` (rad) off it."""
    ego, out, was, bend = EgoEstimator(), [], 0.0, 1 / radius_m
    for i in range(round(10 * seconds)):
        t = i / 10
        swing = 0.17 * math.sin(2 * math.pi * 1.5 * t + 0.4)
        yaw = 2.5 * bend * t + swing
        state = ego.add_turn(EgoMotion(yaw_rad=yaw - was, quality=0.9), round(t * NS_PER_S))
        was = yaw
        ego.add_heading(Heading(headed(t) - swing - 0.16 * 2.5 * bend, 0.02, 0.33))
        if lanes and t < until_s:
            ego.add_lane(Lane(AHEAD_M * bend - swing + off_rad, 0.004, bend, 0.002))
        out.append((t, state, swing))
    return out


@pytest.mark.parametrize("radius_m", [20.0, -36.5])
def test_with_lines_a_bend_is_known_before_half_a_second(radius_m: float) -> None:
    def known_s(*, lanes: bool) -> float:
        told = run(radius_m, lanes=lanes)
        return next(t for t, state, _ in told if abs(state.curvature_per_m * radius_m - 1) < 0.3)

    assert known_s(lanes=True) < 0.5
    assert known_s(lanes=False) > known_s(lanes=True) + 0.3


def test_with_lines_the_direction_of_the_path_is_told_better_at_once() -> None:
    def error_deg(*, lanes: bool) -> float:
        told = run(1e6, lanes=lanes, seconds=1.5)
        return median(math.degrees(abs(s.swing_rad - true)) for t, s, true in told if t > 0.4)

    assert error_deg(lanes=True) < 0.3
    assert error_deg(lanes=True) < 0.5 * error_deg(lanes=False)


def test_lines_that_lead_elsewhere_than_the_wearer_are_not_believed() -> None:
    """Somebody crosses a track at an angle, or what was taken for its lines is none."""
    told = run(1e6, lanes=True, off_rad=0.35)
    assert max(math.degrees(abs(s.swing_rad - true)) for t, s, true in told if t > 2.5) < 3.0
    assert all(s.bend_per_m is None for t, s, _ in told if t > 2.5)


def test_who_leaves_the_lane_is_not_held_to_it() -> None:
    told = run(1e6, lanes=True, seconds=10.0, headed=lambda t: 0.3 if 2 < t < 5 else 0.0)
    assert all(s.bend_per_m is not None for t, s, _ in told if 1 < t < 2)
    assert all(s.bend_per_m is None for t, s, _ in told if 3.5 < t < 5)
    assert all(s.bend_per_m is not None for t, s, _ in told if t > 7.5)  # back in a lane


def test_when_the_lines_end_the_state_goes_on_as_without_them() -> None:
    told = run(20.0, lanes=True, seconds=6.0, until_s=3.0)
    late = [(s, true) for t, s, true in told if t > 4.5]
    assert all(s.bend_per_m is None for s, _ in late)
    assert median(math.degrees(abs(s.swing_rad - true)) for s, true in late) < 1.5
    assert median(s.curvature_per_m for s, _ in late) == pytest.approx(0.05, rel=0.2)


def test_sightings_that_contradict_one_another_tell_nothing() -> None:
    ego, rng = EgoEstimator(), np.random.default_rng(1)
    for i in range(40):
        state = ego.add_turn(EgoMotion(quality=0.9), i * NS_PER_S // 10)
        ego.add_lane(Lane(float(rng.uniform(-0.4, 0.4)), 0.004, float(rng.uniform(-0.15, 0.15)), 0.002))
        assert state.bend_per_m is None


# ── the wearer in it ────────────────────────────────────────────────────────────────────────────────────


def told_at(sides: list[tuple[float | None, float | None]]) -> list[tuple[int, float]]:
    """(sighting, line) where the lane begins to be left; ten sightings a second."""
    keeping, found, was = LaneKeeping(), [], None
    for i, (left_m, right_m) in enumerate(sides):
        keeping.predict(0.1)
        keeping.measure(Lane(0.0, 0.01, 0.0, 0.01, left_m, right_m))
        if keeping.line_m is not None and was is None:
            found.append((i, keeping.line_m))
        was = keeping.line_m
    return found


def drifting(m_s: float, frames: int = 40, jitter_m: float = 0.0) -> list[tuple[float | None, float | None]]:
    """Where a lane's two lines pass of who drifts out of its middle to the left."""
    rng = np.random.default_rng(1)
    offs = [m_s * i / 10 + float(rng.uniform(-jitter_m, jitter_m)) for i in range(frames)]
    return [(off - 0.61 if off < 0.61 else off - 1.83, min(off + 0.61, 1.22)) for off in offs]


@pytest.mark.parametrize("m_s", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("jitter_m", [0.0, 0.03])
def test_who_drifts_to_a_line_is_told_of_it_once_and_in_time(m_s: float, jitter_m: float) -> None:
    (told,) = told_at(drifting(m_s, frames=round(6.5 / m_s), jitter_m=jitter_m))
    assert told[1] < 0
    # Before the middle of the body is over it, or at the next look.
    assert told[0] / 10 * m_s < 0.61 + 0.1 * m_s


def test_who_keeps_to_the_lane_or_runs_on_a_line_is_left_alone() -> None:
    sway = [0.12 * math.sin(i) for i in range(100)]
    assert told_at([(-0.61 + s, 0.61 + s) for s in sway]) == []
    assert told_at([(-0.05 + 0.5 * s, 1.17) for s in sway]) == []


def test_a_line_that_appears_at_once_or_after_a_while_unseen_is_not_crossed() -> None:
    wide: list[tuple[float | None, float | None]] = [(-1.9, 2.0)] * 10
    assert told_at([*wide, *[(-0.1, 2.0)] * 10]) == []
    assert told_at([*wide, *[(None, 2.0)] * 10, *[(-0.1, 2.0)] * 10]) == []


@pytest.mark.parametrize(("seed", "side"), [(0, -1.0), (1, 1.0)])
def test_a_drawn_track_shows_its_line_come_nearer(seed: int, side: float) -> None:
    """Seeds drift left and right in turn; from the fourth second on at 0.25 m/s."""
    keeping, told = LaneKeeping(), []
    for t, _, lane in looks("drifts", range(30, 70), duration=7.0, seed=seed):
        keeping.predict(0.1)
        if lane is not None:
            keeping.measure(lane)
        told.append((t, keeping.line_m))
    first_s, line_m = next((t, m) for t, m in told if m is not None)
    assert math.copysign(1.0, line_m) == side
    # The shoulder is over the line after 5.44 s, the middle of the body after 6.44 s.
    assert 5.2 < first_s < 6.44
