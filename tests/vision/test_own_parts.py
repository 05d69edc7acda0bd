"""What the wearer has in the picture, once it is ignored, warns of nothing and hides nobody beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.health.picture import PictureWatch
from rearguard.lab.world.camera_faults import Striking, Wanted
from rearguard.types import Box, Detection, EgoMotion, Fault, Frame, Level, Observation, Region, Speed, Track
from rearguard.vision.pipeline import Pipeline, age_of_file
from rearguard.vision.rules import Rules

LENS = Pinhole.from_fov(1280, 720, 66.0)
STRAP: Region = (0.0, 0.0, 0.29, 1.0)
SMALL = Camera(width_px=640, height_px=360)
FPS = 10.0


def config_with(*ignore: Region, camera: Camera = SMALL) -> Config:
    return Config(camera=msgspec.structs.replace(camera, ignore=ignore))


def judged(config: Config, boxes: list[Box]) -> tuple[list[Level], list[tuple[Track, ...]]]:
    """Levels and tracks of a stream of people's boxes, while the wearer runs straight on."""
    rules, levels, tracks = Rules(config, LENS), [], []
    for seq, box in enumerate(boxes):
        found = (Detection(box, "person", 0.8),)
        seen = Observation(
            seq, round(seq / FPS * NS_PER_S), found, EgoMotion(quality=0.9), speed=Speed(2.5, 0.3)
        )
        followed, verdict = rules.judge_frame(seen)
        levels.append(verdict.level)
        tracks.append(tuple(followed))
    return levels, tracks


def test_an_elbow_taken_for_somebody_warns_until_it_is_ignored() -> None:
    """The same observations under both settings, as a trace that is judged again."""
    high = [160 * 1.07**n for n in range(18)]
    elbow = [Box(200 - 0.2 * h, 420 - 0.5 * h, 200 + 0.2 * h, 420 + 0.5 * h) for h in high]
    assert max(judged(Config(), elbow)[0]) >= Level.CAUTION
    levels, tracks = judged(config_with(STRAP), elbow)
    assert max(levels) is Level.CLEAR
    assert not any(tracks)


def test_who_comes_up_beside_an_ignored_part_is_warned_of_as_ever() -> None:
    """Half of them is behind the strap all the time."""
    near = [LENS.focal_px / (9.0 - 0.25 * n) for n in range(34)]
    edge = STRAP[2] * LENS.width_px
    beside = [Box(edge - 0.3 * px, 360 - 0.45 * px, edge + 0.3 * px, 360 + 1.25 * px) for px in near]
    assert judged(config_with(STRAP), beside)[0] == judged(Config(), beside)[0]


def test_who_goes_behind_an_ignored_part_is_followed_on() -> None:
    walks = [Box(620.0 - 22 * n, 250.0, 690.0 - 22 * n, 510.0) for n in range(20)]
    _, tracks = judged(config_with(STRAP), walks)
    hidden = next(n for n, box in enumerate(walks) if box.x1 - 0.2 * box.width < STRAP[2] * LENS.width_px)
    assert all(len(followed) == 1 for followed in tracks[hidden - 3 : hidden + 5])
    assert tracks[hidden][0].id == tracks[hidden + 4][0].id


@cache
def world(word: str) -> tuple[Frame, ...]:
    return tuple(open_source(word, SMALL, fps=FPS).frames())


def worn(word: str, config: Config, fault: str = "") -> tuple[dict[Level, float], set[Fault]]:
    """When each level first came, seconds, and the faults of the picture, by the whole pipeline."""
    striking = Striking(Wanted.of(fault, 0.0) if fault else Wanted(), 0, FPS)
    lens = Pinhole.from_fov(SMALL.width_px, SMALL.height_px, SMALL.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect, (640, 360)), age_of_file)
    watch = PictureWatch(config.health, config.camera)
    first: dict[Level, float] = {}
    faults: set[Fault] = set()
    for frame in world(word):
        arriving = striking.strike(frame, frame.seq / FPS)
        assert arriving is not None
        faults |= set(watch.check_picture(arriving))
        first.setdefault(pipeline.process_frame(arriving).verdict.level, frame.seq / FPS)
    return first, faults


@pytest.mark.parametrize("word", ["sim:stand?seed=2", "sim:cross"])
def test_with_a_strap_ignored_the_wearer_feels_what_they_would_without_it(word: str) -> None:
    clear, none = worn(word, config_with())
    assert none == set()
    strapped, faults = worn(word, config_with(STRAP), "strap")
    assert faults == set()
    assert strapped[Level.CRITICAL] == pytest.approx(clear[Level.CRITICAL], abs=0.25)


def run(folder: Path, settings: str) -> subprocess.CompletedProcess[str]:
    config = folder / "rearguard.toml"
    config.write_text(
        f"[camera]\nwidth_px = 320\nheight_px = 180\n{settings}\n[detect]\ninput_px = 20000\ncloser_share = 0\n"
    )
    word = "sim:empty?fps=10&duration=23&fault=strap&fault_at=0"
    argv = ("run", "--source", word, "--config", str(config), "--journal", str(folder / "journal"))
    return subprocess.run(
        [sys.executable, "-m", "rearguard", *argv], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip


def test_at_the_end_of_an_outing_the_setting_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "Something of yours" in line)
    found = re.search(r"camera\.ignore = (\[\[.*?\]\])", line)
    assert found is not None
    ((left, top, right, bottom),) = json.loads(found[1])
    assert (left, top, bottom) == (0.0, 0.0, 1.0)
    assert 0.25 <= right <= 0.32


def test_nothing_is_armed_that_does_not_see_the_path(tmp_path: Path) -> None:
    done = run(tmp_path, "ignore = [[0.3, 0.2, 0.7, 1.0]]")
    assert done.returncode == 2
    assert re.search(r"rearguard\.toml:4: camera\.ignore: \d+% of the path would not be seen", done.stderr)
    assert not (tmp_path / "journal").exists()
