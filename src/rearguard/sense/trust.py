"""Whether a gyroscope can be relied on: one that is missing, stuck, at its end or lying is told, and not used."""

from __future__ import annotations

import numpy as np

from rearguard.sense.rates import Array, Window

_SILENT_S, _STARTS_S = 0.5, 2.0  # without rates for so long it is missing; at first it may take longer
_CLIPPED_SHARE, _CLIPPED_S = 0.1, 1.0
_STUCK_S = 0.25  # the very same numbers for so long: its noise alone moves the last digit
_STUCK_SAMPLES = 5  # and so many are not used, to begin with
_ODD_S = 1.0  # over which differences from flow are averaged
# Of the squared differences in units of what they should be; 1 is as it should be, parallax makes 3.
_ODD = 9.0
_AGREES = 3.0
_AGREES_FOR_S = 3.0  # after having lied
_ZERO_RAD_S = 0.1  # 6 dps: six times what the data sheet allows


class Trust:
    """Follows one gyroscope. `why` says in words what is wrong with it; empty while it is well."""

    def __init__(self) -> None:
        self._silent_s = _SILENT_S - _STARTS_S
        self._clipped = 0.0
        self._same_s = 0.0
        self._last: Array | None = None
        self._odd = 1.0
        self._wild = False
        self.lies = False
        self._agreed_s = 0.0
        self._usable = False

    @property
    def good(self) -> bool:
        """Whether what it told of the newest frame can be used."""
        return self._usable and not self.why

    @property
    def why(self) -> str:
        """What is wrong with it."""
        if self._silent_s >= _SILENT_S:
            return "it tells nothing"
        if self._same_s >= _STUCK_S:
            return "it is stuck: the same numbers again and again"
        if self._clipped > _CLIPPED_SHARE:
            return "it is at the end of what it can tell"
        if self._wild:
            return "it tells turns of who stands"
        return "it disagrees with the picture" if self.lies else ""

    def readable(self, window: Window | None, dt: float) -> bool:
        """Take in what there is of a frame's time; whether it can be looked at."""
        self._usable = False
        if window is None:
            self._silent_s += dt
            return False
        self._silent_s = 0.0
        self._clipped += min(1.0, dt / _CLIPPED_S) * (float(window.clipped) - self._clipped)
        same = bool((window.rate == window.rate[0]).all())
        if self._last is not None and not np.array_equal(self._last, window.rate[0]):
            self._same_s = 0.0
        self._same_s = self._same_s + dt if same else 0.0
        self._last = window.rate[-1]
        self._usable = not window.clipped and not (same and len(window.at_s) > _STUCK_SAMPLES)
        return self._usable

    def note_difference(self, odd: float, dt: float) -> None:
        """By how much it differs from image flow, squared, in units of what is to be expected."""
        self._odd += min(1.0, dt / _ODD_S) * (min(odd, 4 * _ODD) - self._odd)
        if self._odd > _ODD:
            self.lies, self._agreed_s = True, 0.0
        elif self.lies:
            self._agreed_s = self._agreed_s + dt if self._odd < _AGREES else 0.0
            self.lies = self._agreed_s < _AGREES_FOR_S

    def note_zero(self, zero_rad_s: Array) -> None:
        """What it tells of a camera that does not turn, as far as known."""
        self._wild = bool(np.abs(zero_rad_s).max() > _ZERO_RAD_S)
