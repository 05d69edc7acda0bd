"""Time to collision from the growth of a box: a Kalman filter on (ln s, r).

For a thing closing at constant speed the time left is tau = s / (ds/dt) = 1 / (d ln s / dt) (Lee 1976), with
s any length of it in the picture. In the state (ln s, r), r = 1/tau, that motion is ln s' = r and r' = r²,
and the measurement ln s is linear, with a noise that is relative to size as box noise is. Two pictures alone
tell nothing useful: at 3 % box noise, 10 fps and 2 s the error of tau is 85 % (sqrt(2)·sigma·tau/dt).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Rates beyond these are no runner's: 1/r below 0.1 s, or receding ten times faster than it is far.
_MAX_RATE = 10.0
_MIN_RATE = -4.0
_OUTLIER_SIGMAS = 3.5
_OUTLIERS_TO_RESET = 3
_RESET_RATE_SD = 0.1  # 1/s; a size that starts anew says little about the rate
_NOISE_MEMORY = 0.9  # weight of the past in the learned measurement noise


@dataclass(frozen=True, slots=True)
class ScaleState:
    """ln s (s in pixels), r (1/s), their covariance, the learned noise of ln s, and outliers in a row."""

    ln_s: float
    r: float
    p00: float
    p01: float
    p11: float
    noise: float
    outliers: int = 0

    @property
    def r_sd(self) -> float:
        return math.sqrt(max(0.0, self.p11))

    @property
    def size_px(self) -> float:
        return math.exp(self.ln_s)


def begin(size_px: float, noise: float, r: float = 0.0, r_sd: float = 0.5) -> ScaleState:
    """A new filter at a first size, with what may be expected of the rate before anything was seen."""
    return ScaleState(math.log(max(size_px, 1.0)), r, noise**2, 0.0, r_sd**2, noise)


def predict(state: ScaleState, dt_s: float, rate_noise: float, max_rate: float = _MAX_RATE) -> ScaleState:
    """The state `dt_s` later. `rate_noise`: how far r may wander, 1/s per root second; `max_rate` bounds r."""
    if not dt_s > 0:
        return state
    dt = min(dt_s, 2.0)
    # r' = r² has the exact solution r / (1 - r t); near contact it runs away and is held.
    shrink = 1.0 - state.r * dt
    r = state.r / shrink if shrink > 0.1 else _MAX_RATE
    r = min(max(r, _MIN_RATE), max(max_rate, state.r * 0.5))
    grow = min(1.0 / (shrink * shrink), 4.0) if shrink > 0.1 else 4.0  # dr/dr0
    ln_s = state.ln_s + 0.5 * (state.r + r) * dt
    q = rate_noise**2
    p00 = state.p00 + 2 * dt * state.p01 + dt * dt * state.p11 + q * dt**3 / 3
    p01 = grow * (state.p01 + dt * state.p11) + q * dt**2 / 2
    p11 = grow * grow * state.p11 + q * dt
    return ScaleState(ln_s, r, p00, p01, p11, state.noise, state.outliers)


def update(state: ScaleState, size_px: float, floor: float) -> ScaleState:
    """Take in a measured size in pixels; `floor` is the least relative noise to assume.

    A size that jumps is a mis-association, not a collision: it is left out. When several in a row say the
    same, the thing has really changed (another person, a door opened) and the size starts anew, with the
    rate kept but doubted.
    """
    if not (math.isfinite(size_px) and size_px > 0):
        return state
    noise = max(state.noise, floor)
    innovation = math.log(size_px) - state.ln_s
    spread = state.p00 + noise**2
    if innovation**2 > _OUTLIER_SIGMAS**2 * spread:
        if state.outliers + 1 < _OUTLIERS_TO_RESET:
            return replace(state, outliers=state.outliers + 1)
        return ScaleState(
            math.log(size_px), state.r, noise**2, 0.0, state.p11 + _RESET_RATE_SD**2, state.noise
        )
    k0, k1 = state.p00 / spread, state.p01 / spread
    # The innovation's square is, in the mean, p00 + noise²; what is not p00 is learned as noise.
    seen = max(floor**2, innovation**2 - state.p00)
    learned = math.sqrt(_NOISE_MEMORY * noise**2 + (1 - _NOISE_MEMORY) * seen)
    return ScaleState(
        state.ln_s + k0 * innovation,
        min(max(state.r + k1 * innovation, _MIN_RATE), _MAX_RATE),
        (1 - k0) * state.p00,
        (1 - k0) * state.p01,
        max(1e-9, state.p11 - k1 * state.p01),
        learned,
    )


def grow(state: ScaleState, rate: float, sd: float) -> ScaleState:
    """Take in a directly measured rate (1/s) with its standard deviation, as the picture's texture tells it."""
    if not (math.isfinite(rate) and math.isfinite(sd) and sd > 0):
        return state
    innovation = rate - state.r
    spread = state.p11 + sd**2
    # One wild fit must not be a collision: beyond three sigmas its pull is bounded (Huber 1964).
    limit = _OUTLIER_SIGMAS * math.sqrt(spread)
    innovation = min(max(innovation, -limit), limit)
    k0, k1 = state.p01 / spread, state.p11 / spread
    return ScaleState(
        state.ln_s + k0 * innovation,
        min(max(state.r + k1 * innovation, _MIN_RATE), _MAX_RATE),
        max(1e-9, state.p00 - k0 * state.p01),
        (1 - k1) * state.p01,
        max(1e-9, (1 - k1) * state.p11),
        state.noise,
        state.outliers,
    )


def coast(state: ScaleState, dt_s: float, rate_noise: float) -> ScaleState:
    """The state `dt_s` later when nothing measures the size: r is frozen, and doubted more and more.

    Without measurements r' = r² would turn a small error of r into a collision all by itself.
    """
    if not dt_s > 0:
        return state
    dt = min(dt_s, 2.0)
    return ScaleState(
        state.ln_s + state.r * dt,
        state.r,
        state.p00 + 2 * dt * state.p01 + dt * dt * state.p11,
        state.p01 + dt * state.p11,
        state.p11 + rate_noise**2 * dt,
        state.noise,
        state.outliers,
    )


def ttc_s(state: ScaleState) -> float | None:
    """Seconds to contact, or None while it is not closing."""
    return 1.0 / state.r if state.r > 1e-3 else None
