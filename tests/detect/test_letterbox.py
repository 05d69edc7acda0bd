"""Pictures into the input and boxes back: the geometry must hold for any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard.detect.letterbox import Fit, Letterbox
from rearguard.detect.network import input_size_for

SIDES = st.integers(1, 8000)
INPUTS = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda t: (32 * t[0], 32 * t[1]))
FRACTIONS = st.lists(st.floats(0, 1), min_size=4, max_size=4)


def to_input(fit, box):
    """A box (left, top, right, bottom) from picture pixels to input pixels."""
    return np.array(box) * np.tile([fit.sx, fit.sy], 2) + np.tile([fit.left, fit.top], 2)


@given(SIDES, SIDES, INPUTS, FRACTIONS)
def test_boxes_come_back_within_half_a_pixel(width, height, into, fractions):
    fit = Fit.of((width, height), into)
    box = np.array(fractions) * [width, height, width, height]
    assert np.abs(fit.to_picture(to_input(fit, box)) - box).max() <= 0.5


@given(SIDES, SIDES, INPUTS)
def test_the_whole_picture_lies_inside_the_input(width, height, into):
    fit = Fit.of((width, height), into)
    left, top, right, bottom = to_input(fit, [0, 0, width, height])
    assert 0 <= left < right <= into[0] + 1e-6
    assert 0 <= top < bottom <= into[1] + 1e-6
    assert (right - left) > into[0] - 1.51 or (bottom - top) > into[1] - 1.51, "one direction is filled"


def test_a_camera_frame_fills_the_default_input_but_for_eight_columns():
    assert Fit.of((1280, 720), (576, 320)) == Fit(569 / 1280, 320 / 720, 3, 0, 569, 320)


@settings(max_examples=30, deadline=None)
@given(st.integers(24, 900), st.integers(24, 900))
def test_a_bright_patch_lands_where_the_boxes_say(width, height):
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = width // 3, height // 4, width // 3 + width // 3, height // 4 + height // 2
    image[y0:y1, x0:x1] = 255
    buffer, fit = Letterbox((192, 128)).put(image)
    inside = (
        buffer[fit.top : fit.top + fit.height_px, fit.left : fit.left + fit.width_px, 1].astype(float) / 255
    )
    expected = to_input(fit, [x0, y0, x1, y1])
    ys, xs = np.indices(inside.shape) + 0.5
    centre = (xs * inside).sum() / inside.sum() + fit.left, (ys * inside).sum() / inside.sum() + fit.top
    assert abs(centre[0] - (expected[0] + expected[2]) / 2) < 0.5
    assert abs(centre[1] - (expected[1] + expected[3]) / 2) < 0.5
    area = (expected[2] - expected[0]) * (expected[3] - expected[1])
    assert abs(inside.sum() / area - 1) < 0.25


def test_borders_are_black_again_after_a_picture_of_another_shape():
    letterbox = Letterbox((64, 64))
    letterbox.put(np.full((64, 64, 3), 255, np.uint8))
    buffer, fit = letterbox.put(np.full((20, 80, 3), 200, np.uint8))
    assert (buffer[: fit.top] == Letterbox.BORDER).all()
    assert (buffer[fit.top + fit.height_px :] == Letterbox.BORDER).all()


def test_the_buffer_is_the_same_memory_every_time():
    letterbox = Letterbox((64, 32))
    first, _ = letterbox.put(np.zeros((100, 100, 3), np.uint8))
    second, _ = letterbox.put(np.ones((50, 30, 3), np.uint8))
    assert first is second


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(32 * 32, 400_000))
def test_the_input_for_a_picture_keeps_to_its_budget(width, height, budget):
    size = input_size_for((width, height), budget)
    assert size[0] % 32 == size[1] % 32 == 0
    assert 0 < size[0] * size[1] <= budget


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((1280, 720), (576, 320)),
        ((1920, 1080), (576, 320)),
        ((640, 480), (480, 384)),
        ((480, 640), (384, 480)),
        ((500, 500), (416, 416)),
    ],
)
def test_the_input_takes_the_shape_of_the_picture(picture, size):
    assert input_size_for(picture, 184_320) == size
