"""What a gyroscope gains for the wearer, what is told when it fails, and that without one nothing is otherwise."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.gyro import Gyro
from rearguard.cue.table import FAULTS
from rearguard.ego.pinhole import Pinhole
from rearguard.ego.state import EgoEstimator
from rearguard.journal.trace.columns import decode, encode, shape_of
from rearguard.lab.scenarios.table import LATENCY_S
from rearguard.lab.world import boxes, catalogue
from rearguard.lab.world.boxes import Noise
from rearguard.lab.world.gyro import Errors, accelerations_of, rates_of
from rearguard.sense.rates import Recorded
from rearguard.sense.source import GyroSense
from rearguard.types import CueName, EgoMotion, Fault, Gravity, Level, Observation
from rearguard.vision.rules import Rules

FPS = 10.0
WITH, WITHOUT = Noise(gyro=Errors()), Noise()


def observations(noise: Noise, seed: int = 1, world: str = "stand") -> list[Observation]:
    scene = catalogue.scene(world, speed=2.5, seed=float(seed))
    return [frame.seen for frame in boxes.observe(scene, fps=FPS, noise=noise, seed=seed)]


def rules(config: Config | None = None) -> Rules:
    config = config or Config()
    return Rules(
        config, Pinhole.from_fov(config.camera.width_px, config.camera.height_px, config.camera.hfov_deg)
    )


def swing_errors(noise: Noise, seed: int) -> Iterator[float]:
    scene = catalogue.scene("stand", speed=2.5, seed=float(seed))
    ego = EgoEstimator()
    for frame in boxes.observe(scene, fps=FPS, noise=noise, seed=seed):
        at_s = frame.seen.captured_ns / NS_PER_S
        state = ego.add_turn(frame.seen.ego, frame.seen.captured_ns)
        if at_s > 2.0:
            yield state.swing_rad - scene.wearer.pose(at_s, 1.35, 0.0).yaw_rad


def test_the_swing_is_known_nearly_twice_as_well() -> None:
    with_, without = (
        math.sqrt(np.mean([e**2 for seed in range(8) for e in swing_errors(noise, seed)]))
        for noise in (WITH, WITHOUT)
    )
    assert with_ < 0.65 * without
    assert math.degrees(with_) < 0.25


def test_only_turns_and_gravity_are_other_with_a_gyroscope_and_its_accelerometer() -> None:
    alone = observations(Noise(gyro=Errors(), accel=False))
    for a, b, c in zip(observations(WITH), observations(WITHOUT), alone, strict=True):
        assert replace(a, ego=b.ego, gravity=None) == b
        assert replace(a, gravity=None) == c
        assert not b.ego.felt


def test_an_outing_with_a_gyroscope_is_judged_again_bit_for_bit() -> None:
    told = observations(WITH, world="walk-toward")
    shape = shape_of(Observation)
    again = decode(shape, encode(shape, told), len(told), Observation)
    assert again == told
    live, replayed = rules(), rules()
    assert [live.judge_frame(o, LATENCY_S) for o in told] == [
        replayed.judge_frame(o, LATENCY_S) for o in again
    ]


def test_turns_of_a_version_without_gyroscope_are_read() -> None:
    told = [EgoMotion(0.1, 0.2, 0.3, 0.9)]
    shape = copy.deepcopy(shape_of(EgoMotion))
    assert isinstance(shape, dict)
    shape["struct"].pop("sd_rad")
    old = encode(shape, told)
    assert decode(shape, old, 1, EgoMotion) == told


def test_frames_of_a_version_without_gravity_are_read() -> None:
    told = observations(WITH)
    assert all(o.gravity for o in told)
    shape = copy.deepcopy(shape_of(Observation))
    assert isinstance(shape, dict)
    shape["struct"].pop("gravity")
    older = [replace(o, gravity=None) for o in told]
    assert decode(shape, encode(shape, older), len(older), Observation) == older


def test_a_pod_that_looks_down_is_warned_from_as_one_that_does_not() -> None:
    """The pitch that the rules hold is by gravity from the first second on; without it, what was set up."""
    told = observations(WITH, world="stand")
    judging = rules()
    for o in (replace(o, heading=None, gravity=Gravity(0.1, 0.0, 0.03)) for o in told[:15]):
        judging.judge_frame(o, LATENCY_S)
    assert judging.pitch_rad == pytest.approx(0.1, abs=0.04)


def first_critical_s(config: Config, told: list[Observation]) -> float:
    judging = rules(config)
    return next(
        o.captured_ns / NS_PER_S for o in told if judging.judge_frame(o, LATENCY_S)[1].level is Level.CRITICAL
    )


def test_earlier_levels_are_given_only_while_the_gyroscope_works() -> None:
    earlier = Config(gyro=Gyro(earlier_s=0.6))
    told = observations(WITH, seed=3)
    usual_s = first_critical_s(Config(), told)
    assert first_critical_s(earlier, told) == pytest.approx(usual_s - 0.6, abs=0.21)
    blank = observations(WITHOUT, seed=3)
    assert first_critical_s(earlier, blank) == first_critical_s(Config(), blank)
    # It fails a second before: the levels are the usual ones again.
    fails = [
        replace(a, ego=b.ego) if a.captured_ns / NS_PER_S > usual_s - 1.5 else a
        for a, b in zip(told, blank, strict=True)
    ]
    assert first_critical_s(earlier, fails) == first_critical_s(Config(), fails)


def test_a_gyroscope_that_is_wanted_and_missing_is_told_and_the_picture_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sense = GyroSense(Gyro(device="nobody-has-this"), live=True)
    try:
        assert sense.fusion is not None
        flow = EgoMotion(0.01, 0.0, 0.0, 0.9)
        deadline = time.monotonic() + 5
        while sense.fusion.trust.why == "" and time.monotonic() < deadline:
            assert sense.fusion.fuse(flow, time.monotonic_ns()) == flow
            time.sleep(0.02)
        assert sense.failed
        assert sense.failed
        assert caplog.text.count("gyroscope:") == 1
        assert "hardware.md" in caplog.text
    finally:
        sense.close()
    assert FAULTS[Fault.GYRO_FAILED].cue is CueName.DEGRADED


def test_an_accelerometer_that_fails_is_told_once_in_the_log_and_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = catalogue.scene("stand", speed=0.0, seed=1.0)
    rates, accel = rates_of(scene, 1, 0.0), accelerations_of(scene, 1, 0.0)
    stuck = Recorded(accel._at_ns, np.full_like(accel._rate, 9.81))
    sense = GyroSense(Gyro(device="auto"), own=(rates, stuck), live=False)
    assert sense.fusion is not None
    for i in range(1, 30):
        told = sense.fusion.fuse(EgoMotion(0.0, 0.0, 0.0, 0.9), i * NS_PER_S // 10)
        assert sense.fusion.level(told, i * NS_PER_S // 10) is None
        assert not sense.failed
    assert caplog.text.count("accelerometer: it is stuck") == 1
    assert sense.take_falls() == []


def test_without_the_setting_nothing_is_opened() -> None:
    sense = GyroSense(Gyro(), own=None, live=True)
    assert sense.fusion is None
    assert not sense.failed
    sense.close()
