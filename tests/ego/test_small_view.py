"""What image flow and looming look at: as many pixels per degree through a wide lens as through a usual one."""

from __future__ import annotations

import numpy as np
import pytest

from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole
from rearguard.ego.small_view import SmallView
from rearguard.types import Box

USUAL = SmallView(Pinhole.from_fov(1280, 720, 66.0), 320)


def test_of_a_usual_lens_it_is_the_whole_picture() -> None:
    assert (USUAL.lens.width_px, USUAL.lens.height_px) == (320, 180)
    assert USUAL.to_small(Box(0, 0, 1280, 720)) == Box(0, 0, 320, 180)


def test_of_a_narrow_lens_too() -> None:
    view = SmallView(Pinhole.from_fov(720, 1280, 40.0), 320)
    assert view.lens.width_px == 320
    assert view.lens.height_px == pytest.approx(view.to_small(Box(0, 0, 720, 1280)).y1, abs=0.5)


@pytest.mark.parametrize("hfov_deg", [80.0, 102.0, 120.0])
def test_a_wide_lens_has_the_same_pixels_per_degree(hfov_deg: float) -> None:
    view = SmallView(Pinhole.from_fov(1920, 1080, hfov_deg), 320)
    assert view.lens.focal_px == pytest.approx(USUAL.lens.focal_px, rel=0.1)
    assert (view.lens.width_px, view.lens.height_px) == (320, 180)


def test_what_is_seen_lies_where_it_is_in_the_frame() -> None:
    """A bright spot of the frame is where `to_small` says, and `to_frame` brings it back."""
    frame = np.zeros((1080, 1920, 3), np.uint8)
    frame[500:520, 1100:1120] = 255
    view = SmallView(Pinhole.from_fov(1920, 1080, 102.0), 320)
    small = view.shrink(frame)
    rows, columns = np.nonzero(small > 127)
    spot = view.to_small(Box(1100, 500, 1120, 520))
    assert columns.mean() + 0.5 == pytest.approx(spot.cx, abs=0.5)
    assert rows.mean() + 0.5 == pytest.approx(spot.cy, abs=0.5)
    assert view.to_frame(np.array([[spot.cx, spot.cy]])) == pytest.approx(np.array([[1110.0, 510.0]]))


def test_what_is_ignored_is_left_out_where_it_is_in_the_small_picture() -> None:
    view = SmallView(Pinhole.from_fov(1920, 1080, 102.0), 320)
    strap, corner = (0.2, 0.1, 0.45, 0.6), (0.0, 0.0, 0.1, 0.1)
    frame = np.full((1080, 1920, 3), 255, np.uint8)
    frame[108:648, 384:864] = 0
    small = view.shrink(frame)
    seen = Ignored([strap, corner]).within(view.part).seen((320, 180))
    assert seen is not None
    assert 0.1 < (seen == 0).mean() < 0.5
    assert ((small > 127) == (seen > 127)).mean() > 0.98
