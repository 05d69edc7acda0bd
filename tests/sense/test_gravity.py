"""Gravity tells how the camera points: soon, honestly, running too, and a bad accelerometer tells nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from rearguard.clock import NS_PER_S
from rearguard.ego.state import EgoEstimator
from rearguard.lab.world import boxes, catalogue, gyro
from rearguard.lab.world.boxes import Noise
from rearguard.lab.world.gait import Gait
from rearguard.lab.world.gyro import Errors
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.wearer import Wearer
from rearguard.sense.gravity import GravitySense
from rearguard.sense.rates import Array, Recorded
from rearguard.types import EgoMotion, Gravity

FPS = 10.0


def tell(
    scene: Scene, spoil: Callable[[Array, Array], Array] = lambda _, a: a, seed: int = 1, fps: float = FPS
) -> tuple[GravitySense, list[tuple[float, Gravity | None, float, float]]]:
    """What a part by its data sheet tells of a scene: (s, gravity, true pitch, true roll) of each frame."""
    told = gyro.accelerations_of(scene, seed, 0.0)
    at_s = told._at_ns / NS_PER_S
    accel = spoil(at_s, told._rate.copy())
    clipped = (np.abs(accel) >= 8 * 9.81 - 1e-6).any(axis=1)
    sense = GravitySense(Recorded(told._at_ns, accel, clipped), np.eye(3))
    times = np.arange(0.1, scene.duration_s - 0.1, 1 / fps)
    turns = gyro.true_turns(scene, times, seed, 0.0)
    out = []
    for t, (x, y, z) in zip(times.tolist(), turns.tolist(), strict=True):
        gravity = sense.tell(EgoMotion(y, -x, z, 0.9, 3e-4), round(t * NS_PER_S))
        pose = scene.wearer.pose(t, 1.0, 0.0)
        out.append((t, gravity, pose.pitch_rad, pose.roll_rad))
    return sense, out


def scene(speed: float, down: float = 0.0, rolled: float = 0.0, seed: int = 1) -> Scene:
    return catalogue.scene("stand", speed=speed, down=down, rolled=rolled, seed=float(seed), duration=12.0)


def errors(told: list[tuple[float, Gravity | None, float, float]]) -> list[tuple[float, float, float]]:
    """(s, error of pitch, of roll) in the deviations that are told."""
    return [(t, (g.pitch_rad - p) / g.sd_rad, (g.roll_rad - r) / g.sd_rad) for t, g, p, r in told if g]


@pytest.mark.parametrize(("down", "rolled"), [(6.0, 0.0), (-6.0, 8.0), (0.0, -8.0)])
def test_who_stands_is_told_within_a_second_how_the_pod_hangs(down: float, rolled: float) -> None:
    _, told = tell(scene(0.0, down, rolled))
    first = next(t for t, g, *_ in told if g is not None)
    assert first < 1.0
    for t, gravity, pitch, roll in told:
        if t > 1.0:
            assert gravity is not None
            assert gravity.pitch_rad == pytest.approx(pitch, abs=math.radians(4))
            assert gravity.roll_rad == pytest.approx(roll, abs=math.radians(4))
    assert told[-1][2] == pytest.approx(math.radians(down))
    assert told[-1][3] == pytest.approx(math.radians(rolled))


@pytest.mark.parametrize("speed", [0.0, 1.2, 2.5, 4.5])
def test_what_is_told_is_off_by_no_more_than_it_says(speed: float) -> None:
    off = [e for seed in range(12) for e in errors(tell(scene(speed, 5.0, -5.0, seed), seed=seed)[1])]
    assert len(off) > 1000
    square = np.mean([(p * p + r * r) / 2 for _, p, r in off])
    assert square < 1.2
    assert square > 0.1  # nor is it known much better than it says


def test_who_sets_off_and_stops_tilts_no_horizon() -> None:
    """From standing to 4 m/s within a second, and back within one: half of gravity, forwards and backwards."""
    speeds = ((0.0, 0.0), (3.0, 0.0), (4.0, 4.0), (8.0, 4.0), (9.0, 0.0), (12.0, 0.0))
    moving = Wearer.programme(speeds, 12.0, Gait(seed=3), shaking=True)
    _, told = tell(Scene("start", moving, (), seed=3))
    assert max(max(abs(p), abs(r)) for _, p, r in errors(told)) < 2.5


BAD: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "stuck": (lambda t, a: np.where((t > 5)[:, None], a[600], a), "stuck"),
    "nothing": (lambda t, a: np.where((t > 5)[:, None], 0.0, a), "stuck"),
    "no number": (lambda t, a: np.where((t > 5)[:, None], np.nan, a), "tells nothing"),
    "infinite": (lambda t, a: np.where((t > 5)[:, None], np.inf, a), "tells nothing"),
    "clipped": (lambda t, a: np.where((t > 5)[:, None], np.clip(40 * a, -78.48, 78.48), a), "end of what"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_accelerometer_tells_nothing_and_why(kind: str) -> None:
    spoil, why = BAD[kind]
    sense, told = tell(scene(2.5), spoil)
    assert all(g is not None for t, g, *_ in told if 2.0 < t < 4.9)
    assert all(g is None for t, g, *_ in told if t > 7.0)
    assert why in sense.trust.why
    assert max(max(abs(p), abs(r)) for t, p, r in errors(told) if t > 1.0) < 4.0  # until it is found out


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_another_weight_than_the_earths_is_not_believed(factor: float) -> None:
    _, told = tell(scene(2.5), lambda _, a: factor * a)
    assert not any(g for t, g, *_ in told if t > 2.0)


def test_a_part_that_sits_otherwise_than_told_tells_nothing() -> None:
    _, told = tell(scene(2.5), lambda _, a: a[:, [1, 2, 0]])
    assert not any(g for _, g, *_ in told)


def test_after_a_gap_it_begins_anew() -> None:
    sense, _ = tell(scene(0.0))
    assert sense.tell(EgoMotion(quality=0.9), 60 * NS_PER_S) is None


def pitch_and_roll(accel: bool, seed: int, **world: float) -> Array:
    """By how much pitch and roll of the ego state are off, degrees, with times: (n, 3)."""
    scene = catalogue.scene("stand", seed=float(seed), duration=8.0, **world)
    mount_rad = math.radians(boxes.Camera().pitch_deg)
    ego, out = EgoEstimator(mount_rad), []
    for frame in boxes.observe(scene, fps=FPS, noise=Noise(gyro=Errors(), accel=accel), seed=seed):
        t = frame.seen.captured_ns / NS_PER_S
        state = ego.add_turn(frame.seen.ego, frame.seen.captured_ns)
        pose = scene.wearer.pose(t, 1.0, mount_rad)
        out.append((t, *np.degrees((state.pitch_rad - pose.pitch_rad, state.roll_rad - pose.roll_rad))))
        ego.add_speed(frame.seen.speed)
        ego.add_heading(frame.seen.heading)
        ego.add_gravity(frame.seen.gravity)
    return np.array(out)


@pytest.mark.parametrize("down", [-6.0, 6.0])
def test_a_pod_that_points_up_or_down_is_known_while_standing(down: float) -> None:
    with_, without = (
        np.concatenate([pitch_and_roll(accel, seed, speed=0.0, down=down) for seed in range(6)])
        for accel in (True, False)
    )
    assert np.median(np.abs(without[:, 1])) > 5.5
    assert np.median(np.abs(with_[with_[:, 0] > 1.0, 1])) < 2.0


def test_a_pod_that_hangs_by_one_strap_is_known_while_running_and_no_swing_is_made_worse() -> None:
    with_, without = (
        np.concatenate([pitch_and_roll(accel, seed, speed=2.5, rolled=8.0) for seed in range(6)])
        for accel in (True, False)
    )
    assert np.median(np.abs(without[:, 2])) > 5.0
    later = with_[with_[:, 0] > 2.0]
    assert np.median(np.abs(later[:, 2])) < 2.0
    assert np.median(np.abs(later[:, 1])) < 1.0
