"""Keeping up: smaller when it is slow or hot for a while, larger again when there is room, and no flapping."""

from __future__ import annotations

import msgspec
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.detect import Detect
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.types import Fault
from rearguard.vision import load_adaptation
from rearguard.vision.load_adaptation import Adapter, Pace
from rearguard.vision.pipeline import Pipeline, age_of_file

FULL = Detect()
FPS = 10.0


class Machine:
    """A machine on which detection takes `full_s` with the full input, and less in proportion with less."""

    def __init__(self, full_s: float, now: Detect = FULL) -> None:
        self.pace = Pace(FULL, now, FPS)
        self.now, self.full_s, self.t_s = now, full_s, 0.0
        self.changes: list[tuple[float, int]] = []

    def run(self, seconds: float, hot: bool = False) -> list[int]:
        """The input sizes changed to meanwhile."""
        until = self.t_s + seconds
        while self.t_s < until:
            took_s = self.full_s * self.now.input_px / FULL.input_px
            change = self.pace.choose_input(round(self.t_s * NS_PER_S), took_s, hot)
            if change is not None:
                self.now = change
                self.changes.append((self.t_s, change.input_px))
            self.t_s += max(took_s, 1 / FPS)
        return [px for t, px in self.changes if t >= until - seconds]


def test_a_machine_that_keeps_up_is_left_alone() -> None:
    assert Machine(0.08).run(600) == []


def test_one_that_gets_slower_judges_as_often_with_a_smaller_picture() -> None:
    machine = Machine(0.08)
    machine.run(60)
    machine.full_s = 0.2
    assert machine.run(60) == [round(FULL.input_px * 0.67), round(FULL.input_px * 0.44)]
    assert machine.full_s * machine.now.input_px / FULL.input_px <= 1 / FPS


def test_a_hiccup_changes_nothing() -> None:
    machine = Machine(0.08)
    machine.run(30)
    machine.full_s = 0.3
    machine.run(4)
    machine.full_s = 0.08
    assert machine.run(60) == []
    assert machine.changes == []


def test_heat_alone_is_reason_enough_and_when_it_has_cooled_the_full_picture_is_back() -> None:
    machine = Machine(0.05)
    machine.run(30)
    assert machine.run(12, hot=True) != []
    assert machine.now.input_px < FULL.input_px
    machine.run(400)
    assert machine.now.input_px == FULL.input_px


def test_a_machine_that_is_hot_with_the_full_picture_only_does_not_flap() -> None:
    machine = Machine(0.05)
    for _ in range(360):  # an hour, ten seconds at a time: it heats up as soon as it does more
        machine.run(10, hot=machine.now.input_px == FULL.input_px)
    assert 0 < len(machine.changes) < 20


@pytest.mark.parametrize("px", [40_000, 50_000, 123_456])
def test_it_begins_from_what_was_chosen_at_the_start_and_never_asks_for_more_than_was_configured(
    px: int,
) -> None:
    machine = Machine(0.01, msgspec.structs.replace(FULL, input_px=px))
    machine.run(3600)
    assert machine.now.input_px == FULL.input_px
    machine.full_s = 9.0
    machine.run(3600)
    assert machine.now.input_px >= 40_000


def test_the_new_network_takes_over_between_two_frames_and_goes_on_finding_people(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(load_adaptation, "_SLOW_S", 0.5)
    config = Config()
    source = open_source("sim:stand?start=5&speed=0&duration=60&seed=1", config.camera, fps=FPS)
    lens = Pinhole.from_fov(1280, 720, config.camera.hfov_deg)
    pipeline = Pipeline(config, lens, Detector(config.detect), age_of_file)
    adapter = Adapter(pipeline, config.detect, config.detect, FPS, (1280, 720))
    found: list[bool] = []
    for frame in source.frames():
        step = pipeline.process_frame(frame, (Fault.HOT,))
        adapter.note_frame(step)
        found.append(any(d.label == "person" and d.score > 0.3 for d in step.seen.detections))
        if "detect.input_px is now" in caplog.text and found[-3:] == [True] * 3:
            break
        assert len(found) < 300
    source.close()
    assert str(round(FULL.input_px * 0.67)) in caplog.text
    assert sum(found) > 0.8 * len(found)
