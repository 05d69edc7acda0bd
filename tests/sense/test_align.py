"""How the gyroscope sits is found from ten seconds of waving."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rearguard.cli.aim import aim
from rearguard.clock import NS_PER_S
from rearguard.config import load
from rearguard.sense.align import Alignment, align
from rearguard.sense.rates import Array, Recorded, turn_of
from rearguard.sense.source import mount_of
from rearguard.types import EgoMotion

FPS, SECONDS, HZ = 15.0, 10.0, 208.0


def waving(t: Array, axes: Array) -> Array:
    """Rates (n, 3) about the camera's axes, rad/s."""
    return axes * np.stack([np.sin(5.1 * t), np.sin(3.7 * t + 1), np.sin(4.3 * t + 2)], axis=1)


def found(
    turned_deg: tuple[float, float, float] = (0.0, 0.0, 0.0),
    offset_s: float = 0.0,
    axes: tuple[float, float, float] = (1.0, 1.2, 0.8),
    noise_rad: float = 0.002,
    wrong: float = 0.0,
) -> Alignment:
    """What `align` makes of a sensor that sits so."""
    rng = np.random.default_rng(3)
    t = np.arange(-0.3, SECONDS + 0.3, 1 / HZ)
    true = waving(t, np.array(axes))
    told = true @ mount_of(turned_deg) + np.radians([1.0, -0.7, 0.4]) + rng.normal(0, 7e-4, true.shape)
    shown = Recorded((t * NS_PER_S).astype(np.int64), true)
    turns = []
    for i in range(1, int(SECONDS * FPS)):
        window = shown.window(round((i - 1) / FPS * NS_PER_S), round(i / FPS * NS_PER_S))
        assert window is not None
        x, y, z = turn_of(window) + rng.normal(0, noise_rad, 3)
        if rng.random() < wrong:
            x, y, z = rng.normal(0, 0.2, 3)
        turns.append((round((i - 1) / FPS * NS_PER_S), round(i / FPS * NS_PER_S), EgoMotion(y, -x, z, 0.9)))
    sensor = Recorded(((t + offset_s) * NS_PER_S).astype(np.int64), told)
    return align(turns, sensor)


def apart_deg(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """The angle between two ways to sit."""
    vector, _ = cv2.Rodrigues(mount_of(a) @ mount_of(b).T)
    return math.degrees(float(np.linalg.norm(vector)))


@pytest.mark.parametrize(
    ("turned_deg", "offset_s"),
    [
        ((0.0, 0.0, 0.0), 0.0),
        ((0.0, 0.0, 90.0), 0.023),
        ((0.0, 180.0, 0.0), -0.041),
        ((90.0, 0.0, 0.0), 0.06),
        ((69.3, 69.3, 69.3), 0.01),  # axes swapped in a circle
        ((12.0, -170.0, 40.0), -0.005),
    ],
)
def test_any_way_to_sit_is_found_and_how_late_it_is(
    turned_deg: tuple[float, float, float], offset_s: float
) -> None:
    told = found(turned_deg, offset_s)
    assert told.why == ""
    assert apart_deg(told.turned_deg, turned_deg) < 0.5
    assert told.offset_s == pytest.approx(offset_s, abs=0.002)
    assert all(-180 <= a <= 180 for a in told.turned_deg)


def test_a_tenth_of_the_pictures_may_tell_nonsense() -> None:
    told = found((0.0, 0.0, 90.0), 0.02, wrong=0.1)
    assert told.why == ""
    assert apart_deg(told.turned_deg, (0.0, 0.0, 90.0)) < 1.0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"axes": (0.0, 1.2, 0.0)}, "one axis only"),
        ({"axes": (0.05, 0.05, 0.05)}, "hardly turned"),
        ({"noise_rad": 0.2}, "different turns"),
        ({"offset_s": 0.25}, "too far apart|different turns"),
    ],
)
def test_what_cannot_be_found_is_said_and_why(more: dict[str, float], why: str) -> None:
    import re

    told = found(**more)  # type: ignore[arg-type]
    assert re.search(why, told.why)


def test_without_pictures_or_rates_nothing_is_found() -> None:
    assert "too few turns" in align([], Recorded(np.zeros(0, np.int64), np.zeros((0, 3)))).why
    turns = [(i * NS_PER_S, (i + 1) * NS_PER_S, EgoMotion(quality=0.9)) for i in range(50)]
    assert "told nothing" in align(turns, Recorded(np.zeros(0, np.int64), np.zeros((0, 3)))).why


@pytest.mark.timing
def test_the_command_measures(tmp_path: Path) -> None:
    """A simulated wearer runs: the trunk turns about all axes, as in waving."""
    small = tmp_path / "small.toml"
    small.write_text("[camera]\nwidth_px = 480\nheight_px = 270\n")
    source = "sim:stand?start=60&noise=0&light=0.9"
    words = ["--gyro", "--seconds", "8", "--source", source, "--json", "--config", str(small)]
    done = CliRunner().invoke(aim, words)
    told = json.loads(done.stdout)
    assert told["why"] == "", told
    assert apart_deg(tuple(told["turned_deg"]), (0.0, 0.0, 0.0)) < 5.0
    assert abs(told["offset_ms"]) < 15
    assert told["stored"] is None


def test_what_is_stored_is_what_the_settings_take(tmp_path: Path) -> None:
    from rearguard.doctor.aim import store

    file = tmp_path / "rearguard.toml"
    file.write_text("# mine\n[camera]\nfps = 20 # fast\n")
    store(file, {"turned_deg": "[1.5, -90.0, 0.0]", "offset_ms": "12.5", "device": '"auto"'}, table="gyro")
    gyro = load(file).gyro
    assert (gyro.device, gyro.turned_deg, gyro.offset_ms) == ("auto", (1.5, -90.0, 0.0), 12.5)
    assert "fps = 20 # fast" in file.read_text()
