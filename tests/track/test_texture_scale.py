"""How much somebody grew is told from what is theirs, not from what hangs before them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from rearguard.ego.ignored import Ignored
from rearguard.track.texture_scale import measure_growth
from rearguard.types import Box

GROWN = 1.06


def grain(seed: int, size: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 0, 255, cv2.NORM_MINMAX))  # type: ignore[call-overload]


def test_a_strap_before_somebody_does_not_make_them_stand_still() -> None:
    """They are seen from shoulder to shoulder, and a strap with a pattern covers more than half of that."""
    before = grain(1, (360, 640))
    zoom = cv2.getRotationMatrix2D((320, 180), 0, GROWN)
    after = cv2.warpAffine(before, zoom, (640, 360))
    for picture in (before, after):
        picture[:, 240:330] = grain(2, (360, 90))
    box = {0: Box(250.0, 60.0, 390.0, 300.0)}
    seen = Ignored(((240 / 640, 0.0, 330 / 640, 1.0),), (640, 360)).seen((640, 360))
    (told,) = measure_growth(before, after, box, box, seen)
    assert told.ln_scale == pytest.approx(math.log(GROWN), abs=0.015)
    assert [
        g for g in measure_growth(before, after, box, box) if abs(g.ln_scale - math.log(GROWN)) < 0.03
    ] == []
