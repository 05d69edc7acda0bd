"""Worlds out of photographs: exact truth, real shake, and a plain word where photographs are not what they must be."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from rearguard.cli.scenarios import scenarios
from rearguard.config import Config
from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput
from rearguard.lab.scenarios.grid import plan_tasks, rendered
from rearguard.lab.world import catalogue
from rearguard.lab.world.album import open_album
from rearguard.lab.world.photo_looks import PhotoLooks
from rearguard.lab.world.recorded_shake import RATE_HZ, recorded_shakes
from rearguard.lab.world.render import Renderer
from rearguard.types import Image

LENS = Pinhole.from_fov(640, 360, 66)
SHAKE_HZ, SHAKE_RAD = 2.5, 0.03


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a data set has it: three people seen whole, with masks, and the log of a phone that nods."""
    folder = tmp_path_factory.mktemp("photos")
    lens = Pinhole.from_fov(900, 700, 66)
    for kind in ("images", "masks"):
        (folder / "street" / kind).mkdir(parents=True)
    still = {"speed": 0.0, "gait": 0.0, "noise": 0.0, "path": 1.0}
    for seed in (0, 4, 8):  # that share their ground and sky, which take long to draw
        image, truth = Renderer(
            catalogue.scene("stand", seed=seed, start=3.5, **still), lens, 1.4, 0.0
        ).frame(0, 0)
        clear, _ = Renderer(catalogue.scene("empty", seed=seed, **still), lens, 1.4, 0.0).frame(0, 0)
        box = truth[0].box
        assert box is not None
        mask = (cv2.absdiff(image, clear).max(axis=2) > 12).astype(np.uint8)
        inside = np.zeros_like(mask)
        inside[int(box.y0) : int(box.y1) + 1, int(box.x0) : int(box.x1) + 1] = 1
        mask = cv2.morphologyEx(mask & inside, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        cv2.imwrite(str(folder / "street" / "images" / f"{seed}.png"), image)
        cv2.imwrite(str(folder / "street" / "masks" / f"{seed}_mask.png"), mask)
    t = np.arange(0, 12, 0.005)
    rate = SHAKE_RAD * 2 * math.pi * SHAKE_HZ * np.cos(2 * math.pi * SHAKE_HZ * t)
    lines = (f"{1_000_000 + s * 1e6:.0f} {r:.6f} 0.0 0.0 0 1" for s, r in zip(t, rate, strict=True))
    (folder / "gyro_log_1.txt").write_text("\n".join(lines))
    return folder


def view(photos: Path, name: str, **values: float) -> Renderer:
    scene = catalogue.scene(name, **{"seed": 4.0, "noise": 0.0, **values})
    return Renderer(scene, LENS, 1.35, 0.0, PhotoLooks(str(photos), 4))


def test_a_cut_out_person_is_where_the_truth_says_and_the_detector_finds_it(photos: Path) -> None:
    image, truth = view(photos, "stand", start=5.0, gait=0).frame(0.0, 0)
    clear, _ = view(photos, "empty", gait=0).frame(0.0, 0)
    box = truth[0].box
    assert box is not None
    upper = cv2.absdiff(image, clear)[: int((box.y0 + box.y1) / 2)].max(axis=2) > 20  # below is the shadow
    ys, xs = np.nonzero(upper)
    assert ys.min() == pytest.approx(box.y0, abs=2)
    assert box.x0 - 2 <= xs.min()
    assert xs.max() <= box.x1 + 1
    tall = LENS.focal_px * catalogue.scene("stand", seed=4, start=5.0).things[0].look.height_m / 5.15
    assert box.height == pytest.approx(tall, rel=0.02)
    people = [d for d in Detector(Detect()).detect(image) if d.label == "person" and d.score > 0.3]
    assert max((d.box.iou(box) for d in people), default=0.0) > 0.7


def test_the_camera_shakes_as_was_recorded_and_not_when_the_wearer_stands(photos: Path) -> None:
    times = np.arange(0, 3, 0.01)
    running, waiting = view(photos, "empty", speed=2.5), view(photos, "empty", speed=0.0)
    moving = np.array([running.pose(t).pitch_rad for t in times])
    assert np.abs(moving).max() == pytest.approx(SHAKE_RAD, rel=0.1)
    crossings = (np.diff(np.sign(moving)) != 0).sum()
    assert crossings == pytest.approx(2 * SHAKE_HZ * 3, abs=2)
    standing = np.array([waiting.pose(t).pitch_rad for t in times[:50]])
    assert np.abs(standing).max() == 0


def test_the_same_photographs_elsewhere_are_the_same_work_and_others_are_not(
    photos: Path, tmp_path: Path
) -> None:
    def keys(folder: Path) -> list[str]:
        return [t.key for t in plan_tasks(rendered(("drawn", "photo"), str(folder)), Config())]

    other = tmp_path / "elsewhere"
    for path in photos.rglob("*"):
        if path.is_file():
            (other / path.relative_to(photos)).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(photos)).write_bytes(path.read_bytes())
    first = keys(photos)
    assert len(set(first)) == len(first)
    assert keys(other) == first
    (other / "street" / "images" / "more.jpg").write_bytes(b"1")
    changed = keys(other)
    assert [a == b for a, b in zip(first, changed, strict=True)].count(True) == len(
        first
    ) // 2  # the drawn ones


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rendered", "--looks", "photo"], "needs --photos"),
        (["--rendered", "--looks", "photo", "--photos", "nowhere"], "no such folder"),
        (["--looks", "photo", "--photos", "."], "add --rendered"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REARGUARD_PHOTOS", raising=False)
    done = CliRunner().invoke(scenarios, words)
    assert isinstance(done.exception, BadInput)
    assert says in str(done.exception)


def test_photographs_that_cannot_be_read_are_no_people(photos: Path, tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    good = (photos / "street" / "masks" / "4_mask.png").read_bytes()
    (tmp_path / "images" / "a.png").write_bytes(good[:200])
    (tmp_path / "masks" / "a_mask.png").write_bytes(good)
    small: Image = np.zeros((20, 20), np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "b.png"), small)
    (tmp_path / "masks" / "b_mask.png").write_bytes(good)
    with pytest.raises(BadInput, match="no photographs with people"):
        open_album(str(tmp_path))


def test_real_photographs_and_gyroscopes_are_found(shared_data: Path) -> None:
    running, walking = recorded_shakes(str(shared_data))
    assert running is not None
    assert walking is not None
    for recorded, most in ((running, 40), (walking, 20)):
        rates = np.degrees(np.diff(recorded.angles, axis=0)) * RATE_HZ
        yaw, pitch, roll = np.sqrt((rates**2).mean(axis=0))
        assert most > yaw > pitch > roll > 3  # degrees a second
    album = open_album(str(shared_data / "pennfudan"))
    assert len(album.people) > 60
    assert all(c.mips[0].shape[0] >= 150 for c in album.people)
