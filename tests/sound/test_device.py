"""Which device is used, and when nothing is heard on it."""

from __future__ import annotations

import socket
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rearguard import ipc
from rearguard.config.sound import Sound
from rearguard.errors import PartFailed
from rearguard.sound import device
from rearguard.sound.device import Output, find
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


CARDS = """ 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [Headset        ]: USB-Audio - USB Headset
                      A maker's USB headset at usb-0000
"""


def output(channels: int = 2) -> tuple[Output, list[bytes]]:
    """An output whose device takes everything at once."""
    taken: list[bytes] = []
    return Output(SimpleNamespace(write=taken.append, latency=0.03), "a device", 48_000, channels), taken


def test_a_device_that_takes_everything_at_once_does_not_make_us_run_ahead() -> None:
    out, taken = output()
    began = time.monotonic()
    while time.monotonic() - began < 0.3:
        out.write(np.zeros((480, 2), np.float32))
    assert len(taken) * 0.01 < time.monotonic() - began + 0.15


def test_one_channel_hears_both_sides_and_nothing_wraps_around() -> None:
    out, taken = output(channels=1)
    out.write(np.array([[0.5, 0.0], [0.0, 0.5], [2.0, 2.0], [-2.0, -2.0]], np.float32))
    assert np.frombuffer(taken[0], "<i2").tolist() == [8191, 8191, 32767, -32767]


def test_a_card_that_is_pulled_out_is_noticed_though_a_server_plays_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = tmp_path / "cards"
    cards.write_text(CARDS)
    monkeypatch.setattr(device, "_CARDS", cards)
    monkeypatch.setattr(device, "_LOOK_S", 0.0)
    out, _ = output()
    out.write(np.zeros((480, 2), np.float32))
    cards.write_text(CARDS + " 2 [More           ]: USB-Audio - another one\n")
    out.write(np.zeros((480, 2), np.float32))
    cards.write_text(CARDS[: CARDS.index(" 1 [")])
    with pytest.raises(PartFailed, match="a device: the sound card Headset, More is gone"):
        out.write(np.zeros((480, 2), np.float32))


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
