"""What is the wearer's own is left out, and nobody beside it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rearguard.ego.flow import FlowEgo
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole
from rearguard.types import Box, Region, hidden_share

SIZE = (1000, 500)
STRAP: Region = (0.0, 0.0, 0.2, 1.0)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (Box(20, 50, 180, 450), True),  # the strap itself, seen as somebody
        (Box(20, 50, 220, 450), True),  # the detector's box trembles
        (Box(20, 50, 260, 450), False),  # a quarter of somebody shows beside it
        (Box(0, 0, 1000, 500), False),  # somebody so near that the strap is within them
        (Box(300, 50, 400, 450), False),
        (Box(50, 50, 50, 50), False),
    ],
)
def test_who_shows_beside_an_ignored_part_is_kept(box: Box, inside: bool) -> None:
    assert Ignored((STRAP,), SIZE).holds(box) is inside


def test_nothing_is_held_where_nothing_is_ignored() -> None:
    nothing = Ignored((), SIZE)
    assert not nothing.holds(Box(0, 0, 1, 1))
    assert nothing.seen((320, 160)) is None


def test_what_two_regions_hide_counts_once() -> None:
    box = Box(0.0, 0.0, 1.0, 0.5)
    both = ((0.0, 0.0, 0.4, 1.0), (0.2, 0.25, 0.6, 1.0))
    assert hidden_share(box, both) == pytest.approx(0.4 + 0.1)
    assert hidden_share(box, both[::-1]) == pytest.approx(0.5)
    assert hidden_share(box, ()) == 0.0


def test_the_mask_shows_the_world_but_for_a_margin() -> None:
    seen = Ignored(((0.5, 0.5, 1.0, 1.0),), SIZE).seen((100, 50), margin_px=3)
    assert seen is not None
    assert seen.shape == (50, 100)
    assert seen[:22].all()
    assert seen[:, :47].all()
    assert not seen[22:, 47:].any()


def test_a_part_that_stays_does_not_hold_the_turn_back() -> None:
    """A patterned strap over two fifths of the far picture says that nothing turns; ignored, it says nothing."""
    rng = np.random.default_rng(1)
    world = cv2.GaussianBlur(rng.integers(0, 255, (360, 760, 3)).astype(np.uint8), (0, 0), 3)
    strap = cv2.GaussianBlur(rng.integers(0, 255, (360, 256, 3)).astype(np.uint8), (0, 0), 2)
    world, strap = (cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in (world, strap))  # type: ignore[call-overload]
    lens = Pinhole.from_fov(640, 360, 66.0)

    def turned(own: Ignored) -> float:
        flow = FlowEgo(lens, own)
        for shift in (0, 24):
            picture = world[:, shift : shift + 640].copy()
            picture[:, :256] = strap
            told = flow.estimate_turn(picture)
        return told.yaw_rad if told.known else 0.0

    wanted = 24 / lens.focal_px
    assert turned(Ignored(((0.0, 0.0, 0.4, 1.0),), (640, 360))) == pytest.approx(wanted, rel=0.15)
    assert abs(turned(Ignored()) - wanted) > 0.5 * wanted
