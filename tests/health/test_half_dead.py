"""Half-blind is blind: every fault of the simulated camera is told in time, and a live picture is left alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.config.health import Health
from rearguard.cue.table import FAULTS
from rearguard.health.machine import Readings
from rearguard.health.picture import Often, PictureWatch
from rearguard.health.selftest import SelfTest
from rearguard.health.tiles import COLUMNS, ROWS, path_weights
from rearguard.lab.world.camera_faults import CAMERA_FAULTS, CameraFault, Striking, Told, Wanted
from rearguard.types import CueName, Fault, Frame

SMALL = Camera(width_px=320, height_px=180)
FPS, AT_S = 10.0, 4.0
NO_SIGHT = (CueName.BLIND, CueName.FAULT)


@cache
def run(word: str) -> tuple[Frame, ...]:
    return tuple(open_source(word, SMALL, fps=FPS).frames())


def track() -> tuple[Frame, ...]:
    return run("sim:empty?duration=13&readout_ms=15")


def told(frames: tuple[Frame, ...], names: str = "", until_s: float = 1e9) -> dict[Fault, float]:
    """Each fault told, and how long after the onset; without a fault, after the start."""
    watch = PictureWatch(Health(), SMALL)
    striking = Striking(Wanted.of(names, AT_S) if names else Wanted(), 0, FPS)
    found: dict[Fault, float] = {}
    for frame in frames:
        t_s = frame.seq / FPS
        if t_s > until_s:
            break
        arriving = striking.strike(frame, t_s)
        for fault in watch.check_picture(arriving) if arriving is not None else ():
            found.setdefault(fault, t_s - (AT_S if names else 0.0))
    return found


TOLD_BY_PICTURE = [
    row for row in CAMERA_FAULTS if row.view is None and row.told in (Told.BLIND, Told.DEGRADED)
]


@pytest.mark.parametrize("row", TOLD_BY_PICTURE, ids=lambda row: row.name)
def test_every_fault_is_told_in_time(row: CameraFault) -> None:
    found = told(track(), row.name, AT_S + row.within_s + 0.2)
    wanted = NO_SIGHT if row.told is Told.BLIND else (*NO_SIGHT, CueName.DEGRADED)
    times = [after_s for fault, after_s in found.items() if FAULTS[fault].cue in wanted]
    assert times, f"nothing told but {found}"
    assert 0 <= min(times) <= row.within_s


@pytest.mark.parametrize(
    ("world", "name"),
    [
        ("sim:empty?duration=7&readout_ms=15&light=0.4", "frozen-middle"),
        ("sim:empty?duration=7&readout_ms=15&light=0.25", "frozen-lower-noisy"),
        ("sim:empty?duration=7&readout_ms=15&light=0.25", "frozen-right"),
        ("sim:empty?duration=7&readout_ms=15&light=0.4&path=on&seed=5", "frozen-left"),
    ],
)
def test_dim_light_hides_no_frozen_part(world: str, name: str) -> None:
    found = told(run(world), name)
    times = [after_s for fault, after_s in found.items() if FAULTS[fault].cue in NO_SIGHT]
    assert 0 <= min(times, default=-1.0) <= 1.05, found


@pytest.mark.parametrize("side", ["frozen-side", "black-side"])
def test_what_lies_beside_the_path_does_not_make_blind(side: str) -> None:
    assert {FAULTS[fault].cue for fault in told(track(), side)} == {CueName.DEGRADED}


@pytest.mark.parametrize(
    "word",
    [
        "sim:empty?duration=13&readout_ms=15",
        "sim:walk-toward",
        "sim:crowd?seed=2",
        "sim:wall?gait=off",
        "sim:curve?path=on&speed=3.5",
        "sim:stand?seed=3&light=0.4",
        "sim:rain",
        "sim:fence?noise=5",
        "sim:empty?path=on&seed=3&duration=15",
        "sim:empty?light=0.2&duration=10",
        "sim:stop-and-go?seed=1",
        "sim:stop-and-go?seed=6&gait=off",
    ],
)
def test_a_clean_world_raises_no_fault(word: str) -> None:
    assert told(run(word)) == {}


def test_a_wearer_who_stops_is_no_frozen_camera() -> None:
    """Running dies away, and then the picture stands still but for the noise."""
    frames = list(run("sim:empty?duration=13&readout_ms=15")[:50])
    still = frames[-1].image.astype(np.int16)
    shift = [round(12 * 0.75**n * np.cos(2.0 * n)) for n in range(14)] + [0] * 40
    rng = np.random.default_rng(1)
    for dx in shift:
        image = np.roll(still, dx, axis=1) + rng.integers(-3, 4, still.shape)
        seq = len(frames)
        frames.append(Frame(seq, round(seq / FPS * 1e9), image.clip(0, 255).astype(np.uint8)))
    assert told(tuple(frames)) == {}


def test_a_hand_that_comes_and_goes_while_the_wearer_stands_leaves_no_fault() -> None:
    still = run("sim:empty?duration=13&readout_ms=15")[0].image.astype(np.int16)
    rng = np.random.default_rng(1)
    watch = PictureWatch(Health(), SMALL)
    for seq in range(90):
        base = np.full_like(still, 110) if 30 <= seq < 50 else still
        image = (base + rng.integers(-3, 4, still.shape)).clip(0, 255).astype(np.uint8)
        faults = watch.check_picture(Frame(seq, round(seq / FPS * 1e9), image))
        if seq == 45:
            assert any(FAULTS[fault].cue is CueName.BLIND for fault in faults)
    assert faults == ()


@pytest.mark.parametrize(
    ("name", "fps"), [("jelmoli", 14.0), ("gopro_walk/gopro_walk_path.mp4", None), ("tum_rpy", 15.0)]
)
def test_real_footage_is_alive(shared_data: Path, name: str, fps: float | None) -> None:
    source = open_source(str(shared_data / name), Camera(), fps=fps)
    watch = PictureWatch(Health(), Camera(hfov_deg=source.info.hfov_deg))
    assert {fault for frame in source.frames() for fault in watch.check_picture(frame)} == set()


@pytest.mark.parametrize(
    "word",
    [
        "sim:empty?readout_ms=15&fault=upside-down",
        "sim:walk-toward?speed=1.8&seed=4&fault=upside-down",
        "sim:empty?readout_ms=15&fault=quarter-left",
        "sim:empty?readout_ms=15&fault=quarter-right",
        "sim:empty?readout_ms=15&fault=ground",
        "sim:empty?readout_ms=15&fault=backwards",
    ],
)
def test_a_camera_that_sits_wrong_is_told_within_ten_seconds(word: str) -> None:
    found = told(run(f"{word}&fault_at=0&duration=10"))
    assert found.get(Fault.WRONG_MOUNT, 99.0) <= 10.0


def test_the_path_lies_below_the_horizon_in_the_middle() -> None:
    weights = path_weights(Camera())
    assert weights.shape == (ROWS, COLUMNS)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[: ROWS // 4].sum() == 0
    assert weights[:, COLUMNS // 3 : 2 * COLUMNS // 3].sum() > 0.8
    assert path_weights(Camera(pitch_deg=-20))[ROWS // 2 :].sum() > weights[ROWS // 2 :].sum() - 1e-6
    assert path_weights(Camera(hfov_deg=102))[:, COLUMNS // 3 : 2 * COLUMNS // 3].sum() > 0.9


def test_often_counts_by_share_and_not_in_a_row() -> None:
    often = Often()
    assert [often.feed(n * 100_000_000, n % 2 == 0) for n in range(10)][-1]
    seldom = Often()
    assert not any(seldom.feed(n * 100_000_000, n % 6 == 0) for n in range(60))


def test_no_outing_is_ready_while_its_path_is_hidden() -> None:
    """From the first picture on the middle is black; then it is free, and READY may be felt."""
    frames = run("sim:empty?readout_ms=15&fault=black-middle&fault_at=0&fault_for=5&duration=8")
    watch, test = PictureWatch(Health(), SMALL), SelfTest(Config())
    answers: list[tuple[float, tuple[str, ...]]] = []
    for frame in frames:
        faults = watch.check_picture(frame)
        blind = next((FAULTS[f].meaning for f in faults if FAULTS[f].cue is CueName.BLIND), "")
        assert watch.stats is not None
        answer = test.check_frame(
            frame, watch.stats, Readings(frame.captured_ns, 40.0, 0, 9000.0, 0.0), blind
        )
        if answer is not None:
            answers.append((frame.captured_ns / 1e9, answer))
    assert any("your path is dead" in line for _, answer in answers if answer for line in answer)
    assert answers[-1][1] == ()
    assert answers[-1][0] > 5.0
