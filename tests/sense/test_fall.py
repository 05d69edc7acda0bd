"""A fall is marked once; running, walking, bending and taking it off are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rearguard.clock import NS_PER_S
from rearguard.lab.world import catalogue, gyro
from rearguard.sense.fall import FallWatch
from rearguard.sense.gpmf import picture_motion
from rearguard.sense.rates import Array, Rates, Recorded

HZ, FPS, G = 208.0, 10.0, 9.81


def falls(accel: Rates, seconds: float, fps: float = FPS) -> list[float]:
    """When a fall was told, s, of accelerations that are all known."""
    watch, found = FallWatch(), []
    for i in range(1, int(seconds * fps)):
        begins_ns = round((i - 1) / fps * NS_PER_S)
        window = accel.window(begins_ns, round(i / fps * NS_PER_S))
        if window is not None:
            watch.add(window, begins_ns)
        found += [at_ns / NS_PER_S for at_ns in watch.take()]
    return found


def body(
    pitch: Callable[[Array], Array], impacts: dict[float, float], seconds: float, speed: float = 2.5
) -> Recorded:
    """A runner whose trunk is pitched so far (rad) over time; extra impacts by their times, in g."""
    scene = catalogue.scene("stand", speed=speed, seed=1.0, duration=seconds)
    told = gyro.accelerations_of(scene, 1, 0.0)
    t = told._at_ns / NS_PER_S
    a, by = told._rate.copy(), pitch(t)
    a[np.abs(by) > 0.5] = [0.0, -G, 0.0]  # who lies does not run
    for at_s, g in impacts.items():
        a += np.exp(-(((t - at_s) / 0.015) ** 2))[:, None] * [0.0, -g * G, 0.0]
    turned = np.stack([a[:, 0], np.cos(by) * a[:, 1], np.sin(by) * a[:, 1]], axis=1)
    rng = np.random.default_rng(2)
    return Recorded(told._at_ns, turned + rng.normal(0, 0.02, turned.shape))


def lies(
    from_s: float, to_s: float = math.inf, angle_deg: float = 85.0, takes_s: float = 0.5
) -> Callable[[Array], Array]:
    return lambda t: (
        math.radians(angle_deg)
        * (np.clip((t - from_s) / takes_s, 0, 1) - np.clip((t - to_s) / takes_s, 0, 1))
    )


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0, 30.0])
@pytest.mark.parametrize("angle_deg", [-90.0, 75.0, 120.0])
def test_a_fall_is_told_once_by_the_moment_of_its_impact(fps: float, angle_deg: float) -> None:
    accel = body(lies(7.6, angle_deg=angle_deg), {8.0: 4.0, 8.3: 3.5, 9.0: 3.2, 11.0: 3.0}, 20.0)
    (at_s,) = falls(accel, 20.0, fps)
    assert at_s == pytest.approx(8.0, abs=0.35)


def test_who_stands_up_and_falls_again_fell_twice() -> None:
    first, second = lies(7.6, 14.0), lies(25.6)
    accel = body(lambda t: first(t) + second(t), {8.0: 4.0, 26.0: 4.0}, 32.0)
    assert falls(accel, 32.0) == pytest.approx([8.0, 26.0], abs=0.2)


@pytest.mark.parametrize(
    ("pitch", "impacts"),
    [
        (lambda t: 0.0 * t, {i / 3.0: 2.5 for i in range(60)}),  # lands hard at every step
        (lies(9.0, takes_s=1.0), {}),  # lies down
        (lies(8.0, angle_deg=70.0, takes_s=1.5), {i / 3.0: 2.5 for i in range(22)}),  # stops and bends down
        (lies(8.0, 8.8), {7.9: 5.0}),  # stumbles, and stands again
        (lambda t: 0.0 * t, {8.0: 7.0}),  # jumps from a wall
        (lies(7.6, angle_deg=40.0), {8.0: 4.0}),  # leans on something
    ],
)
def test_what_is_no_fall_is_not_told(pitch: Callable[[Array], Array], impacts: dict[float, float]) -> None:
    assert falls(body(pitch, impacts, 20.0), 20.0) == []


@pytest.mark.parametrize("speed", [0.0, 1.2, 2.5, 5.0])
def test_running_is_no_fall(speed: float) -> None:
    for seed in range(4):
        scene = catalogue.scene("stand", speed=speed, seed=float(seed), duration=30.0)
        assert falls(gyro.accelerations_of(scene, seed, 0.0), 30.0) == []


def test_a_real_walk_is_no_fall(shared_data: Path) -> None:
    _, accel = picture_motion(shared_data / "gopro_walk" / "gopro_walk_path.mp4")
    assert accel is not None
    assert falls(accel, 10.0, 30.0) == []
