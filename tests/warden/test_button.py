"""The push button: presses told apart, and what each does to a running warden."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearguard import ipc
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.warden import Warden
from rearguard.cue.motors import open_motors
from rearguard.errors import EXIT_SWITCHED_OFF, PartFailed
from rearguard.warden import process
from rearguard.warden.button import Press, Presses, open_button
from rearguard.warden.process import run_warden

pytestmark = pytest.mark.timing

CHILD = Path(__file__).parents[1] / "helpers" / "warden_child.py"


def press(
    *spans_s: tuple[float, float], until_s: float = 5.0, bounce: bool = False
) -> list[tuple[Press, float]]:
    """Feed the spans in which the button is down, sampled every 10 ms; the presses told, with their times."""
    presses, told = Presses(), []
    for i in range(round(until_s * 100)):
        t = i / 100
        down = any(a <= t < b for a, b in spans_s)
        if bounce and any(0 <= t - edge < 0.02 for span in spans_s for edge in span):
            down = bool(i % 2)
        what = presses.feed(i * 10_000_000, down)
        if what:
            told.append((what, t))
    return told


@pytest.mark.parametrize("bounce", [False, True])
def test_short_double_and_long_presses(bounce: bool) -> None:
    assert [p for p, _ in press((1.0, 1.2), bounce=bounce)] == [Press.MUTE]
    assert [p for p, _ in press((1.0, 1.15), (1.35, 1.5), bounce=bounce)] == [Press.MARK]
    assert [p for p, _ in press((1.0, 4.5), bounce=bounce)] == [Press.SHUTDOWN]


def test_a_long_press_is_told_while_it_is_held_and_once() -> None:
    assert press((1.0, 5.0)) == [(Press.SHUTDOWN, 3.0)]


def test_two_presses_apart_are_two_mutes() -> None:
    assert [p for p, _ in press((1.0, 1.1), (2.5, 2.6))] == [Press.MUTE, Press.MUTE]


def test_a_touch_too_short_to_be_meant_is_nothing() -> None:
    assert press((1.0, 1.02)) == []


@given(st.lists(st.tuples(st.integers(1, 500), st.booleans()), max_size=60))
@settings(deadline=None)
def test_no_press_without_the_button_down(samples: list[tuple[int, bool]]) -> None:
    presses, now_ns, ever_down = Presses(), 0, False
    for wait_ms, down in samples:
        now_ns += wait_ms * 1_000_000
        ever_down = ever_down or down
        assert presses.feed(now_ns, down) is None or ever_down


def test_no_pin_is_no_button() -> None:
    with open_button(0, None) as button:
        assert button is None


def test_a_pin_taken_by_a_motor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    with (
        open_motors(Config().cue) as motors,
        pytest.raises(PartFailed, match="GPIO 18 cannot be read as a button"),
        open_button(18, motors.pin_factory),
    ):
        pass


@pytest.fixture
def pressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")

    def go(
        *presses_s: tuple[float, float], steps: list[list[Any]]
    ) -> tuple[int, list[ipc.Felt], list[dict[str, Any]]]:
        """Run the warden with the button pressed and let go at these times after the first judged frame."""
        notes, felt = tmp_path / "notes", []
        config = Config(warden=Warden(button_pin=17, mute_s=5.0))
        with open_motors(config.cue) as motors:
            pin = motors.pin_factory.pin(17)

            def hand() -> None:
                while not (notes.exists() and "sent_ns" in notes.read_text()):  # vision judges
                    time.sleep(0.02)
                began = time.monotonic()
                for down_s, up_s in presses_s:
                    time.sleep(max(0.0, began + down_s - time.monotonic()))
                    pin.drive_low()
                    time.sleep(max(0.0, began + up_s - time.monotonic()))
                    pin.drive_high()

            thread = threading.Thread(target=hand)
            thread.start()
            argv = [sys.executable, str(CHILD), json.dumps(steps), str(notes)]
            code = run_warden(config, argv, realtime=True, on_felt=felt.append, motors=motors)
            thread.join()
        return code, felt, [json.loads(line) for line in notes.read_text().splitlines()]

    return go


def test_a_short_press_mutes_caution_but_not_critical(pressed) -> None:
    steps = [["arm"], ["frames", 1.5, 0, "left", None, []], ["frames", 1.5, 2, "left", 1, []],
             ["frames", 0.5, 3, "left", 1, []], ["end", 0]]  # fmt: skip
    _, felt, _ = pressed((0.5, 0.6), steps=steps)
    assert [f.cue for f in felt if not f.repeat] == ["READY", "MUTED", "CRITICAL"]


def test_a_mute_asked_for_while_critical_lasts_is_felt_afterwards(pressed) -> None:
    steps = [["arm"], ["frames", 4.5, 3, "left", 1, []], ["frames", 1.0, 0, "left", None, []], ["end", 0]]
    _, felt, _ = pressed((0.2, 0.5), steps=steps)
    cues = [f.cue for f in felt]
    assert cues.index("MUTED") > max(i for i, cue in enumerate(cues) if cue == "CRITICAL")


def test_switched_off_is_felt_though_critical_never_ends(pressed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_FAREWELL_NS", 2 * NS_PER_S)
    code, felt, _ = pressed((0.3, 2.6), steps=[["arm"], ["frames", 60.0, 3, "left", 1, []]])
    assert code == EXIT_SWITCHED_OFF
    assert [f.cue for f in felt][-1] == "SHUTDOWN"


def test_a_double_press_reaches_vision_as_a_mark(pressed) -> None:
    steps = [["frames", 3.0, 0, "left", None, []], ["end", 0]]
    _, _, notes = pressed((0.4, 0.5), (0.65, 0.75), steps=steps)
    assert any(note.get("marks") == 1 for note in notes)


def test_a_long_press_is_felt_and_switches_off(pressed) -> None:
    code, felt, notes = pressed((0.5, 3.0), steps=[["arm"], ["until_stop"]])
    assert code == EXIT_SWITCHED_OFF
    assert [f.cue for f in felt][-1] == "SHUTDOWN"
    assert {"stopped": True} in notes
