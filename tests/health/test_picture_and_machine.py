"""What the picture watch and the machine watch say, and when."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rearguard.camera.catalogue import open_source
from rearguard.config.camera import Camera
from rearguard.config.health import Health
from rearguard.cue.table import FAULTS
from rearguard.health.machine import MachineWatch, Readings, judge_machine, read_machine
from rearguard.health.picture import RULES, Aim, Lasting, PictureWatch
from rearguard.types import CueName, EgoMotion, Fault, Frame, Image

FPS = 15


@cache
def scene(seed: int) -> Image:
    """A picture with structure and the noise of a sensor, 320x240."""
    fixed, live = np.random.default_rng(7), np.random.default_rng(seed)
    coarse = fixed.integers(40, 220, (30, 40, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    picture += live.integers(-4, 5, picture.shape, dtype=np.int16)
    return picture.clip(0, 255).astype(np.uint8)


def watch_for(
    seconds: float,
    damage: Callable[[Image, int], Image],
    *,
    good_s: float = 5.0,
    watch: PictureWatch | None = None,
    fps: float = FPS,
) -> tuple[set[Fault], dict[Fault, float]]:
    """Good pictures, then damaged ones: faults seen in the good time, and seconds until each one after."""
    watch = watch or PictureWatch(Health())
    before: set[Fault] = set()
    found: dict[Fault, float] = {}
    n_good = round(good_s * fps)
    for i in range(n_good + round(seconds * fps)):
        image = scene(i)
        late = i - n_good
        frame = Frame(i, round(i * 1e9 / fps), image if late < 0 else damage(image, late))
        for fault in watch.check_picture(frame):
            if late < 0:
                before.add(fault)
            else:
                found.setdefault(fault, late / fps)
    return before, found


def grey(level: int) -> Callable[[Image, int], Image]:
    def paint(image: Image, i: int) -> Image:
        noise = np.random.default_rng(i).integers(-6, 7, image.shape, dtype=np.int16)
        return (noise + level).clip(0, 255).astype(np.uint8)

    return paint


def fog(image: Image, _i: int) -> Image:
    return cv2.GaussianBlur(image, (0, 0), 9.0)


def sun(image: Image, _i: int) -> Image:
    image = image.copy()
    image[:, :160] = 255
    return image


@pytest.mark.parametrize(
    ("damage", "fault", "within_s"),
    [
        (grey(6), Fault.DARK, 1.0),
        (grey(120), Fault.COVERED, 1.0),
        (sun, Fault.GLARE, 1.0),
        (fog, Fault.BLURRED, 3.0),
        (lambda _image, _i: scene(1), Fault.REPEATED_PICTURE, 0.5),
        (lambda _image, i: scene(i % 4), Fault.REPEATED_PICTURE, 0.7),
    ],
    ids=["dark", "covered", "glare", "fog", "repeated", "buffers in turn"],
)
def test_a_damaged_picture_is_told_in_time(
    damage: Callable[[Image, int], Image], fault: Fault, within_s: float
) -> None:
    before, found = watch_for(4.0, damage)
    assert before == set()
    assert found[fault] <= within_s


def test_time_that_stands_still_is_a_frozen_camera() -> None:
    watch = PictureWatch(Health())
    for i in range(30):
        assert watch.check_picture(Frame(i, i * 66_000_000, scene(i))) == ()
    told = [
        Fault.FROZEN_FRAME in watch.check_picture(Frame(30 + i, 29 * 66_000_000, scene(i))) for i in range(8)
    ]
    assert not told[0]
    assert told[5]  # 0.4 s at 15 frames a second


def test_too_few_frames_are_told_within_two_and_a_half_seconds() -> None:
    watch = PictureWatch(Health(min_fps=8))
    for i in range(60):
        assert watch.check_picture(Frame(i, round(i / 15 * 1e9), scene(i))) == ()
    slow = [
        Fault.LOW_FRAME_RATE in watch.check_picture(Frame(60 + i, round((4 + i / 5) * 1e9), scene(i)))
        for i in range(20)
    ]
    assert 4 <= slow.index(True) <= 12
    assert all(slow[12:])


def test_a_slow_detector_is_told() -> None:
    watch = PictureWatch(Health(slow_detect_ms=200))
    told = [watch.check_picture(Frame(i, round(i / 10 * 1e9), scene(i)), detect_s=0.35) for i in range(40)]
    assert told[5] == ()
    assert told[30] == (Fault.SLOW_DETECTOR,)


def test_one_slow_frame_says_nothing() -> None:
    watch = PictureWatch(Health())
    for i in range(60):
        assert (
            watch.check_picture(Frame(i, round(i / 15 * 1e9), scene(i)), detect_s=2.0 if i == 30 else 0.05)
            == ()
        )


def test_a_knock_is_out_of_aim_and_steps_are_not() -> None:
    watch = PictureWatch(Health(aim_deg=15))
    told = []
    for i in range(300):
        step = 0.09 * np.cos(2 * np.pi * 3.0 * i / FPS + 0.4) * 0.6  # ±2.5 deg of pitch at step rate
        knock = np.radians(24) / 3 if 150 <= i < 153 else 0.0
        frame = Frame(i, round(i / FPS * 1e9), scene(i))
        told.append(
            Fault.OUT_OF_AIM in watch.check_picture(frame, EgoMotion(pitch_rad=step + knock, quality=0.9))
        )
    assert not any(told[:150])
    assert told[150:].index(True) <= 2 * FPS


def test_what_is_repaired_is_let_go() -> None:
    watch = PictureWatch(Health())
    for i in range(60):
        hand = 20 <= i < 40
        faults = watch.check_picture(
            Frame(i, round(i / 15 * 1e9), grey(120)(scene(i), i) if hand else scene(i))
        )
        if i == 39:
            assert Fault.COVERED in faults
    assert faults == ()


def test_fog_that_stays_is_told_for_minutes() -> None:
    clear, rng = scene(0), np.random.default_rng(3)
    fogged = fog(clear, 0)
    watch = PictureWatch(Health())
    for i in range(600):
        now_s = i / 5
        noise = rng.integers(-3, 4, clear.shape, dtype=np.int16)
        image = ((clear if now_s < 10 else fogged) + noise).clip(0, 255).astype(np.uint8)
        faults = watch.check_picture(Frame(i, round(now_s * 1e9), image))
    assert Fault.BLURRED in faults


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=80)),
    st.booleans(),
    st.lists(st.integers(0, 10**10), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_and_any_time_are_taken(grey_image: Image, coloured: bool, times: list[int]) -> None:
    image = np.repeat(grey_image[:, :, None], 3, axis=2) if coloured else grey_image
    watch = PictureWatch(Health())
    for seq, at_ns in enumerate(times):
        assert isinstance(watch.check_picture(Frame(seq, at_ns, image)), tuple)


@given(st.lists(st.booleans(), max_size=80), st.floats(0.1, 2.0), st.floats(0.1, 2.0))
@settings(deadline=None)
def test_lasting_never_changes_before_its_time(samples: list[bool], after_s: float, clear_s: float) -> None:
    lasting, changed_at, was = Lasting(after_s, clear_s), -1e9, False
    for i, holds in enumerate(samples):
        now = lasting.feed(i * 100_000_000, holds)
        if now != was:
            assert now == holds
            assert i * 0.1 - changed_at >= (after_s if now else clear_s) - 1e-6 or changed_at < 0
            changed_at, was = i * 0.1, now


def test_every_rule_has_a_cue_and_a_deadline_that_can_be_met() -> None:
    deadline_s = {CueName.BLIND: 1.0, CueName.DEGRADED: 3.0}
    for rule in RULES:
        late_s = 10.0 if rule.fault is Fault.WRONG_MOUNT else deadline_s[FAULTS[rule.fault].cue]
        assert 0 < rule.after_s < late_s
    assert len({rule.fault for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("name", "fps"), [("jelmoli", 14.0), ("otb/Couple", 15.0), ("dronet/test_2", 15.0)])
def test_real_footage_raises_no_fault(shared_data: Path, name: str, fps: float) -> None:
    watch = PictureWatch(Health())
    source = open_source(str(shared_data / name), Camera(), fps=fps)
    frames = list(source.frames())
    source.close()
    assert len(frames) > 30
    assert {t for frame in frames for t in watch.check_picture(frame)} == set()


@pytest.mark.timing
def test_looking_costs_little() -> None:
    """Far less than shrinking the picture properly, which every detector pays for each frame."""
    image = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    watch = PictureWatch(Health())

    def feed_frame(i: int) -> None:
        watch.check_picture(Frame(i, i * 66_000_000, image))

    def blur(_i: int) -> None:
        cv2.GaussianBlur(image, (0, 0), 3.0)

    def took(work: Callable[[int], object], i: int) -> float:
        t = time.process_time()  # of all cores: a Pi has none to spare
        work(i)
        return time.process_time() - t

    # Two at a time: every other picture costs more.
    pairs = [(took(feed_frame, i) + took(feed_frame, i + 1), 2 * took(blur, i)) for i in range(0, 60, 2)]
    ratios = sorted(looked / blurred for looked, blurred in pairs)
    assert ratios[len(ratios) // 2] < 0.5


# ── the machine ─────────────────────────────────────────────────────────────────────────────────────────


def readings(at_s: float = 0.0, **changed: float | int | None) -> Readings:
    values = {"temperature_c": 50.0, "throttled": 0, "free_mb": 9000.0, "wall_offset_s": 1000.0, **changed}
    return Readings(round(at_s * 1e9), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"temperature_c": 80.0}, {Fault.HOT}),
        ({"throttled": 0x50005}, {Fault.UNDERVOLTAGE, Fault.THROTTLED}),
        ({"throttled": 0x50000}, set()),  # it was, since boot; it is not now
        ({"throttled": 0x8}, {Fault.THROTTLED}),
        ({"free_mb": 199.0}, {Fault.DISK_FULL}),
        ({"temperature_c": None, "throttled": None, "free_mb": None}, set()),
    ],
)
def test_readings_become_faults(changed: dict[str, float | int | None], fault: set[Fault]) -> None:
    assert judge_machine(readings(**changed), Health(), frozenset()) == fault


def test_heat_is_let_go_only_when_cooler() -> None:
    hot = frozenset({Fault.HOT})
    assert judge_machine(readings(temperature_c=77.0), Health(), hot) == hot
    assert judge_machine(readings(temperature_c=74.0), Health(), hot) == frozenset()


def test_a_blink_of_undervoltage_is_told_and_held(tmp_path: Path) -> None:
    machine = MachineWatch(Health(), tmp_path)
    machine.judge_readings(readings(0.0, throttled=1))
    assert machine.check_machine(0) == (Fault.UNDERVOLTAGE,)
    machine.judge_readings(readings(1.0))
    assert machine.check_machine(0) == (Fault.UNDERVOLTAGE,)
    machine.judge_readings(readings(5.0))
    assert machine.check_machine(0) == ()


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_jump_is_noted_and_changes_nothing(tmp_path: Path, jump_s: float) -> None:
    machine = MachineWatch(Health(), tmp_path)
    machine.judge_readings(readings(0.0))
    machine.judge_readings(readings(1.0, wall_offset_s=1000.0 + jump_s))
    machine.judge_readings(readings(2.0, wall_offset_s=1000.0 + jump_s))
    assert machine.check_machine(0) == ()
    assert machine.clock_jumps_s == [jump_s]


def test_a_reader_that_hangs_is_told_and_left_behind(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(_folder: Path) -> Readings:
        release.wait(20)
        return readings()

    with MachineWatch(Health(), tmp_path, hang) as machine:
        assert machine.check_machine(time.monotonic_ns()) == ()
        assert machine.check_machine(time.monotonic_ns() + 11_000_000_000) == (Fault.SENSORS_SILENT,)
    release.set()


def test_a_journal_behind_a_closed_door_does_not_hide_the_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    found = read_machine(Path("/closed/journal"))
    assert found.free_mb is None
    assert found.at_ns > 0


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    found = read_machine(tmp_path / "not" / "there" / "yet")
    assert found.free_mb is not None
    assert found.free_mb > 0


def aim_deg(knock_deg: float = 0.0) -> list[tuple[float, float]]:
    """(time, deviation) of a runner's swing, 4 degrees at 3 Hz, whose downward half is often hard to measure."""
    aim, out, was = Aim(), [], 0.0
    for i in range(1200):
        t = i / 10
        angle = 4.0 * math.sin(2 * math.pi * 3.1 * t) + 2.0 * t + (knock_deg if t >= 60 else 0.0)
        turn, was = angle - was, angle
        quality = 0.45 if turn < 0 and i % 3 == 0 else 0.8
        ego = EgoMotion(0.0, math.radians(turn), 0.0, quality)
        out.append((t, math.degrees(aim.turn(round(t * 1e9), ego))))
    return out


def test_the_swing_and_the_pull_of_travelling_never_add_up_to_a_camera_out_of_aim() -> None:
    assert max(deviation for _, deviation in aim_deg()) < 12.0


@pytest.mark.parametrize("knock_deg", [25.0, -25.0])
def test_a_knock_does_and_is_in_the_end_the_new_aim(knock_deg: float) -> None:
    seen = aim_deg(knock_deg)
    assert min(deviation for t, deviation in seen if 60.2 <= t <= 61.0) > 15.0
    assert max(deviation for t, deviation in seen if t > 90.0) < 12.0


def test_two_frames_of_one_moment_are_no_fault() -> None:
    aim = Aim()
    for _ in range(3):
        assert aim.turn(5, EgoMotion(0.0, 0.1, 0.0, 0.9)) < 0.3
