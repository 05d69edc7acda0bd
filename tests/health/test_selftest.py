"""The self-test: what makes it refuse, and that a sound machine passes."""

from __future__ import annotations

import numpy as np
import pytest

from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.detect.model import Model
from rearguard.errors import PartFailed
from rearguard.health.golden import golden
from rearguard.health.image_stats import coarse_copy, measure, small_grey
from rearguard.health.machine import Readings
from rearguard.health.selftest import SelfTest
from rearguard.types import Box, Detection, Frame, Image

WELL = Readings(0, 50.0, 0, 9000.0, 0.0)


def lively(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 255, (90, 160, 3), dtype=np.uint8)


def decide(
    images: list[Image], step_ns: int = 66_000_000, readings: Readings | None = WELL
) -> tuple[int, tuple[str, ...]]:
    """Feed the pictures until the test decides: at which frame, and the problems."""
    test = SelfTest(Config())
    for i, image in enumerate(images):
        stats = measure(small_grey(coarse_copy(image)), 8.0)
        problems = test.check_frame(Frame(i, i * step_ns, image), stats, readings)
        if problems is not None:
            return i, problems
    pytest.fail("never decided")


def test_ten_live_frames_pass() -> None:
    assert decide([lively(i) for i in range(20)]) == (10, ())


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (lively(1), "camera: the same picture again and again"),
        (np.zeros((90, 160, 3), np.uint8), "camera: the same picture again and again"),
    ],
)
def test_a_picture_that_never_changes_is_refused_within_three_seconds(image: Image, said: str) -> None:
    at, problems = decide([image] * 60)
    assert problems == (said,)
    assert at * 0.066 < 3.2


def test_darkness_and_a_cap_are_named() -> None:
    rng = np.random.default_rng(3)
    dark = [rng.integers(0, 7, (90, 160, 3), dtype=np.uint8) for _ in range(60)]
    cap = [rng.integers(100, 108, (90, 160, 3), dtype=np.uint8) for _ in range(60)]
    assert decide(dark)[1] == ("camera: too dark (brightness 3 of 255)",)
    assert decide(cap)[1] == ("camera: nothing to see: is the lens covered?",)


def test_a_clock_that_stands_still_decides_too() -> None:
    test = SelfTest(Config())
    stats = measure(small_grey(coarse_copy(lively(0))), 8.0)
    for i in range(5):
        assert test.check_frame(Frame(i, 0, lively(i)), stats, WELL) is None
    assert test.check_frame(Frame(9, 4_000_000_000, lively(9)), stats, WELL) == (
        "camera: its time stands still",
    )


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        (Readings(0, 72.0, 0, 9000.0, 0.0), "temperature: 72 °C, below 70 needed to start"),
        (Readings(0, 50.0, 0x50001, 9000.0, 0.0), "power: undervoltage or throttling right now (0x50001)"),
        (Readings(0, 50.0, 0, 12.0, 0.0), "disk: 12 MB free, 200 needed"),
        (None, "machine: its sensors do not answer"),
    ],
)
def test_a_sick_machine_is_refused(readings: Readings | None, said: str) -> None:
    assert decide([lively(i) for i in range(60)], readings=readings)[1] == (said,)


def test_a_machine_without_sensors_is_not_refused() -> None:
    nothing = Readings(0, None, None, None, 0.0)
    assert decide([lively(i) for i in range(20)], readings=nothing)[1] == ()


def told(test: SelfTest, images: list[Image], readings: list[Readings | None]) -> list[tuple[str, ...]]:
    """All that the test says while it is fed."""
    said = []
    for i, (image, read) in enumerate(zip(images, readings, strict=True)):
        problems = test.check_frame(
            Frame(i, i * 66_000_000, image), measure(small_grey(coarse_copy(image)), 8.0), read
        )
        if problems is not None:
            said.append(problems)
    return said


