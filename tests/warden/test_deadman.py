"""The dead-man's line: it beats while the wearer is served, stands still when nobody is, and ends low."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rearguard.config import Config
from rearguard.config.health import Health
from rearguard.config.warden import Warden
from rearguard.cue.motors import open_motors
from rearguard.errors import PartFailed
from rearguard.warden.deadman import open_deadman
from rearguard.warden.process import run_warden

pytestmark = pytest.mark.timing

CHILD = Path(__file__).parents[1] / "helpers" / "warden_child.py"


@pytest.fixture
def beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")

    def go(steps: list[list[Any]], warden: Warden) -> tuple[list[float], Any]:
        """Run the warden; the gaps between the line's changes in seconds, and the pin."""
        config = Config(warden=warden, health=Health(repeat_every_s=1.0))
        with open_motors(config.cue) as motors:
            pin = motors.pin_factory.pin(27)
            run_warden(
                config, [sys.executable, str(CHILD), json.dumps(steps), str(tmp_path / "notes")], realtime=True,
                motors=motors,
            )  # fmt: skip
            return [row.timestamp for row in pin.states[2:]], pin

    return go


def test_it_beats_while_frames_are_judged_and_ends_low(beats) -> None:
    gaps, pin = beats([["frames", 3.0, 0, "left", None, []], ["end", 0]], Warden(deadman_pin=27))
    assert len(gaps) >= 8  # five a second where the machine has time
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(0.2, abs=0.12)
    assert pin.state == 0


def test_no_pin_is_no_dead_man() -> None:
    with open_deadman(0, None) as deadman:
        assert deadman is None


def test_a_pin_taken_by_a_motor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    with (
        open_motors(Config().cue) as motors,
        pytest.raises(PartFailed, match="GPIO 18 cannot be driven for the dead-man"),
        open_deadman(18, motors.pin_factory),
    ):
        pass


def test_a_pin_that_fails_stops_the_beat_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    with open_motors(Config().cue) as motors, open_deadman(27, motors.pin_factory) as deadman:
        assert deadman is not None
        deadman.beat()
        pin = motors.pin_factory.pin(27)
        assert pin.state == 1
        monkeypatch.setattr(type(pin), "_set_state", lambda *_: 1 / 0)
        deadman.beat()
