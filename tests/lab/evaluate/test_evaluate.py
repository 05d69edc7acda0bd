"""Reading labelled pictures and counting what was found, on sets small enough to count by hand."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rearguard.cli.evaluate import evaluate
from rearguard.errors import BadInput
from rearguard.lab.evaluate.datasets import Labelled, Truth, read_dataset
from rearguard.lab.evaluate.score import score
from rearguard.types import Box, Detection


def person(x0, y0, x1, y1, certainty=None):
    box = Box(x0, y0, x1, y1)
    return Truth("person", box) if certainty is None else Detection(box, "person", certainty)


@pytest.fixture
def folder(tmp_path):
    """A folder with two grey pictures under images/ and numbered ones beside."""
    (tmp_path / "images").mkdir()
    grey = np.full((80, 100, 3), 90, np.uint8)
    for name in ("images/a.jpg", "images/b.png", "000.jpg", "1.jpg"):
        cv2.imwrite(str(tmp_path / name), grey)
    return tmp_path


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_yolo_labels_become_pixels(folder):
    write(folder / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n16 0.1 0.1 0.1 0.1\n")
    write(folder / "labels" / "b.txt", "")
    dataset = read_dataset(folder)
    assert dataset.format == "yolo"
    assert dataset.labels == {"person", "dog"}
    assert dataset.pictures[0].in_pixels(100, 80)[0] == Truth("person", Box(40.0, 20.0, 60.0, 60.0))
    assert dataset.pictures[1].truths == ()


def test_penn_fudan_counts_pixels_from_one(folder):
    write(
        folder / "annotations" / "a.txt",
        'Bounding box for object 1 "PASpersonWalking" (Xmin, Ymin) - (Xmax, Ymax) : (1, 11) - (30, 60)\n',
    )
    dataset = read_dataset(folder)
    assert dataset.format == "penn-fudan"
    assert dataset.pictures[0].truths == (Truth("person", Box(0, 10, 30, 60)),)


def test_a_table_counts_pictures_without_rows_and_forgives_the_occluded(folder):
    write(folder / "boxes.csv", "frame,track,label,x,y,w,h,occluded\n1,A,person,10,20,30,40,1\n")
    dataset = read_dataset(folder)
    assert [p.path.name for p in dataset.pictures] == ["000.jpg", "1.jpg"]
    assert dataset.pictures[0].truths == ()
    assert dataset.pictures[1].truths == (Truth("person", Box(10, 20, 40, 60), doubtful=True),)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("labels/a.txt", "0 0.5 0.5 0.2\n", r"a\.txt:1: not 'class cx cy w h'"),
        ("labels/a.txt", "0 0.5 0.5 0.2 0.2\n80 0.5 0.5 0.2 0.2\n", r"a\.txt:2: not 'class cx cy w h'"),
        ("labels/a.txt", "0 50 0.5 0.2 0.2\n", r"a\.txt:1: centre and size must be fractions"),
        ("labels/a.txt", "0 nan 0.5 0.2 0.2\n", r"a\.txt:1: centre and size must be fractions"),
        ("labels/c.txt", "0 0.5 0.5 0.2 0.2\n", "no picture c for its labels"),
        ("annotations/a.txt", "nothing", "has no line 'Bounding box"),
        ("boxes.csv", "frame,label,x,y,w\n1,person,1,2,3\n", r"boxes\.csv:2: needs frame,label,x,y,w,h"),
        (
            "boxes.csv",
            "frame,label,x,y,w,h\n7,person,1,2,3,4\n",
            "labels frame 7, but there is no such picture",
        ),
        ("boxes.csv", "frame,label,x,y,w,h\n1,person,nan,2,3,4\n", r"boxes\.csv:2: needs .* with numbers"),
        ("boxes.csv", "frame,label,x,y,w,h\n1,person,1,2,-3,4\n", r"boxes\.csv:2: needs .* above 0"),
        ("boxes.csv", 'frame,label,x,y,w,h\n1,"' + "person " * 20000 + "\n", r"boxes\.csv: not a table"),
        ("annotations/a.txt", "Bounding box: (" + "9" * 5000 + ", 1) - (2, 3)", "has no line 'Bounding box"),
        ("notes.txt", "", "no labels of a known format"),
        ("labels/notes.md", "", "holds no labelled picture"),
    ],
)
def test_what_is_wrong_with_labels_is_said_with_its_place(folder, file, text, reason):
    write(folder / file, text)
    with pytest.raises(BadInput, match=reason):
        read_dataset(folder)


def test_a_table_from_a_spreadsheet_beside_pictures_from_a_camera(folder):
    (folder / "1.jpg").rename(folder / "1.JPG")
    (folder / "²").with_suffix(".jpg").touch()  # a digit to Python, not a number
    write(folder / "boxes.csv", "\ufeffframe,label,x,y,w,h\n1,person,10,20,30,40\n")
    pictures = read_dataset(folder).pictures
    assert [(p.path.name, len(p.truths)) for p in pictures] == [("000.jpg", 0), ("1.JPG", 1)]


def test_two_pictures_of_one_number_are_refused(folder):
    (folder / "1.jpg").touch()
    (folder / "001.jpg").touch()
    write(folder / "boxes.csv", "frame,label,x,y,w,h\n1,person,10,20,30,40\n")
    with pytest.raises(BadInput, match=r"1\.jpg: 001\.jpg has the same number"):
        read_dataset(folder)


def test_labels_find_pictures_whose_names_shout(folder):
    (folder / "images" / "a.jpg").rename(folder / "images" / "a.JPG")
    write(folder / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n")
    assert read_dataset(folder).pictures[0].path.name == "a.JPG"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="gone: no such folder"):
        read_dataset(tmp_path / "gone")


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0, 1), st.floats(0, 1))
def test_fractions_scale_with_the_picture(width, height, x, y):
    labelled = Labelled(None, (Truth("person", Box(0.0, 0.0, x, y)),), fractions=True)
    box = labelled.in_pixels(width, height)[0].box
    assert (box.x1, box.y1) == (x * width, y * height)


def test_finding_everything_and_nothing_else_is_one():
    truths = [[person(0, 0, 10, 30)], [person(5, 5, 15, 65), person(50, 0, 60, 110)]]
    found = [[Detection(t.box, t.label, 0.9) for t in picture] for picture in truths]
    (figures,) = score(truths, found, ["person"], 0.3)
    assert (figures.truths, figures.ap50, figures.recall, figures.precision) == (
        3,
        pytest.approx(1.0),
        1.0,
        1.0,
    )
    assert [(b.truths, b.found) for b in figures.by_height] == [(0, 0), (1, 1), (1, 1), (1, 1), (0, 0)]


def test_recall_and_precision_count_only_scores_that_matter_but_ap_counts_all():
    truths = [[person(0, 0, 10, 30), person(50, 0, 60, 30)]]
    found = [[person(0, 0, 10, 30, 0.9), person(50, 0, 60, 30, 0.1), person(200, 0, 210, 30, 0.5)]]
    (figures,) = score(truths, found, ["person"], 0.3)
    assert (figures.recall, figures.precision) == (0.5, 0.5)
    # Precision 1 up to recall 0.5 (51 of COCO's 101 points), then 2/3.
    assert figures.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_box_that_overlaps_too_little_or_comes_twice_is_wrong():
    truths = [[person(0, 0, 10, 100)]]
    found = [[person(0, 0, 10, 100, 0.9), person(0, 1, 10, 100, 0.8), person(0, 60, 10, 160, 0.7)]]
    (figures,) = score(truths, found, ["person"], 0.3)
    assert figures.precision == pytest.approx(1 / 3)


def test_the_doubtful_count_neither_way():
    truths = [[person(0, 0, 10, 100), Truth("person", Box(50, 0, 60, 100), doubtful=True)]]
    (figures,) = score(truths, [[person(0, 0, 10, 100, 0.9), person(50, 0, 60, 100, 0.8)]], ["person"], 0.3)
    assert (figures.truths, figures.recall, figures.precision) == (1, 1.0, 1.0)


def test_finding_nothing_is_zero_and_no_label_is_undefined():
    one, none = score([[person(0, 0, 10, 100)]], [[]], ["person", "dog"], 0.3)
    assert (one.ap50, one.recall, one.precision) == (0.0, 0.0, None)
    assert (none.ap50, none.truths, none.recall) == (None, 0, None)


def test_the_command_prints_numbers_for_scripts(folder):
    write(folder / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n")
    result = CliRunner().invoke(evaluate, [str(folder), "--json", "--label", "all", "--threads", "1"])
    assert result.exit_code == 0, result.output
    (measured,) = json.loads(result.stdout)
    assert measured["model"] == "centernet"
    assert measured["labels"]["person"]["ap50"] == 0.0, "a grey picture shows nobody"
    assert 0 < measured["invoke_ms"] < measured["frame_ms"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--label", "unicorn"], "not one of COCO"), (["--label", "toaster"], "cannot name a 'toaster'")],
)
def test_labels_nobody_can_name_are_refused(folder, options, reason):
    write(folder / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n")
    result = CliRunner().invoke(evaluate, [str(folder), *options])
    assert isinstance(result.exception, BadInput)
    assert reason in str(result.exception)


@pytest.mark.parametrize(("name", "least"), [("pennfudan", 0.93), ("coco_val", 0.58)])
def test_people_are_found_on_real_pictures(shared_data, name, least):
    result = CliRunner().invoke(evaluate, [str(shared_data / name), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["labels"]["person"]["ap50"] >= least