def test_a_lens_that_is_uncovered_again_passes_and_nothing_is_said_twice() -> None:
    rng = np.random.default_rng(3)
    dark = [rng.integers(0, 7, (90, 160, 3), dtype=np.uint8) for _ in range(150)]
    said = told(SelfTest(Config()), dark + [lively(i) for i in range(150)], [WELL] * 300)
    assert said == [("camera: too dark (brightness 3 of 255)",), ()]


def test_a_machine_that_cools_down_passes() -> None:
    hot = Readings(0, 72.0, 0, 9000.0, 0.0)
    said = told(SelfTest(Config()), [lively(i) for i in range(120)], [hot] * 60 + [WELL] * 60)
    assert said == [("temperature: 72 °C, below 70 needed to start",), ()]


def test_vision_that_is_started_anew_may_be_warm() -> None:
    hot = Readings(0, 72.0, 0, 9000.0, 0.0)
    assert told(SelfTest(Config(), again=True), [lively(i) for i in range(20)], [hot] * 20) == [()]


def test_one_degree_more_is_no_news() -> None:
    readings = [Readings(0, 72.0 + i // 60, 0, 9000.0, 0.0) for i in range(300)]
    said = told(SelfTest(Config()), [lively(i) for i in range(300)], readings)
    assert said == [("temperature: 72 °C, below 70 needed to start",)]


def test_a_camera_too_slow_to_judge_by_is_told_as_that() -> None:
    test = SelfTest(Config())
    for i in range(20):
        stats = measure(small_grey(coarse_copy(lively(i))), 8.0)
        said = test.check_frame(Frame(i, i * 400_000_000, lively(i)), stats, WELL)
        if said is not None:
            break
    assert said == ("camera: 8 pictures in 3 s",)


def test_a_sensor_that_takes_a_second_is_waited_for() -> None:
    said = told(SelfTest(Config()), [lively(i) for i in range(40)], [None] * 20 + [WELL] * 20)
    assert said == [()]


def test_a_detector_that_failed_is_not_forgiven() -> None:
    test = SelfTest(Config())
    test.check_detector(lambda _image: [], (640, 360))
    said = told(test, [lively(i) for i in range(60)], [WELL] * 60)
    assert said == [("golden picture: the detector does not find the person",)]


def test_buffers_that_come_in_turn_are_no_live_picture() -> None:
    images = [lively(i % 4) for i in range(60)]
    said = told(SelfTest(Config()), images, [WELL] * 60)
    assert said == [("camera: the same picture again and again",)]


def test_a_blind_detector_is_refused() -> None:
    test = SelfTest(Config())
    test.check_detector(lambda _image: [], (640, 360))
    assert test.problems == ["golden picture: the detector does not find the person"]


def test_a_detector_that_sees_things_elsewhere_is_refused() -> None:
    test = SelfTest(Config())
    test.check_detector(lambda _image: [Detection(Box(0, 0, 60, 200), "person", 0.9)], (640, 360))
    assert test.problems == ["golden picture: the person is found in the wrong place (overlap 0.00)"]


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (320, 240)])
def test_the_real_detector_finds_the_golden_person(size: tuple[int, int]) -> None:
    test = SelfTest(Config())
    test.check_detector(Detector(Config().detect, size).detect, size)
    assert test.problems == []


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (333, 111), (160, 120)])
def test_the_golden_picture_fits_any_camera(size: tuple[int, int]) -> None:
    picture, person = golden(size)
    assert picture.shape == (size[1], size[0], 3)
    assert 0 <= person.x0 < person.x1 <= size[0]
    assert 0 <= person.y0 < person.y1 <= size[1]


def test_a_detector_that_answers_with_not_a_number_is_a_failed_part(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(Config().detect, (320, 240))
    real = Model.scores.fget
    monkeypatch.setattr(Model, "scores", property(lambda self: real(self) * np.nan))
    with pytest.raises(PartFailed, match="its output is not a number"):
        detector.detect(np.zeros((240, 320, 3), np.uint8))
