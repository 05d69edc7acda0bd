"""How far beside the path a thing is and will be: a Kalman filter on (offset, drift) in metres.

Measuring the offset itself, bearing × range, rather than the bearing's rate, lets a thing that just stands
or moves along the path be judged at once, and a crossing one as soon as its drift shows.
"""

from __future__ import annotations

import math
from dataclasses import replace

from rearguard.words import Lateral

# Before anything is seen, people drift sideways by this much (m/s, one sigma): most go along a path.
_DRIFT_PRIOR_M_S = 0.8
# How hard people swerve (m/s² as white noise per root s).
_SWERVE = 0.15
# An offset this far (in variances) from where a steady drift would have it: a turn or a step aside has begun,
# and the drift is open again.
_TURNED_NIS = 6.0
_FASTEST_M_S = 4.0  # sideways; faster ones are mistaken ranges
_TURN_M_S = 0.6


def begin(offset_m: float, sd_m: float) -> Lateral:
    """A first offset with its standard deviation."""
    return Lateral(offset_m, 0.0, sd_m**2, 0.0, _DRIFT_PRIOR_M_S**2)


def predict(state: Lateral, dt_s: float) -> Lateral:
    """The state `dt_s` later at constant drift."""
    if not dt_s > 0:
        return state
    dt = min(dt_s, 2.0)
    q = _SWERVE**2
    return Lateral(
        state.offset_m + state.drift_m_s * dt,
        state.drift_m_s,
        state.var_offset + 2 * dt * state.cov + dt * dt * state.var_drift + q * dt**3 / 3,
        state.cov + dt * state.var_drift + q * dt**2 / 2,
        state.var_drift + q * dt,
    )


def update(state: Lateral, offset_m: float, sd_m: float) -> Lateral:
    """Take in a measured offset with its standard deviation; nonsense is left out."""
    if not (math.isfinite(offset_m) and math.isfinite(sd_m) and sd_m > 0):
        return state
    spread = state.var_offset + sd_m**2
    if (offset_m - state.offset_m) ** 2 > _TURNED_NIS * spread:
        state = replace(state, var_drift=state.var_drift + _TURN_M_S**2)
    k0, k1 = state.var_offset / spread, state.cov / spread
    innovation = offset_m - state.offset_m
    return Lateral(
        state.offset_m + k0 * innovation,
        min(max(state.drift_m_s + k1 * innovation, -_FASTEST_M_S), _FASTEST_M_S),
        (1 - k0) * state.var_offset,
        (1 - k0) * state.cov,
        max(1e-9, state.var_drift - k1 * state.cov),
    )


def shift(state: Lateral, offset_m: float, drift_m_s: float) -> Lateral:
    """The same thing, measured from another line: the path is known to bend, or better than before."""
    return replace(state, offset_m=state.offset_m + offset_m, drift_m_s=state.drift_m_s + drift_m_s)
