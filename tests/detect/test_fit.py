"""What a slow board is advised: the largest input it can keep up with, tried from the largest on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.detect.fit import HEADROOM, SMALLEST_PX, candidates, fit, keep_up, spare_threads, times_s
from rearguard.doctor import sight
from rearguard.doctor.finding import CheckContext, State


def board(s_per_px):
    """A machine whose time grows with the input's pixels."""
    return lambda detect: detect.input_px * s_per_px


@pytest.mark.parametrize(
    ("fps_at_full", "input_px"),
    [(20.0, 184_320), (13.1, 184_320), (12.0, 123_494), (6.0, 81_101), (4.0, 55_296), (1.0, 55_296)],
)
def test_the_largest_input_that_keeps_up(fps_at_full, input_px):
    chosen = fit(Detect(), 10.0, board(1 / fps_at_full / 184_320))
    assert chosen.detect.input_px == input_px


@given(st.integers(16_384, 1_048_576), st.floats(1e-8, 1e-4))
def test_no_candidate_is_larger_than_asked_or_useless(input_px, s_per_px):
    asked = Detect(input_px=input_px)
    sizes = [one.input_px for one in candidates(asked)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == input_px
    assert all(size >= SMALLEST_PX for size in sizes[1:])
    chosen = fit(asked, 10.0, board(s_per_px))
    assert chosen.fps >= 10 * HEADROOM or chosen.detect.input_px == sizes[-1]


def test_a_core_is_left_and_a_configured_number_kept():
    assert spare_threads() >= 1
    assert next(candidates(Detect(threads=16))).threads == 16


def test_a_smaller_input_is_quicker_on_this_machine():
    large, small = (Detector(Detect(input_px=px)) for px in (737_280, 46_080))
    rounds = [(min(times_s(large, 640, 360, 2)), min(times_s(small, 640, 360, 2))) for _ in range(3)]
    assert min(b for _, b in rounds) < min(a for a, _ in rounds)  # the quickest: others use this machine, too


def test_the_doctor_tells_a_slow_board_what_to_set(monkeypatch):
    monkeypatch.setattr(sight, "detect_s", lambda detector, *_, **__: detector.config.input_px / 184_320 / 4)
    finding = sight.model(CheckContext(Config(camera=Camera(width_px=640, height_px=360))))
    assert finding.state is State.WARN
    assert "DEGRADED" in finding.measured
    assert "detect.input_px = 55296" in finding.remedy
    assert "13.3 fps" in finding.remedy


def test_a_detector_that_misses_the_golden_person_fails():
    blind = Config(detect=Detect(min_score=0.95, weak_score=0.94))
    finding = sight.model(CheckContext(blind))
    assert finding.state is State.FAIL
    assert "golden picture" in finding.measured


def slow(s_per_px):
    """A machine on which every picture takes as long as its input is large."""
    return lambda detector, *_: [9.9, detector.config.input_px * s_per_px, 5.0]


def test_a_machine_that_keeps_up_is_left_alone():
    config, detector = Config(), Detector(Detect())
    assert keep_up(config, detector, 1280, 720, slow(1 / 11 / 184_320)) == (config, detector, "")


def test_a_slow_machine_gets_a_smaller_input_and_says_so():
    config, detector, told = keep_up(Config(), Detector(Detect()), 1280, 720, slow(1 / 5 / 184_320))
    assert config.detect.input_px == detector.config.input_px == 55_296
    assert "5.0 pictures a second with detect.input_px = 184320" in told
    assert "16.7 with detect.input_px = 55296" in told
    assert "\n" not in told


def test_a_slower_camera_is_enough_to_keep_up_with():
    asked = Config(camera=Camera(fps=5.0))
    assert keep_up(asked, Detector(Detect()), 1280, 720, slow(1 / 6 / 184_320))[0] == asked
