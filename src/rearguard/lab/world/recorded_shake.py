"""How bodies really shook a camera: gyroscopes recorded while somebody ran or walked, played back as a gait.

Two kinds of file are read, found by name in the folder of `--photos`: `gyro_log*.txt` (rows of a clock in microseconds
and rad/s about the device's x, y, z) of somebody running, and a GoPro's MP4 (the GYRO stream of its GPMF telemetry) of
somebody walking. Slow turns, which are where the person looked and went, are taken out: what is left is the shake.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from rearguard.lab.array import Array
from rearguard.lab.world.gait import Gait, Shake
from rearguard.sense.gpmf import MOST_RAD_S, payloads, spread

SHAKES = ("**/gyro_log*.txt", "**/*.[mM][pP]4")  # of running, of walking
RATE_HZ = 200.0  # of what is kept; gaits have nothing beyond 20 Hz
_SLOW_S = 2.0  # turns slower than this belong to the way, not to the gait
_RUNS_FROM_M_S = 2.0  # about where walking turns into running
_LEAST_S, _MOST_S = 3.0, 600.0
_MOST_BYTES = 20_000_000
_MOST_PAYLOADS = 4000


@dataclass(frozen=True, slots=True)
class Recorded:
    """Angles (N, 3) yaw, pitch, roll in radians at `RATE_HZ`, about where the person went."""

    angles: Array


class RecordedGait(Gait):
    """A gait whose turns were recorded; its bob and its ripple, which no gyroscope tells, are those of `Gait`."""

    def __init__(self, running: Recorded | None, walking: Recorded | None, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._running, self._walking = running, walking
        self._from_s = float(np.random.default_rng([seed, 0x6790]).uniform(0, 60))

    def shake(self, t_s: Array, steps: Array, speed_m_s: Array) -> Shake:
        """As `Gait.shake`. From 2 m/s on it is the runner's; who stands does not shake, and none shakes more than was
        recorded.
        """
        drawn = super().shake(t_s, steps, speed_m_s)
        runs = speed_m_s >= _RUNS_FROM_M_S
        running, walking = self._running or self._walking, self._walking or self._running
        assert running is not None
        assert walking is not None
        angles = np.where(runs[:, None], self._at(running, t_s), self._at(walking, t_s))
        angles *= np.minimum(speed_m_s, 1.0)[:, None]
        return replace(drawn, yaw_rad=angles[:, 0], pitch_rad=angles[:, 1], roll_rad=angles[:, 2])

    def _at(self, recorded: Recorded, t_s: Array) -> Array:
        """The angles at any time: forwards, backwards, forwards again, so that no seam jumps."""
        last = len(recorded.angles) - 1
        place = (t_s + self._from_s) * RATE_HZ % (2 * last)
        place = np.where(place > last, 2 * last - place, place)
        columns = [np.interp(place, np.arange(last + 1), c) for c in recorded.angles.T]
        return np.stack(columns, axis=1)


@lru_cache(maxsize=2)
def recorded_shakes(folder: str) -> tuple[Recorded | None, Recorded | None]:
    """(running, walking) of the first usable file of each kind; None where there is none."""
    root = Path(folder)
    running = (_kept(_log(p)) for p in sorted(root.glob(SHAKES[0]))[:10])
    walking = (_kept(_gopro(p)) for p in sorted(root.glob(SHAKES[1]))[:10])
    return next(filter(None, running), None), next(filter(None, walking), None)


def _kept(rates: tuple[Array, Array] | None) -> Recorded | None:
    """The angles of (times s, rates (N, 3) rad/s: pitch, yaw, roll), slow turns taken out; None if they are no use."""
    if rates is None:
        return None
    t, omega = rates
    good = np.isfinite(t) & np.isfinite(omega).all(axis=1) & (np.abs(omega) < MOST_RAD_S).all(axis=1)
    t, omega = t[good], omega[good]
    if len(t) < 2 or not _LEAST_S <= t[-1] - t[0] <= _MOST_S or not (np.diff(t) > 0).all():
        return None
    even = np.arange(t[0], t[-1], 1 / RATE_HZ)
    rate = np.stack([np.interp(even, t, c) for c in omega.T], axis=1)
    angles = np.cumsum(rate - rate.mean(axis=0), axis=0) / RATE_HZ
    half = round(_SLOW_S * RATE_HZ / 2)
    window = np.hanning(2 * half + 1)
    slow = np.stack(
        [np.convolve(np.pad(c, half, mode="edge"), window / window.sum(), mode="valid") for c in angles.T],
        axis=1,
    )
    pitch, yaw, roll = (angles - slow).T
    return Recorded(np.stack([yaw, pitch, roll], axis=1))


def _log(path: Path) -> tuple[Array, Array] | None:
    """Times and rates of a phone's log. Taken to be held upright: x is pitch, y yaw, z roll."""
    if path.stat().st_size > _MOST_BYTES:
        return None
    rows = []
    for line in path.read_text("ascii", errors="replace").splitlines():
        words = line.split()
        try:
            rows.append([float(w) for w in words[:4]])
        except ValueError:
            continue
    table = np.array([r for r in rows if len(r) == 4]).reshape(-1, 4)
    # The clock may be the low half of one that ran on: it is unwrapped.
    t = np.unwrap(table[:, 0], period=2.0**32) / 1e6
    return t - t[:1].sum(), table[:, 1:]


def _gopro(path: Path) -> tuple[Array, Array] | None:
    """Times and rates out of a GoPro's telemetry, the steadying of its pictures left out."""
    import av

    times, rates = [], []
    try:
        for begins_s, lasts_s, told in itertools.islice(payloads(path), _MOST_PAYLOADS):
            times.append(spread(begins_s, lasts_s, len(told.gyro)))
            rates.append(np.array(told.gyro)[:, [0, 2, 1]])  # pitch about x, yaw about z, roll about y
    except (av.FFmpegError, OSError, ValueError):
        return None
    if not rates:
        return None
    return np.concatenate(times), np.concatenate(rates)
