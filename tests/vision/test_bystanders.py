"""No bare head: whoever detector, tracker or looming knew in the last second is hidden in what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.detect.foveate import Hints
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.evaluate.datasets import read_dataset
from rearguard.lab.world import boxes, catalogue
from rearguard.types import Box, Detection, EgoMotion, Frame, Observation
from rearguard.vision.bystanders import REMEMBER_S, Bystanders
from rearguard.vision.pipeline import Pipeline, age_of_file
from rearguard.vision.rules import Rules

LENS = Pinhole.from_fov(1280, 720, 66.0)
PERSON = Box(600, 200, 680, 440)
STILL = EgoMotion(quality=0.9)
BARE = 0.8  # of a head at least this share must be hidden


@dataclass
class Followed:
    """What is asked of a track."""

    label: str
    kind: str
    box: Box
    closing_per_s: float = 0.5
    seen_ns: int = 0
    score: float = 0.5


def seen(i: int, *found: Box, ego: EgoMotion = STILL, score: float = 0.6) -> Observation:
    return Observation(i, i * 100_000_000, tuple(Detection(b, "person", score) for b in found), ego)


def hidden_share(head: Box, areas: tuple[Box, ...]) -> float:
    """The share of a head that lies in one of the areas."""
    xs, ys = np.meshgrid(np.linspace(head.x0, head.x1, 10)[1:-1], np.linspace(head.y0, head.y1, 10)[1:-1])
    inside = np.zeros(xs.shape, bool)
    for a in areas:
        inside |= (xs >= a.x0) & (xs <= a.x1) & (ys >= a.y0) & (ys <= a.y1)
    return float(inside.mean())


def head_of(person: Box, width: int = 1280, height: int = 720) -> Box:
    """Where the head of a standing figure is: the top seventh of its height, as wide as high, within the picture."""
    size = person.height / 7
    return Box(
        max(0.0, person.cx - size / 2),
        max(0.0, person.y0),
        min(float(width), person.cx + size / 2),
        min(float(height), person.y0 + size),
    )


def test_who_is_missed_is_hidden_for_a_second_and_ever_more_widely() -> None:
    bystanders = Bystanders(LENS)
    areas = [bystanders.heads(seen(0, PERSON), ())]
    areas += [bystanders.heads(seen(i), ()) for i in range(1, 15)]
    known = [bool(a) for a in areas]
    assert known == [i <= round(REMEMBER_S * 10) for i in range(15)]
    sizes = [a[0].area for a in areas if a]
    assert sizes == sorted(sizes)
    assert sizes[10] > 2 * sizes[1]


def test_who_is_missed_is_hidden_where_the_turned_camera_shows_them() -> None:
    bystanders = Bystanders(LENS)
    bystanders.heads(seen(0, PERSON), ())
    turned = EgoMotion(yaw_rad=0.1, quality=0.9)
    (area,) = bystanders.heads(seen(1, ego=turned), ())
    moved_px = 0.1 * LENS.focal_px
    assert area.cx == pytest.approx(PERSON.cx - moved_px, abs=8)


def test_not_knowing_how_the_camera_turned_hides_more() -> None:
    sure, unsure = Bystanders(LENS), Bystanders(LENS)
    sure.heads(seen(0, PERSON), ())
    unsure.heads(seen(0, PERSON), ())
    (one,) = sure.heads(seen(1), ())
    (other,) = unsure.heads(seen(1, ego=EgoMotion()), ())
    assert other.area > one.area


def test_an_obstacle_that_may_be_somebody_is_hidden_with_what_is_above_it() -> None:
    patch = Followed("obstacle", "looming", Box(600, 300, 660, 380))
    areas = Bystanders(LENS).heads(seen(0), (patch,))  # type: ignore[arg-type]
    assert hidden_share(Box(610, 230, 650, 290), areas) == 1.0


def test_no_head_is_bare_while_the_detector_misses_two_of_five() -> None:
    """Drawn worlds as boxes: the wearer bounces, figures come near, two of five detections are missing."""
    config = Config()
    close = bare = 0
    for word in ("stand", "walk-toward", "run-toward", "cross", "cut-in", "crowd", "same-speed"):
        for seed in range(2):
            scene = catalogue.scene(word, seed=float(seed))
            rules, bystanders = Rules(config, LENS), Bystanders(LENS)
            run = boxes.observe(scene, config.camera, fps=10.0, noise=boxes.Noise(missed=0.4), seed=seed)
            known: set[str] = set()
            for observed, truth in run:
                tracks, _ = rules.judge_frame(observed)
                areas = bystanders.heads(observed, tracks)
                for thing in truth:
                    if thing.box is None or thing.label != "person" or thing.box.y0 <= 0:
                        continue
                    head = head_of(thing.box)
                    if min(head.width, head.height) < 25 or thing.box.y1 >= 719:
                        continue  # far, or cut so that nobody knows from the box where its head is
                    known |= {thing.name} if hidden_share(head, areas) else set()
                    if thing.name in known:  # nobody can hide whom nobody ever saw
                        close += 1
                        bare += hidden_share(head, areas) < BARE
    assert close >= 300
    assert bare <= 0.005 * close


@pytest.mark.slow
@pytest.mark.parametrize("word", ["sim:stand", "sim:cut-in", "sim:walk-toward", "sim:run-toward"])
def test_no_close_head_is_bare_in_drawn_pictures(word: str) -> None:
    """Through the real detector, to contact: near, cut and taken for other things."""
    config = Config()
    source = open_source(word, config.camera, fps=10.0)
    pipeline, bystanders = Pipeline(config, LENS, Detector(config.detect), age_of_file), Bystanders(LENS)
    close = 0
    for frame in source.frames():
        step = pipeline.process_frame(frame)
        areas = bystanders.heads(step.seen, step.tracks)
        for thing in frame.truth:
            if thing.box is None or thing.label != "person" or thing.box.y0 <= 0 or thing.box.y1 >= 719:
                continue
            head = head_of(thing.box)
            if min(head.width, head.height) >= 25:
                close += 1
                assert hidden_share(head, areas) >= BARE, frame.seq
    assert close >= 8


@pytest.mark.slow
def test_no_head_is_bare_in_street_photos(shared_data: Path) -> None:
    """Without a track to help: one look at each photo."""
    import cv2

    detector = Detector(Config().detect)
    heads = bare = 0
    for photo in read_dataset(shared_data / "pennfudan").pictures:
        image = cv2.imread(str(photo.path))
        high, wide = image.shape[:2]
        found = tuple(detector.detect(image, lambda: Hints((), (640.0, 360.0))))
        areas = Bystanders(Pinhole.from_fov(wide, high, 66.0)).heads(
            Observation(0, 0, found, EgoMotion()), ()
        )
        for truth in photo.in_pixels(wide, high):
            heads += 1
            bare += hidden_share(head_of(truth.box, wide, high), areas) < BARE
    assert heads >= 200
    assert bare == 0


@pytest.mark.slow
def test_people_met_by_a_stroller_are_hidden(shared_data: Path) -> None:
    import cv2

    pipeline: Pipeline | None = None
    bystanders: Bystanders | None = None
    heads = bare = 0
    for n, photo in enumerate(read_dataset(shared_data / "jelmoli").pictures):
        image = cv2.imread(str(photo.path))
        high, wide = image.shape[:2]
        lens = Pinhole.from_fov(wide, high, 60.0)
        config = Config()
        pipeline = pipeline or Pipeline(config, lens, Detector(config.detect), age_of_file)
        bystanders = bystanders or Bystanders(lens)
        step = pipeline.process_frame(Frame(n, round(n * 1e9 / 14), image))
        areas = bystanders.heads(step.seen, step.tracks)
        for truth in photo.in_pixels(wide, high):
            heads += 1
            bare += hidden_share(head_of(truth.box, wide, high), areas) < BARE
    assert heads >= 600
    assert bare <= 0.01 * heads
