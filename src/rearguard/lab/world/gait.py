"""How the body of a backward runner shakes a camera on its back: bob, pitch, yaw, roll, speed ripple, harness slap.

Step rate and vertical excursion follow Cavagna et al., "The bounce of the body in backward running" (J Exp
Biol 215:75, 2012): step rates of 2.8–3.4 Hz and an excursion of some 6 cm. Pitch, yaw and roll amplitudes
are assumptions in the range usually seen in forward running; the harness slap is a guess, kept on the high side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rearguard.lab.array import Array

_REFERENCE_SPEED_M_S = 2.5
_SLAP_TONES = 5
_SLAP_BAND_HZ = (4.0, 11.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """Amplitudes at 2.5 m/s; `bob`, `pitch` and `ripple` repeat each step, `yaw` and `roll` each stride (two steps)."""

    step_hz: float = 3.0
    bob_m: float = 0.03
    pitch_deg: float = 2.5
    yaw_deg: float = 10.0
    roll_deg: float = 3.0
    ripple_m_s: float = 0.15
    slap_rms_deg: float = 0.5


@dataclass(frozen=True, slots=True)
class Shake:
    """What the gait adds to the mean pose, (T,): metres up and along the path, radians, m/s along it."""

    up_m: Array
    along_m: Array
    yaw_rad: Array
    pitch_rad: Array
    roll_rad: Array
    along_m_s: Array


class Gait:
    """The shake of one runner; the same seed shakes the same way."""

    def __init__(self, profile: Profile | None = None, seed: int = 0) -> None:
        self.profile = profile or Profile()
        rng = np.random.default_rng([seed, 0x6A17])
        self._start = rng.uniform(0, 2 * math.pi, 5)
        self._slap_hz = rng.uniform(*_SLAP_BAND_HZ, (3, _SLAP_TONES))
        self._slap_start = rng.uniform(0, 2 * math.pi, (3, _SLAP_TONES))

    def step_hz(self, speed_m_s: Array) -> Array:
        """Step rate at a speed: 3.0 Hz at 2.5 m/s, rising gently (2.8 to 3.4 Hz over 1 to 5 m/s)."""
        rate: Array = self.profile.step_hz * np.clip(
            1.0 + 0.045 * (speed_m_s - _REFERENCE_SPEED_M_S), 0.9, 1.15
        )
        return rate

    @staticmethod
    def strength(speed_m_s: Array) -> Array:
        """How far the amplitudes of 2.5 m/s apply: nothing at rest, 1 at 2.5 m/s, at most 1.4."""
        strength: Array = np.minimum(np.sqrt(np.maximum(speed_m_s, 0.0) / _REFERENCE_SPEED_M_S), 1.4)
        return strength

    def shake(self, t_s: Array, steps: Array, speed_m_s: Array) -> Shake:
        """The shake at times `t_s`, after `steps` steps (the integral of the step rate), at mean speeds; all (T,)."""
        p, k = self.profile, self.strength(speed_m_s)
        step, stride = 2 * math.pi * steps, math.pi * steps
        slap = self._slap(t_s) * (k * math.radians(p.slap_rms_deg))
        ripple = k * p.ripple_m_s
        rate = 2 * math.pi * self.step_hz(speed_m_s)
        return Shake(
            up_m=k * p.bob_m * np.sin(step + self._start[0]),
            along_m=-ripple / rate * np.cos(step + self._start[1]),
            yaw_rad=k * math.radians(p.yaw_deg) * np.sin(stride + self._start[2]) + slap[0],
            pitch_rad=k * math.radians(p.pitch_deg) * np.sin(step + self._start[3]) + slap[1],
            roll_rad=k * math.radians(p.roll_deg) * np.sin(stride + self._start[4]) + slap[2],
            along_m_s=ripple * np.sin(step + self._start[1]),
        )

    def _slap(self, t_s: Array) -> Array:
        """Smooth noises of unit RMS (yaw, pitch, roll; times): sums of a few tones, so that any time can be asked."""
        angle = 2 * math.pi * self._slap_hz[:, :, None] * t_s + self._slap_start[:, :, None]
        result: Array = np.sin(angle).sum(axis=1) * math.sqrt(2.0 / _SLAP_TONES)
        return result
