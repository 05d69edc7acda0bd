"""The sound process by itself: what it plays of what it is told, and what it says of its device."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sound_kit import Recording, recordings, speech, use_fake

from rearguard import ipc
from rearguard.config.sound import Sound
from rearguard.cue.table import CUES
from rearguard.types import CueName, Side

pytestmark = pytest.mark.timing

FULL = 0.0


class Process:
    """A sound process at work, and our end of its link."""

    def __init__(self, folder: Path, config: Sound) -> None:
        self.folder = folder
        self.link, theirs = ipc.pair()
        words = ["-m", "rearguard.sound", "--config", msgspec.json.encode(config).decode()]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *words, "--link-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stderr=subprocess.PIPE,
            )

    def wait_for(self, met: Callable[[ipc.Sounding], bool], most_s: float = 20.0) -> ipc.Sounding:
        ends = time.monotonic() + most_s
        while time.monotonic() < ends:
            for message in ipc.receive_from_sound(self.link) or []:
                if met(message):
                    return message
            time.sleep(0.01)
        raise AssertionError("it did not say so")

    def ready(self) -> Process:
        self.wait_for(lambda m: not m.lost)
        return self

    def hear(
        self, cue: CueName | None, side: Side = Side.CENTRE, say: tuple[str, ...] = (), age_s: float = 0.0
    ) -> int:
        now_ns = time.monotonic_ns()
        ipc.send(self.link, ipc.Heard(now_ns - round(age_s * 1e9), cue, side, say))
        return now_ns

    @property
    def played(self) -> Recording:
        return recordings(self.folder)[-1]

    def end(self) -> str:
        self.link.close()
        _, errors = self.process.communicate(timeout=20)
        return errors.decode()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Process]]:
    folder = use_fake(monkeypatch, tmp_path / "device")
    started: list[Process] = []

    def go(**settings) -> Process:
        started.append(Process(folder, Sound(**{"enabled": True, "volume_db": FULL, **settings})))
        return started[-1]

    yield go
    for one in started:
        one.link.close()
        one.process.kill()
        one.process.communicate()


def test_it_plays_what_it_is_told_and_leaves_with_the_warden(start) -> None:
    process = start().ready()
    told_ns = process.hear(CueName.CAUTION, Side.RIGHT)
    time.sleep(1.2)
    assert process.end() == ""
    assert process.process.returncode == 0
    heard = process.played.between(told_ns, told_ns + 10**9)
    assert heard[:, 1].max() > 2.5 * heard[:, 0].max() > 0
    sounds_s = np.count_nonzero(np.abs(heard[:, 1]) > 0.002) / process.played.rate_hz
    assert sounds_s == pytest.approx(CUES[CueName.CAUTION].on_s, rel=0.3)


def test_it_is_hushed_and_does_not_play_what_comes_late(start) -> None:
    process = start().ready()
    told_ns = process.hear(CueName.BLIND)
    time.sleep(0.3)
    process.hear(None)
    time.sleep(0.5)
    process.hear(CueName.CRITICAL, age_s=2.0)
    time.sleep(0.5)
    heard = process.played
    assert heard.between(told_ns, told_ns + 300_000_000).any()
    assert not heard.between(told_ns + 700_000_000, told_ns + 1_300_000_000).any()


def test_volume_is_in_decibels(start) -> None:
    loud = []
    for volume_db in (0.0, -20.0):
        process = start(volume_db=volume_db).ready()
        process.hear(CueName.FAULT)
        time.sleep(0.8)
        process.end()
        loud.append(np.abs(process.played.samples).max())
    assert 20 * np.log10(loud[0] / loud[1]) == pytest.approx(20, abs=1)


def test_words_follow_the_cue(start, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.mkdir()
    speech(words / "camera_lost.wav", 0.5)
    process = start(words="recorded", words_folder=str(words)).ready()
    told_ns = process.hear(CueName.DEGRADED, say=("camera_lost",))
    time.sleep(1.8)
    length_ns = round(CUES[CueName.DEGRADED].length_s * 1e9)
    said = process.played.between(told_ns + length_ns + 100_000_000, told_ns + length_ns + 400_000_000)
    assert np.abs(said).max() > 0.1


def test_a_device_that_comes_back_is_used_again(start) -> None:
    process = start().ready()
    (process.folder / "lost").touch()
    said = process.wait_for(lambda m: bool(m.lost))
    assert said.lost.startswith("USB headset: Audio (hw:1,0): Unanticipated host error")
    (process.folder / "lost").unlink()
    process.ready()
    assert len(recordings(process.folder)) == 2


def test_a_rate_that_the_device_does_not_know_is_its_own(start) -> None:
    process = start(device="HDMI").ready()
    told_ns = process.hear(CueName.NOTICE)
    time.sleep(0.5)
    assert process.played.rate_hz == 44_100
    assert process.played.between(told_ns, told_ns + 500_000_000).any()


def test_without_portaudio_it_says_what_to_install(start, tmp_path: Path) -> None:
    (tmp_path / "device" / "absent").touch()
    process = start()
    said = process.wait_for(lambda m: bool(m.lost))
    assert "apt install python3-sounddevice" in said.lost
