"""Words: spoken by espeak-ng where there is one, or somebody's recordings; whatever the files hold."""

from __future__ import annotations

import io
import shutil
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from sound_kit import speech

from rearguard.config.sound import Sound
from rearguard.errors import BadInput
from rearguard.sound.speech import PHRASES, Speaker, _read, file_name, speak, speaks
from rearguard.types import CueName, Fault

RATE = 48_000
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng")


def said(config: Sound, key: str) -> np.ndarray:
    words = speak(config, key, RATE)
    assert words is not None
    return words


def test_every_fault_and_cue_has_words() -> None:
    assert set(PHRASES) == set(Fault) | set(CueName)
    assert all(PHRASES.values())


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(22_050, 2, 1), (44_100, 2, 2), (8_000, 1, 1), (96_000, 4, 2)]
)
def test_a_recording_is_heard_at_its_own_speed_and_our_level(
    tmp_path: Path, rate: int, width: int, channels: int
) -> None:
    speech(tmp_path / file_name("camera_lost"), 0.5, rate, width, channels)
    words = said(Sound(words="recorded", words_folder=str(tmp_path)), "camera_lost")
    assert len(words) / RATE == pytest.approx(0.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(words[:, 0]))
    assert np.fft.rfftfreq(len(words), 1 / RATE)[spectrum.argmax()] == pytest.approx(500, abs=5)
    assert 20 * np.log10(np.sqrt(np.mean(words[:, 0] ** 2))) == pytest.approx(-16, abs=0.5)
    assert np.array_equal(words[:, 0], words[:, 1])


def test_what_was_not_recorded_is_not_said(tmp_path: Path) -> None:
    speech(tmp_path / file_name("CRITICAL"))
    config = Sound(words="recorded", words_folder=str(tmp_path))
    assert speak(config, "camera_lost", RATE) is None
    assert speak(config, "no such word", RATE) is None
    assert speak(Sound(), "camera_lost", RATE) is None
    assert (tmp_path / "critical.wav").exists()
    assert speaks(config) is None


@pytest.mark.parametrize("content", [b"", b"no sound " * 20, b"RIFF\x24\0\0\0WAVEfmt "])
def test_a_file_that_is_no_recording_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hot.wav").write_bytes(content)
    with pytest.raises(BadInput, match=r"hot\.wav: not a WAV file") as e:
        speak(Sound(words="recorded", words_folder=str(tmp_path)), "hot", RATE)
    assert "\n" not in str(e.value)


def test_an_odd_format_or_an_empty_recording_is_one_line(tmp_path: Path) -> None:
    speech(tmp_path / "hot.wav", width=3)
    speech(tmp_path / "dim.wav", seconds=0.0)
    for key, held in (("hot", "24 bit at 22050 Hz"), ("dim", "no samples")):
        with pytest.raises(BadInput, match=held):
            speak(Sound(words="recorded", words_folder=str(tmp_path)), key, RATE)


def test_a_recording_that_goes_on_for_ever_is_cut(tmp_path: Path) -> None:
    speech(tmp_path / "hot.wav", seconds=40.0, rate=8000)
    assert len(said(Sound(words="recorded", words_folder=str(tmp_path)), "hot")) <= 20.1 * RATE


def test_why_nothing_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such folder" in str(speaks(Sound(words="recorded", words_folder=str(tmp_path / "x"))))
    assert "such as camera_lost.wav" in str(speaks(Sound(words="recorded", words_folder=str(tmp_path))))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install espeak-ng" in str(speaks(Sound(words="espeak")))
    assert speaks(Sound()) is None


@needs_espeak
def test_espeak_says_a_fault_in_a_few_seconds_of_sound() -> None:
    words = said(Sound(words="espeak"), "camera_lost")
    assert 0.5 < len(words) / RATE < 5
    assert 0.1 < np.abs(words).max() < 0.9


def made(speaker: Speaker, most_s: float = 10.0) -> list[object]:
    ends = time.monotonic() + most_s
    while not (found := speaker.ready()) and time.monotonic() < ends:
        time.sleep(0.01)
    return list(found)


def test_words_that_were_dropped_are_not_said(tmp_path: Path) -> None:
    for name in ("hot", "dim"):
        speech(tmp_path / f"{name}.wav")
    speaker = Speaker(Sound(words="recorded", words_folder=str(tmp_path)), RATE)
    speaker.ask(("hot", "hot"))
    speaker.drop()
    speaker.ask(("dim",))
    assert len(made(speaker)) == 1
    time.sleep(0.1)
    assert not speaker.ready()


def test_a_missing_espeak_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    speaker = Speaker(Sound(words="espeak"), RATE)
    for _ in range(2):
        speaker.ask(("hot",))
    assert made(speaker) == ["espeak-ng is not installed; apt install espeak-ng"]
    speaker.ask(("dim",))
    time.sleep(0.2)
    assert speaker.ready() == []


def test_a_wav_of_unknown_length_is_read_to_its_end() -> None:
    """espeak-ng writes its header before it knows how long it will speak."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(np.full(2205, 1000, "<i2").tobytes())
    data = bytearray(buffer.getvalue())
    data[4:8] = data[40:44] = (0x7FFFF000).to_bytes(4, "little")
    assert len(_read(io.BytesIO(bytes(data)), "espeak-ng", RATE)) == pytest.approx(4800, abs=2)
