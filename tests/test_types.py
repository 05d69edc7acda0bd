"""Boxes: what they share."""

from __future__ import annotations

import pytest

from rearguard.types import Box


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        (Box(0, 0, 2, 2), Box(1, 0, 3, 2), 1 / 3),
        (Box(0, 0, 2, 2), Box(0, 0, 2, 2), 1.0),
        (Box(0, 0, 4, 4), Box(1, 1, 3, 3), 0.25),
        (Box(0, 0, 1, 1), Box(2, 2, 3, 3), 0.0),
        (Box(0, 0, 1, 1), Box(1, 0, 2, 1), 0.0),  # side by side
        (Box(1, 1, 1, 1), Box(0, 0, 2, 2), 0.0),  # a point
        (Box(3, 3, 1, 1), Box(0, 0, 4, 4), 0.0),  # inside out
    ],
)
def test_intersection_over_union(a: Box, b: Box, iou: float) -> None:
    assert a.iou(b) == pytest.approx(iou)
    assert b.iou(a) == a.iou(b)
