"""How much somebody grew is told from what is theirs, not from what hangs before them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole, moved, turn
from rearguard.track.boxes import BoxModel
from rearguard.track.filter import RADIAL, ThingFilter
from rearguard.track.texture_scale import measure_growth
from rearguard.types import Box, EgoMotion, EgoState

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


@pytest.mark.parametrize(("width", "height"), [(60, 150), (100, 100), (220, 90)])
@pytest.mark.parametrize("yaw_rad", [0.12, -0.1])
def test_what_a_turn_of_the_camera_stretches_does_not_come_nearer(
    width: int, height: int, yaw_rad: float
) -> None:
    """A turn stretches widths twice as much as heights: how much of that is growth goes with the thing's shape."""
    lens = Pinhole.from_fov(1280, 720, 66.0)
    before = grain(3, (720, 1280))
    to_rays = np.array([[lens.focal_px, 0, 640], [0, lens.focal_px, 360], [0, 0, 1]])
    turned = EgoMotion(yaw_rad=yaw_rad, quality=1.0)
    after = cv2.warpPerspective(before, to_rays @ turn(turned) @ np.linalg.inv(to_rays), (1280, 720))
    then = Box(1050 - width / 2, 360 - height / 2, 1050 + width / 2, 360 + height / 2)
    (growth,) = measure_growth(before, after, {0: then}, {0: moved(then, turned, lens)})
    was, now = BoxModel(lens, EgoState()), BoxModel(lens, EgoState(swing_rad=yaw_rad))
    bearing = was.direction(then).bearing_rad
    thing = ThingFilter([2.0, bearing, 0.0, 0.0, 0.5, 0.0], np.eye(6))
    now.measure_growth(thing, growth.ln_scale, 0.001, 0.1, bearing, was, math.log(width / height))
    assert abs(growth.ln_scale) > 0.04
    assert abs(0.1 * thing.mean[RADIAL]) < 0.2 * abs(growth.ln_scale)
