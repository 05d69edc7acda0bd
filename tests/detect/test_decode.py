"""Reading the heat map: peaks, boxes and overlaps, on hand-made outputs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.detect.card import Boxes, Card, Classes, Input, Scores
from rearguard.detect.classes import COCO, hides
from rearguard.detect.decode import CenterNet, Ssd, logit, suppress


def outputs(kind="logit", rows=8, columns=16, classes=2):
    card = Card(
        name="hand-made",
        file="hand-made.tflite",
        sha256="0" * 64,
        decoder="centernet",
        origin="",
        licence="",
        input=Input(width_px=64, height_px=32, colour="bgr"),
        scores=Scores(shape=(1, rows, columns, classes), kind=kind),
        boxes=Boxes(shape=(1, rows, columns, 4), stride_px=4),
        classes=Classes(labels=("person", "dog")[:classes]),
    )
    low = logit(0.001) if kind == "logit" else 0.001
    scores = np.full((1, rows, columns, classes), low, np.float32)
    return card, SimpleNamespace(scores=scores, boxes=np.zeros((1, rows, columns, 4), np.float32))


def test_a_peak_becomes_a_box_around_its_cell():
    card, model = outputs()
    model.scores[0, 3, 5, 1] = logit(0.8)
    model.boxes[0, 3, 5] = [6, 2, 10, 14]
    boxes, scores, classes = CenterNet(card, (64, 32))(model, 0.3)
    assert boxes.tolist() == [[5 * 4 - 6, 3 * 4 - 2, 5 * 4 + 10, 3 * 4 + 14]]
    assert scores == pytest.approx([0.8])
    assert classes.tolist() == [1]


def test_a_neighbour_that_scores_less_is_not_a_peak_but_another_class_is():
    card, model = outputs()
    model.scores[0, 3, 5, 0] = logit(0.8)
    model.scores[0, 3, 6, 0] = logit(0.7)
    model.scores[0, 4, 6, 1] = logit(0.5)
    model.boxes[:] = 4
    _, scores, classes = CenterNet(card, (64, 32))(model, 0.3)
    assert dict(zip(classes.tolist(), scores.tolist(), strict=True)) == pytest.approx({0: 0.8, 1: 0.5})


def test_a_peak_takes_the_mean_of_its_surroundings_weighted_by_score_to_the_fourth():
    card, model = outputs(kind="probability")
    model.scores[0, 3, 5, 0] = 0.8
    model.scores[0, 3, 6, 0] = 0.4
    model.boxes[0, 3, 5] = [10, 10, 10, 10]
    model.boxes[0, 3, 6] = [14, 10, 23, 10]
    boxes, _, _ = CenterNet(card, (64, 32))(model, 0.3)
    # (20 − 10, 20 + 10) with weight 1 and (24 − 14, 24 + 23) with weight 0.5⁴
    assert boxes[0, [0, 2]] == pytest.approx([10, 30 + 17 / 17], abs=0.01)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, 15), (7, 0), (7, 15)])
def test_peaks_in_the_corners_are_found(y, x):
    card, model = outputs(kind="probability")
    model.scores[0, y, x, 0] = 0.9
    boxes, _, _ = CenterNet(card, (64, 32))(model, 0.3)
    assert boxes.shape == (1, 4)


def test_nothing_above_the_score_is_nothing():
    card, model = outputs()
    boxes, scores, classes = CenterNet(card, (64, 32))(model, 0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == classes.shape == (0,)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9))
def test_peaks_are_those_of_a_plain_search(seed, least):
    card, model = outputs(kind="probability")
    rng = np.random.default_rng(seed)
    model.scores[:] = np.round(rng.random(model.scores.shape), 2)
    expected = 0
    for y in range(8):
        for x in range(16):
            for c in range(2):
                around = model.scores[0, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2, c]
                expected += (
                    model.scores[0, y, x, c] >= np.float32(least) and model.scores[0, y, x, c] == around.max()
                )
    assert len(CenterNet(card, (64, 32))(model, least)[0]) == expected


def test_the_better_of_two_overlapping_boxes_stays_and_other_classes_stay():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.3], np.float32)
    kept = suppress(boxes, scores, np.array([0, 0, 1, 0]), np.eye(2, dtype=bool), overlap=0.5, most=10)
    assert kept.tolist() == [1, 2, 3]


def test_no_more_than_asked_for_the_best_first():
    boxes = np.array([[20.0 * i, 0, 20.0 * i + 10, 10] for i in range(6)], np.float32)
    kept = suppress(
        boxes,
        np.linspace(0.1, 0.6, 6, dtype=np.float32),
        np.zeros(6, np.intp),
        np.eye(1, dtype=bool),
        0.5,
        most=2,
    )
    assert kept.tolist() == [5, 4]


@pytest.mark.parametrize(
    ("better", "worse", "one_thing"),
    [
        ("person", "person", True),
        ("person", "sports ball", True),
        ("sports ball", "person", False),
        ("person", "bicycle", False),
        ("bicycle", "person", False),
        ("car", "truck", True),
        ("truck", "person", False),
        ("dog", "cat", False),
    ],
)
def test_what_is_one_thing_under_two_names(better, worse, one_thing):
    assert hides(better, worse) is one_thing


def test_no_class_but_person_ever_hides_a_person():
    assert [label for label in COCO if hides(label, "person")] == ["person"]


def test_ssd_has_tensorflows_1917_anchors_and_codes_boxes_against_them():
    anchors = Ssd.anchors()
    assert anchors.shape == (1917, 4)
    card = Card(
        name="hand-made",
        file="hand-made.tflite",
        sha256="0" * 64,
        decoder="ssd",
        origin="",
        licence="",
        input=Input(width_px=300, height_px=300, colour="rgb"),
        scores=Scores(shape=(1, 1917, 3), kind="probability"),
        boxes=Boxes(shape=(1, 1917, 4)),
        classes=Classes(labels=("background", "person", "dog")),
    )
    scores = np.zeros((1, 1917, 3), np.float32)
    scores[0, :, 0] = 0.99
    scores[0, 1083, 2] = 0.8  # first anchor of the second map: scale 0.35, square, in its upper left cell
    coded = np.zeros((1, 1917, 4), np.float32)
    coded[0, 1083] = [1.0, 0.0, 0.0, 5 * np.log(2)]  # a tenth of its height down, twice as wide
    boxes, found, classes = Ssd(card, (300, 300))(SimpleNamespace(scores=scores, boxes=coded), 0.3)
    assert (found.tolist(), classes.tolist()) == (pytest.approx([0.8]), [2])
    # Centre 15, 15 + 10.5; 210 wide, 105 tall.
    assert boxes[0] == pytest.approx([15 - 105, 25.5 - 52.5, 15 + 105, 25.5 + 52.5], abs=1e-3)
