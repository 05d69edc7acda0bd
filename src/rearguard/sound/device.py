"""The sound device: PortAudio through sounddevice, which is imported only here and only when sound is on.

    with open_output(config.sound) as output:
        output.write(samples)       # waits until the device has room: the device sets the pace

Blocking writes, no callback: who writes learns at once that a device is gone, and falls silent when it hangs. A
callback would also need memory that is writable and executable, which the service forbids.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rearguard.config.sound import Sound
from rearguard.errors import PartFailed
from rearguard.sound.synthesis import Samples
from rearguard.text import one_line

# What is written at a time: a cue waits for at most this before its first sample is in the buffer.
BLOCK_S = 0.01
RATE_HZ = 48_000  # what USB and HDMI devices, PipeWire and Bluetooth's newer codecs run at
# PipeWire moves a stream to another output when its own is gone, a Bluetooth headset out of battery for example, and
# nobody hears of it. It is to fail instead.
_SERVERS = {"PIPEWIRE_ALSA": "{ node.dont-reconnect = true }"}
_CARDS = Path("/proc/asound/cards")
_LOOK_S = 0.5
_NO_WAIT_S = 0.001
_AHEAD_S = 0.1
INSTALL = (
    "sounddevice or PortAudio is not installed; apt install python3-sounddevice, or libportaudio2 and "
    "pip install 'rearguard[sound]'"
)


class Output:
    """An open device. `write` raises `PartFailed` when it is gone."""

    def __init__(self, stream: Any, name: str, rate_hz: int, channels: int) -> None:
        self._stream, self._channels = stream, channels
        self.name, self.rate_hz = name, rate_hz
        self.block = round(BLOCK_S * rate_hz)
        self._cards = _cards()
        self._looked = self._since = time.monotonic()
        self._written = 0

    @property
    def latency_s(self) -> float:
        """How long a sample is on its way, as the device says."""
        return float(self._stream.latency)

    def write(self, samples: Samples) -> None:
        """Hand over samples, (count, 2); waits for room."""
        heard = samples if self._channels == 2 else samples.mean(axis=1, keepdims=True)
        data = (np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes()
        began = time.monotonic()
        try:
            self._stream.write(data)
        except Exception as e:  # PortAudioError; a module's own, where somebody wraps it
            raise PartFailed(f"{self.name}: {one_line(e)}") from e
        self._keep_pace(began, len(samples))
        self._look_at_cards()

    def _keep_pace(self, began: float, count: int) -> None:
        """A device that takes everything at once, as ALSA's null does, must not make us run ahead."""
        now = time.monotonic()
        self._written += count
        if now - began > _NO_WAIT_S:
            self._since, self._written = now, 0
        ahead_s = self._written / self.rate_hz - (now - self._since)
        if ahead_s > _AHEAD_S:
            time.sleep(ahead_s - _AHEAD_S)

    def _look_at_cards(self) -> None:
        """A sound server may move us to another output when ours is unplugged, and say nothing; the kernel does."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        gone = self._cards - (there := _cards())
        if gone:
            raise PartFailed(f"{self.name}: the sound card {', '.join(sorted(gone))} is gone")
        self._cards = there


@contextmanager
def open_output(config: Sound) -> Iterator[Output]:
    """The configured device, playing. Raises `PartFailed` when there is none, or it cannot be opened."""
    for name, value in _SERVERS.items():
        os.environ.setdefault(name, value)
    sd = _sounddevice()
    try:
        with suppress(Exception):  # it is not running, if it could not be started the last time
            sd._terminate()
        sd._initialize()  # PortAudio lists devices when it starts, and only then
        number, about = find(sd.query_devices(), config.device, sd.default.device[1])
        name, channels = str(about["name"]), min(2, int(about["max_output_channels"]))
        stream, rate_hz = _open(sd, config, number, channels, float(about["default_samplerate"]))
    except PartFailed:
        raise
    except Exception as e:
        raise PartFailed(f"{config.device or 'the default output'}: cannot be opened: {one_line(e)}") from e
    try:
        yield Output(stream, name, rate_hz, channels)
    finally:
        with suppress(Exception):
            stream.close(ignore_errors=True)


def _open(sd: Any, config: Sound, number: int, channels: int, own_rate_hz: float) -> tuple[Any, int]:
    """A running stream at our rate or, where the device knows no other, its own."""
    for rate_hz in (RATE_HZ, round(own_rate_hz)):
        try:
            stream = sd.RawOutputStream(
                samplerate=rate_hz, device=number, channels=channels, dtype="int16", latency=config.latency_s
            )
            break
        except sd.PortAudioError:
            if rate_hz == round(own_rate_hz):
                raise
    stream.start()
    return stream, rate_hz


def find(devices: Any, wanted: str, default: int) -> tuple[int, dict[str, Any]]:
    """Number and properties of the output that `wanted` names, wholly before partly. Raises `PartFailed`."""
    outputs = [(i, d) for i, d in enumerate(devices) if d["max_output_channels"] > 0]
    if not outputs:
        raise PartFailed("there is no sound output; plug one in")
    word = wanted.lower()
    if not wanted:
        return next(((i, d) for i, d in outputs if i == default), outputs[0])
    whole = [(i, d) for i, d in outputs if d["name"].lower() == word]
    part = [(i, d) for i, d in outputs if word in d["name"].lower()]
    if not part:
        names = ", ".join(str(d["name"]) for _, d in outputs)
        raise PartFailed(f"{wanted}: no such sound output; there are: {names}")
    return (whole or part)[0]


def output_names() -> list[str]:
    """Every output there is. Raises `PartFailed` when there is no PortAudio."""
    return [str(d["name"]) for d in _sounddevice().query_devices() if d["max_output_channels"] > 0]


def _sounddevice() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as e:  # OSError: without the PortAudio library
        raise PartFailed(INSTALL) from e
    return sounddevice


def _cards() -> frozenset[str]:
    """The names of the kernel's sound cards."""
    try:
        lines = _CARDS.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line.split("[", 1)[1].split("]")[0].strip() for line in lines if "[" in line)


def quiet_native_stderr() -> None:
    """Keep what ALSA and PortAudio print for themselves out of the terminal; Python's own stderr stays."""
    with suppress(OSError, ValueError, AttributeError):
        ours = os.dup(2)
        sys.stderr = os.fdopen(ours, "w", buffering=1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
