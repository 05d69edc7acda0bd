"""What was heard: recordings of the stand-in for sounddevice, and where sounds begin in them."""

from __future__ import annotations

import bisect
import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FAKE = Path(__file__).with_name("fake_sound")


def use_fake(monkeypatch, folder: Path) -> Path:
    """Let every sound process from now on play on the stand-in. Returns the folder that controls it."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("FAKE_SOUND", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKE), os.environ.get("PYTHONPATH", "")]))
    return folder


@dataclass
class Recording:
    """`samples` is (count, 2), 1 is full scale; `start_ns` is CLOCK_MONOTONIC of the first.

    A recorder that leaves out what it is too late for has no such line in time: `arrivals` then has, for each part that
    came at once, how many samples there were with it and when it came.
    """

    samples: npt.NDArray[np.float64]
    start_ns: int
    rate_hz: int
    arrivals: tuple[tuple[int, int], ...] = ()

    def time_ns(self, index: int) -> int:
        """When this sample was played, or the latest it can have been."""
        if not self.arrivals:
            return self.start_ns + index * 10**9 // self.rate_hz
        count, came_ns = self.arrivals[bisect.bisect_right(self.arrivals, index, key=lambda part: part[0])]
        return came_ns - (count - index) * 10**9 // self.rate_hz

    def onsets_ns(self, gap_s: float = 0.3, threshold: float = 0.005) -> list[int]:
        """When something begins to be heard after at least `gap_s` of silence."""
        loud = np.flatnonzero(np.abs(self.samples).max(axis=1) > threshold)
        if not len(loud):
            return []
        first = np.flatnonzero(np.diff(loud, prepend=-(10**9)) > gap_s * self.rate_hz)
        return [self.time_ns(int(at)) for at in loud[first]]

    def between(self, begin_ns: int, end_ns: int) -> npt.NDArray[np.float64]:
        first, last = (
            bisect.bisect_left(range(len(self.samples)), at, key=self.time_ns) for at in (begin_ns, end_ns)
        )
        return self.samples[first:last]


def recordings(folder: Path) -> list[Recording]:
    """Everything that the stand-in played, a recording for each time it was opened."""
    found = []
    lines = (folder / "played.jsonl").read_text().splitlines() if (folder / "played.jsonl").exists() else []
    for line in lines:
        note = json.loads(line)
        raw = np.frombuffer((folder / note["raw"]).read_bytes(), "<i2")
        samples = raw[: len(raw) // 2 * 2].reshape(-1, 2) / 32768
        found.append(Recording(samples, note["start_ns"], note["rate_hz"]))
    return found


def speech(path: Path, seconds: float = 0.5, rate: int = 22_050, width: int = 2, channels: int = 1) -> Path:
    """A WAV file of a quiet tone of 500 Hz, in place of a voice."""
    t = np.arange(round(seconds * rate)) / rate
    tone = 0.05 * np.sin(2 * np.pi * 500 * t)
    kinds = {1: (128, 127, "u1"), 2: (0, 32767, "<i2"), 4: (0, 2**31 - 1, "<i4"), 3: (0, 0, "")}
    zero, full, kind = kinds[width]
    data = bytes(3 * len(t)) if width == 3 else (zero + full * tone).astype(kind).repeat(channels).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path
