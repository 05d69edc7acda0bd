"""What `--show` draws in the terminal: the picture, who is near and how much time is left, and what the motors do."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from rearguard.types import (
    Box,
    EgoMotion,
    Frame,
    Level,
    Observation,
    Reason,
    ReasonCode,
    Side,
    Threat,
    Verdict,
)
from rearguard.vision.live_view import LastFelt, Screen, draw_boxes
from rearguard.vision.pipeline import FrameResult

BOX = Box(40, 20, 80, 120)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def judged(level: Level, ttc_s: float | None) -> FrameResult:
    reason = Reason(code=ReasonCode.SOON, ttc_s=ttc_s, range_m=None if ttc_s is None else 4.2)
    threat = Threat(7, "person", "detected", level, Side.LEFT, BOX, reason)
    frame = Frame(11, 0, np.full((180, 320, 3), 90, np.uint8))
    seen = Observation(11, 0, (), EgoMotion())
    return FrameResult(frame, seen, (), Verdict(11, 0, level, Side.LEFT, (threat,)), {"detect": 0.025})


def shown(monkeypatch: pytest.MonkeyPatch, step: FrameResult, felt: LastFelt | None) -> str:
    """The text that one step leaves on a terminal of 100 columns."""
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    with Screen("film.mp4", 40) as screen:
        screen.show(step, 3.0, felt)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_who_is_near_and_how_much_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, judged(Level.CRITICAL, 1.4), LastFelt("CRITICAL", "left", 2.8))
    assert re.search(r"film\.mp4 +3\.0 s +frame 12/40 +25 ms +CRITICAL", text)
    assert re.search(r"#7 person +1\.4s █+ +4\.2 m left", text)
    assert "CRITICAL (left) at 2.8 s" in text
    assert "▀" in text, "the picture itself"


def test_the_bar_is_the_shorter_the_less_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = (shown(monkeypatch, judged(Level.NOTICE, left_s), None).count("█") for left_s in (4.0, 1.0))
    assert long == pytest.approx(4 * short, rel=0.1)


def test_a_thing_of_unknown_time_has_no_time_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(r"#7 person +–", shown(monkeypatch, judged(Level.CLEAR, None), None))


def test_a_more_urgent_thing_is_boxed_in_another_colour() -> None:
    steps = [judged(level, 2.0) for level in (Level.NOTICE, Level.CRITICAL)]
    notice, critical = (tuple(draw_boxes(step)[60, int(BOX.x0)]) for step in steps)
    assert notice != critical
    assert all((step.frame.image == 90).all() for step in steps), "what is judged and stored stays as it was"
