"""Which device is used, and when nothing is heard on it."""

from __future__ import annotations

import socket
from datetime import datetime

import pytest

from rearguard import ipc
from rearguard.config.sound import Sound
from rearguard.errors import PartFailed
from rearguard.sound.device import find
from rearguard.sound.playing import quiet_now
from rearguard.types import CueName

DEVICES = [
    {"name": "mic", "max_output_channels": 0},
    {"name": "HDMI 0", "max_output_channels": 8},
    {"name": "USB Audio", "max_output_channels": 2},
    {"name": "USB", "max_output_channels": 2},
]


@pytest.mark.parametrize(
    ("wanted", "default", "number"),
    [("", 2, 2), ("", -1, 1), ("usb", 1, 3), ("audio", 1, 2), ("HDMI 0", 1, 1)],
)
def test_an_output_is_found_by_its_name_or_a_part_of_it(wanted: str, default: int, number: int) -> None:
    assert find(DEVICES, wanted, default)[0] == number


def test_an_output_that_is_not_there_is_one_line_that_lists_those_that_are() -> None:
    with pytest.raises(PartFailed, match=r"bose: no such sound output; there are: HDMI 0, USB Audio, USB$"):
        find(DEVICES, "bose", 1)
    with pytest.raises(PartFailed, match="plug one in"):
        find(DEVICES[:1], "", 0)


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("", "03:00", False),
        ("22:00-06:30", "23:00", True),
        ("22:00-06:30", "06:29", True),
        ("22:00-06:30", "06:30", False),
        ("22:00-06:30", "12:00", False),
        ("13:00-15:00", "13:00", True),
        ("13:00-15:00", "15:00", False),
    ],
)
def test_quiet_hours(hours: str, at: str, quiet: bool) -> None:
    now = datetime.fromisoformat(f"2026-11-29T{at}:00")
    assert quiet_now(Sound(quiet_hours=hours), now, synced=True) is quiet
    assert not quiet_now(Sound(quiet_hours=hours), now, synced=False)


def test_in_quiet_hours_only_critical_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    from rearguard.sound import playing
    from rearguard.sound.mixer import Mixer
    from rearguard.sound.speech import Speaker

    monkeypatch.setattr(playing, "clock_synced", lambda: True)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        night = Sound(quiet_hours="22:00-06:30")
        process = playing.Playing(night, ours, now=lambda: datetime.fromisoformat("2026-11-29T23:00:00"))
        heard = []
        for cue in (CueName.BLIND, CueName.CAUTION, CueName.CRITICAL):
            mixer = Mixer(48_000)
            process._begin(ipc.Heard(0, cue), mixer, Speaker(night, 48_000), 48_000)
            heard.append(mixer.busy)
    assert heard == [False, False, True]
