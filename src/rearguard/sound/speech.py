"""Spoken words: what is said of a fault or a cue, spoken by espeak-ng or read from somebody's recordings.

A thread of its own makes them, for either takes longer than a block of samples lasts.
"""

from __future__ import annotations

import io
import queue
import shutil
import subprocess
import threading
import wave
from pathlib import Path
from typing import IO

import numpy as np

from rearguard.config.sound import Sound
from rearguard.cue.table import CUES, FAULTS
from rearguard.errors import BadInput, PartFailed
from rearguard.sound.synthesis import Samples, levelled, to_ears
from rearguard.text import one_line
from rearguard.types import Side

PHRASES: dict[str, str] = {
    **{fault.value: row.meaning for fault, row in FAULTS.items()},
    **{cue.value: f"{cue.value.replace('_', ' ').lower()}. {row.meaning}" for cue, row in CUES.items()},
}
ESPEAK = "espeak-ng"
_WORDS_A_MINUTE = 165  # espeak-ng's own 175 is hard to follow out of breath
_ESPEAK_S = 3.0
_LEVEL_DB = -16.0
_LONGEST_S = 20.0
_WIDTHS = {1: ("u1", 128, 128.0), 2: ("<i2", 0, 32768.0), 4: ("<i4", 0, 2147483648.0)}


def speaks(config: Sound) -> str | None:
    """Why nothing can be said with these settings, as one line with the way out; None if it can."""
    if config.words == "espeak" and shutil.which(ESPEAK) is None:
        return f"{ESPEAK} is not installed; apt install {ESPEAK}"
    if config.words == "recorded":
        folder = Path(config.words_folder).expanduser()
        if not folder.is_dir():
            return f"{folder}: no such folder; sound.words_folder names where the WAV files are"
        if not any((folder / file_name(key)).is_file() for key in PHRASES):
            return f"{folder}: no words; name WAV files after faults and cues, such as {file_name('camera_lost')}"
    return None


def file_name(key: str) -> str:
    """The recording of a fault's or cue's words."""
    return f"{key.lower()}.wav"


def speak(config: Sound, key: str, rate_hz: int) -> Samples | None:
    """The words for a fault or cue; None where there are none. Raises `RearguardError`, one line."""
    if config.words == "none" or key not in PHRASES:
        return None
    if config.words == "espeak":
        return _read(io.BytesIO(_espeak(PHRASES[key])), ESPEAK, rate_hz)
    path = Path(config.words_folder).expanduser() / file_name(key)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return _read(file, str(path), rate_hz)


def _espeak(text: str) -> bytes:
    try:
        spoken = subprocess.run(
            [ESPEAK, "-v", "en", "-s", str(_WORDS_A_MINUTE), "--stdout", text],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_ESPEAK_S, check=True,
        )  # fmt: skip
    except FileNotFoundError as e:
        raise PartFailed(f"{ESPEAK} is not installed; apt install {ESPEAK}") from e
    except (OSError, subprocess.SubprocessError) as e:
        raise PartFailed(f"{ESPEAK} does not speak: {e}") from e
    return spoken.stdout


def _read(file: IO[bytes], name: str, rate_hz: int) -> Samples:
    """A WAV file, at our rate and level, to both ears. Raises `BadInput`."""
    try:
        with wave.open(file) as opened:
            channels, width, rate = opened.getnchannels(), opened.getsampwidth(), opened.getframerate()
            known = width in _WIDTHS and 8000 <= rate <= 192_000
            data = opened.readframes(min(opened.getnframes(), round(_LONGEST_S * rate))) if known else b""
    except (wave.Error, EOFError, ValueError, RuntimeError, OSError) as e:
        raise BadInput(f"{name}: not a WAV file that can be read: {e or 'cut short'}") from e
    whole = len(data) - len(data) % (width * channels)
    if not whole:
        held = "no samples" if known else f"{8 * width} bit at {rate} Hz"
        raise BadInput(f"{name}: {held}; 16 bit from 8000 Hz on is read")
    kind, zero, full = _WIDTHS[width]
    mono = (np.frombuffer(data[:whole], kind).reshape(-1, channels).mean(axis=1) - zero) / full
    count = round(len(mono) * rate_hz / rate)
    even = np.interp(np.arange(count) * rate / rate_hz, np.arange(len(mono)), mono)
    return to_ears(levelled(even, 10 ** (_LEVEL_DB / 20)), Side.CENTRE, rate_hz)


class Speaker:
    """Makes words in a thread: `ask` for them, `ready` has those that were made since, unless they were dropped."""

    def __init__(self, config: Sound, rate_hz: int) -> None:
        self._config, self._rate_hz = config, rate_hz
        self._asked: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[int, Samples | str]] = queue.SimpleQueue()
        self._turn = 0
        self._told = False
        if config.words != "none":
            threading.Thread(target=self._run, name="words", daemon=True).start()

    def ask(self, keys: tuple[str, ...]) -> None:
        """Make these words."""
        for key in keys:
            self._asked.put((self._turn, key))

    def drop(self) -> None:
        """Words asked for until now are not wanted any more."""
        self._turn += 1

    def ready(self) -> list[Samples | str]:
        """Words to be heard; or, once, one line that says why there are none."""
        found: list[Samples | str] = []
        while not self._made.empty():
            turn, words = self._made.get()
            if isinstance(words, str):
                found += [words] if not self._told else []
                self._told = True
            elif turn == self._turn:
                found.append(words)
        return found

    def _run(self) -> None:
        while True:
            turn, key = self._asked.get()
            if turn != self._turn:
                continue
            try:
                words = speak(self._config, key, self._rate_hz)
            except Exception as e:  # no words are no reason to fall silent
                self._made.put((turn, one_line(e)))
                continue
            if words is not None:
                self._made.put((turn, words))
