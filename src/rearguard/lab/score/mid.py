"""How far a time to collision is off, in the field's unit.

MiD = 10⁴·|ln ŝ − ln s| with the scale ratio over 0.1 s, s = T / (T + 0.1 s), in bins of the true time: TSTTC and
GarlTTC (arXiv 2309.01539, 2603.16303).
"""

from __future__ import annotations

import math

BINS_S = ((0.7, 3.0), (3.0, 6.0), (6.0, 10.0))
_STEP_S = 0.1


def mid(told_s: float, true_s: float) -> float:
    """The error of one frame; both times above 0."""
    return 1e4 * abs(_ln_scale(told_s) - _ln_scale(true_s))


def bin_of(true_s: float) -> int | None:
    """The place of a true time's bin; None outside all."""
    return next((n for n, (low, high) in enumerate(BINS_S) if low < true_s <= high), None)


def _ln_scale(ttc_s: float) -> float:
    return math.log(ttc_s / (ttc_s + _STEP_S))
