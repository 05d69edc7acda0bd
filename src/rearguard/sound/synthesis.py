"""A cue's samples, made of its pulses (`cue/table.py`) and its tone (`tones.py`): stereo, 1 is full scale.

sound = render(CUES[CueName.CAUTION], Side.LEFT, 48000)     # (samples, 2)
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from rearguard.cue.table import CueRow, Pulse
from rearguard.sound.tones import TONES, Tone
from rearguard.types import Side

Samples = npt.NDArray[np.float32]

PEAK = 10 ** (-1 / 20)  # no sample is larger: a decibel of room for converters that interpolate
SOFT_DB = -6.0  # a soft pulse beside a strong one
# Within these a tone comes and goes, so that it does not click; short beside the 80 ms of the shortest pulse.
ATTACK_S, RELEASE_S = 0.004, 0.012
# From the side: the far ear hears it weaker and later. The head's own values for sound from 90° (Blauert, Spatial
# Hearing, 2.4); both, because bone conduction blurs the level and high tones the time.
FAR_EAR_DB, FAR_EAR_LATE_S = -15.0, 0.00065


@cache
def render(row: CueRow, side: Side, rate_hz: int) -> Samples:
    """The whole cue, its silences included, as it is heard when it belongs to `side`."""
    tone = TONES[row.name]
    length = round(row.length_s * rate_hz)
    sound = np.zeros((length + round(FAR_EAR_LATE_S * rate_hz) + 1, 2), np.float32)
    begins_s = 0.0
    for number, pulse in enumerate(row.pattern):
        where = side if row.sided else _swept(row, number)
        heard = to_ears(_pulse(tone, pulse, number, rate_hz), where, rate_hz)
        first = round(begins_s * rate_hz)
        sound[first : first + len(heard)] += heard[: len(sound) - first]
        begins_s += pulse.on_s + pulse.off_s
    sound.setflags(write=False)
    return sound


def _swept(row: CueRow, number: int) -> Side:
    """Where a pulse of a sweep is heard: its pulses but the last go from left to right, as on the motors."""
    if not row.sweep or number == len(row.pattern) - 1:
        return Side.CENTRE
    return list(Side)[number * len(Side) // (len(row.pattern) - 1)]


def to_ears(mono: Samples, side: Side, rate_hz: int) -> Samples:
    """One channel as it is heard from a side: (samples, 2), left first."""
    late = round(FAR_EAR_LATE_S * rate_hz)
    if side is Side.CENTRE:
        return np.repeat(mono[:, None], 2, axis=1)
    near, far = (0, 1) if side is Side.LEFT else (1, 0)
    heard = np.zeros((len(mono) + late, 2), np.float32)
    heard[: len(mono), near] = mono
    heard[late:, far] = mono * np.float32(10 ** (FAR_EAR_DB / 20))
    return heard


def _pulse(tone: Tone, pulse: Pulse, number: int, rate_hz: int) -> Samples:
    """One pulse of a cue, the `number`-th of its pattern."""
    count = round(pulse.on_s * rate_hz)
    t = np.arange(count) / rate_hz
    f0 = tone.f0_hz * tone.step**number
    # The frequency glides exponentially; the phase is its integral.
    bend = np.log(tone.glide) / pulse.on_s
    turns = f0 * t if bend == 0 else f0 * np.expm1(bend * t) / bend
    wave = np.zeros(count)
    for k, (multiple, share) in enumerate(tone.partials):
        # Phases that keep partials from peaking together (Schroeder 1970, IEEE Trans Inf Theory 16:85).
        wave += share * np.sin(2 * np.pi * multiple * turns - np.pi * k**2 / len(tone.partials))
    if tone.rough_hz:
        wave *= 1 - 0.8 * (0.5 + 0.5 * np.cos(2 * np.pi * tone.rough_hz * t + np.pi))
    wave *= envelope(count, rate_hz)
    level = 10 ** ((tone.level_db + (SOFT_DB if pulse.soft else 0.0)) / 20)
    return levelled(wave, level)


def envelope(count: int, rate_hz: int) -> npt.NDArray[np.float64]:
    """Rises and falls within milliseconds, without a corner that would click."""
    shape = np.ones(count)
    up, down = min(count // 2, round(ATTACK_S * rate_hz)), min(count // 2, round(RELEASE_S * rate_hz))
    shape[:up] = 0.5 - 0.5 * np.cos(np.pi * np.arange(up) / up)
    shape[count - down :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(down) / down)
    return shape


def levelled(wave: npt.NDArray[np.float64], level: float) -> Samples:
    """`wave` with this root mean square, or less where its peaks would be too high."""
    rms, peak = float(np.sqrt(np.mean(wave**2))), float(np.abs(wave).max())
    if not rms:
        return wave.astype(np.float32)
    return (wave * min(level / rms, PEAK / peak)).astype(np.float32)
