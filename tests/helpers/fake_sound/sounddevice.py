"""A stand-in for sounddevice: one output that takes samples at its own pace and writes down what it played, and when.

What happens is said by files in the folder $FAKE_SOUND:

    lost    the device is gone: writing and opening raise, as PortAudio does
    hung    writing never returns, as with a sound server that is stopped
    stuck   opening never returns
    absent  this module cannot be imported

`played.jsonl` there has one line for each stream: {"start_ns": CLOCK_MONOTONIC of its first sample, "raw": FILE}.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

FOLDER = Path(os.environ["FAKE_SOUND"])
if (FOLDER / "absent").exists():
    raise OSError("PortAudio library not found")

LATENCY_S = 0.03
default = SimpleNamespace(device=[-1, 1])


class PortAudioError(Exception):
    pass


def _initialize() -> None:
    pass


def _terminate() -> None:
    pass


def query_devices() -> list[dict[str, object]]:
    while (FOLDER / "stuck").exists():
        time.sleep(0.01)
    names = [] if (FOLDER / "lost").exists() else ["a microphone", "USB headset: Audio (hw:1,0)", "hdmi"]
    return [
        {"name": name, "max_output_channels": 2 * (name != "a microphone"), "default_samplerate": 44100.0}
        for name in names
    ]


class RawOutputStream:
    """Takes samples into a buffer of `latency` seconds, and waits when that is full."""

    def __init__(self, samplerate: int, device: int, channels: int, dtype: str, latency: float) -> None:
        assert dtype == "int16"
        if samplerate == 48000 and device == 2:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self._rate, self._channels, self.latency = samplerate, channels, latency
        self._written = 0

    def start(self) -> None:
        name = f"{time.monotonic_ns()}.raw"
        self._file = (FOLDER / name).open("wb", buffering=0)
        self._start = time.monotonic()
        with (FOLDER / "played.jsonl").open("a") as file:
            start_ns = round(self._start * 1e9)
            file.write(json.dumps({"start_ns": start_ns, "raw": name, "rate_hz": self._rate}) + "\n")

    def write(self, data: bytes) -> bool:
        while (FOLDER / "hung").exists():
            time.sleep(0.01)
        if (FOLDER / "lost").exists():
            raise PortAudioError(
                "Unanticipated host error [PaErrorCode -9999]: 'No such device' [ALSA error -19]"
            )
        count = len(data) // 2 // self._channels
        # Full when `latency` ahead of what has been played; an empty one begins anew, now.
        while (ahead := self._written / self._rate - (time.monotonic() - self._start)) > self.latency:
            time.sleep(min(0.002, ahead - self.latency))
        late = -ahead
        if late > 0:  # an underrun: silence was played meanwhile
            gap = round(late * self._rate)
            self._file.write(bytes(gap * 2 * self._channels))
            self._written += gap
        self._file.write(data)
        self._written += count
        return late > 0

    def close(self, ignore_errors: bool = True) -> None:  # noqa: ARG002
        self._file.close()
