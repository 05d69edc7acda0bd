"""What one trips over, on rendered pictures with gait: told while there is time to lift a foot, and not made up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import no_detector
import numpy as np
import pytest
from no_detector import Looked

from rearguard.config import Config
from rearguard.ego.ignored import Ignored
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.scenarios.table import LOW_LEAD_S
from rearguard.looming.low import LowDetector, _Points
from rearguard.looming.plane import Ground
from rearguard.types import EgoMotion, EgoState, Level

CONFIG = Config()
NS = 1_000_000_000


def looked(word: str, hangs_deg: float = 0.0) -> Iterator[Looked]:
    """Each frame, no detector beside; the pod hangs off by an angle."""
    return no_detector.looked(word, CONFIG.camera, fps=10, hangs_deg=hangs_deg, low=True)


@pytest.mark.parametrize("thing", ["bag", "branch", "kerb"])
def test_what_one_trips_over_is_told_in_time(thing: str) -> None:
    told = [(x.frame.truth[0].ttc_s, x.level) for x in looked(f"sim:{thing}?start=10&seed=1&readout_ms=16")]
    left = [ttc for ttc, level in told if level >= Level.CAUTION]
    assert left, "never told"
    assert left[0] is not None
    assert LOW_LEAD_S + 0.2 < left[0] < 4.0


def test_a_pod_that_hangs_three_degrees_off_sees_them_too() -> None:
    told = [
        (x.frame.truth[0].ttc_s or 0.0, x.level) for x in looked("sim:bag?start=10&seed=2", hangs_deg=3.0)
    ]
    assert any(level >= Level.CAUTION and ttc > LOW_LEAD_S for ttc, level in told)


def test_it_is_as_near_and_as_far_aside_as_it_is() -> None:
    found = [(x.frame.truth[0], p) for x in looked("sim:ball?start=10&seed=3&lateral=0.3") for p in x.low]
    near = [(true, p) for true, p in found if abs(p.range_m / true.range_m - 1) < 0.15]
    assert len(near) > 0.8 * len(found) > 6
    assert np.median([0.5 * (p.left_m + p.right_m) for _, p in near]) == pytest.approx(0.3, abs=0.12)
    assert np.median([1 / p.rate_per_s - (t.ttc_s or 0) for t, p in near]) == pytest.approx(0.0, abs=0.2)


def test_lines_shadows_leaves_and_puddles_are_nothing() -> None:
    assert max(x.level for x in looked("sim:marked-track?duration=7&seed=1&readout_ms=16")) < Level.CAUTION


def test_a_ball_beside_the_lane_is_let_be() -> None:
    assert max(x.level for x in looked("sim:ball?start=10&seed=1&lateral=1.5")) < Level.CAUTION


def test_who_stands_sees_nothing_low_and_no_picture_breaks_it() -> None:
    rng = np.random.default_rng(3)
    lens = Pinhole.from_fov(640, 360, 66.0)
    low = LowDetector(CONFIG.looming, lens, CONFIG.camera)
    still = EgoState(speed_m_s=0.1)
    for n in range(12):
        grey = np.asarray(rng.integers(0, 255, (360, 640)), np.uint8)
        assert not low.detect(grey, n * NS // 10, EgoMotion(quality=0.9), still)
    for n, tilted in enumerate((0.0, 1.2, -1.2, 0.3)):
        for back in range(8):
            grey = np.asarray(rng.integers(0, 255, (360, 640)), np.uint8)
            turned = EgoMotion(0.02, 0.3, 0.1, 0.9)
            state = EgoState(swing_rad=tilted, pitch_rad=tilted, roll_rad=math.pi / 2 * n)
            assert not low.detect(grey, (10 * n + back + 20) * NS // 10, turned, state)
    small = LowDetector(CONFIG.looming, Pinhole.from_fov(160, 120, 66.0), CONFIG.camera)
    assert small.detect(np.zeros((120, 160), np.uint8), 0, EgoMotion(), EgoState()) is None


def test_a_thing_with_more_edges_than_the_smooth_ground_around_it_is_no_noise():
    """Somebody who lies on concrete: most of what can be compared is theirs."""
    rng = np.random.default_rng(5)
    lens = Pinhole.from_fov(1280, 720, 66.0)
    low = LowDetector(CONFIG.looming, lens, CONFIG.camera)
    g, nearness, sharp_px = 0.55, 0.124, 0.1
    t = np.concatenate([rng.uniform(0.18, 0.21, 60), rng.uniform(0.15, 0.4, 20)])
    moved = np.where(np.arange(80) < 60, (nearness - g * t) * lens.focal_px * t, 0.0)
    points = _Points(
        rng.uniform(-0.05, 0.05, 80), t, *np.zeros((2, 80)), moved + rng.normal(0, sharp_px, 80),
        np.full(80, 0.12),
    )  # fmt: skip
    found = low._nearest(points, g)
    assert found is not None
    assert len(found) > 50
    assert found.max() < 60
    flat = replace(points, excess_px=rng.normal(0, sharp_px, 80))
    assert low._nearest(flat, g) is None


def test_ground_behind_an_ignored_part_is_not_looked_at():
    lens = Pinhole.from_fov(1280, 720, 66.0)
    level = np.eye(3)
    picture = np.full((720, 1280), 120, np.uint8)
    whole, hidden = (
        Ground(lens, 1.35, Ignored(parts, (1280, 720))) for parts in ((), ((0.5, 0.6, 1.0, 1.0),))
    )
    shown = whole.shown(whole.view(picture, level))
    left = hidden.shown(hidden.view(picture, level))
    middle = shown.shape[1] // 2
    assert shown[:, middle + 15 :].any()
    assert not left[:, middle:].any()
    assert np.array_equal(left[:, : middle - 15], shown[:, : middle - 15])
