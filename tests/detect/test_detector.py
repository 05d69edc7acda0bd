"""The real model on real and odd pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.errors import BadInput


@pytest.fixture(scope="module")
def detector():
    return Detector(Detect(threads=1))


@pytest.fixture
def street(shared_data):
    """A picture with a man standing 205–216 px tall at its middle, boxed by hand."""
    return cv2.imread(str(shared_data / "jelmoli" / "006.jpg"))


def people(detections, least_score=0.3):
    return [d for d in detections if d.label == "person" and d.score >= least_score]


def test_the_man_is_found_at_his_height(detector, street):
    tallest = max(people(detector.detect(street)), key=lambda d: d.box.height)
    assert tallest.box.height == pytest.approx(207, rel=0.05)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720), (641, 363)])
def test_he_is_found_at_any_size_of_picture(detector, street, size):
    picture = cv2.resize(street, size)
    tallest = max(people(detector.detect(picture)), key=lambda d: d.box.height)
    assert tallest.box.height == pytest.approx(207 * size[1] / 240, rel=0.12)


@pytest.mark.parametrize(
    "turn",
    [
        lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2GRAY),
        lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2GRAY)[:, :, None],
        lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2BGRA),
        lambda p: p.astype(np.uint16) * 257,
        lambda p: p.astype(np.float32) / 255,
        lambda p: p.astype(np.float64),
        np.asfortranarray,
    ],
    ids=["grey", "one channel", "alpha", "16 bit", "float 0..1", "float 0..255", "column order"],
)
def test_he_is_found_whatever_the_pixels_are(detector, street, turn):
    assert max(d.box.height for d in people(detector.detect(turn(street)))) == pytest.approx(207, rel=0.06)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((0, 10, 3), np.uint8), "empty"),
        (np.full((64, 64, 3), np.nan, np.float32), "not finite"),
        (np.full((64, 64), np.inf), "not finite"),
        (np.zeros((8, 8, 2), np.uint8), "neither grey, BGR nor BGRA"),
        (np.zeros(8, np.uint8), "neither grey, BGR nor BGRA"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.zeros((20000, 8, 3), np.uint8), "pixels a side"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(detector, picture, reason):
    with pytest.raises(BadInput, match=reason):
        detector.detect(picture)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4000, 3), (4000, 1, 3), (33, 31, 3)])
def test_odd_shapes_of_noise_give_boxes_inside_the_picture(detector, shape):
    noise = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    for d in detector.detect(noise):
        assert 0 <= d.box.x0 < d.box.x1 <= shape[1]
        assert 0 <= d.box.y0 < d.box.y1 <= shape[0]


def test_ignored_classes_are_not_reported(street):
    everything = {d.label for d in Detector(Detect(weak_score=0.1)).detect(street)}
    assert "person" in everything
    assert "person" not in {
        d.label for d in Detector(Detect(weak_score=0.1, ignore=("person",))).detect(street)
    }


def test_detections_come_best_first_and_no_more_than_allowed(street):
    scores = [d.score for d in Detector(Detect(max_detections=3, weak_score=0.05)).detect(street)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
