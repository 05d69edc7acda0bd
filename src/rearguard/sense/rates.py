"""Rates of a gyroscope over time, and the turn they add up to between two moments."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S

Array = NDArray[np.float64]

G_M_S2 = 9.81
_KEPT = 2048  # samples: ten seconds at 208 Hz, far more than a frame may be late
_ALIVE_NS = 200_000_000  # a sensor that told something so lately is worth waiting for
_REACH_NS = 15_000_000  # three samples at 208 Hz: so far is the last rate carried on
_GAP_NS = 40_000_000  # between samples; a longer one is a gap, in which a stride may have turned anywhere


class Window(NamedTuple):
    """The rates from one moment to another: times (n,) in seconds from the first moment on, which is the first and
    the second the last of them, and rates (n, 3) in rad/s about the sensor's own axes; `clipped`: one is at the end of
    what the sensor can tell."""

    at_s: Array
    rate: Array
    clipped: bool


class Rates(Protocol):
    """Where rates come from: a sensor that is read by a thread of its own, a recording, a simulated world."""

    def window(self, from_ns: int, to_ns: int) -> Window | None:
        """The rates between two moments on the frames' clock; None where they are not known. Waits for no sensor that
        is silent, and for one that is alive no longer than the detector takes."""
        ...


class Recorded:
    """Rates that are all known: times (n,) in ns, rising; rates (n, 3) in rad/s; which are clipped (n,)."""

    def __init__(
        self, at_ns: NDArray[np.int64], rate: Array, clipped: NDArray[np.bool_] | None = None
    ) -> None:
        self._at_ns, self._rate = at_ns, rate
        self._clipped = np.zeros(len(at_ns), bool) if clipped is None else clipped

    def window(self, from_ns: int, to_ns: int) -> Window | None:
        """As `Rates.window`."""
        first = int(np.searchsorted(self._at_ns, from_ns, "right")) - 1
        last = int(np.searchsorted(self._at_ns, to_ns, "left")) + 1
        if first < 0:
            return None
        cut = slice(first, last)
        return _window(self._at_ns[cut], self._rate[cut], bool(self._clipped[cut].any()), from_ns, to_ns)


class Ring:
    """The newest rates of a live sensor, as many as are `kept`. One thread adds, others look."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._samples: deque[tuple[int, float, float, float, bool]] = deque(maxlen=kept)
        self._change = threading.Condition()

    def add(self, at_ns: int, rate: tuple[float, float, float], *, clipped: bool) -> bool:
        """Take in one sample; False for one that is not later than the last."""
        with self._change:
            if self._samples and at_ns <= self._samples[-1][0]:
                return False
            self._samples.append((at_ns, *rate, clipped))
            self._change.notify_all()
            return True

    def clear(self) -> None:
        """Forget all: what comes is of another start."""
        with self._change:
            self._samples.clear()

    def window(self, from_ns: int, to_ns: int, wait_s: float = 0.0) -> Window | None:
        """As `Rates.window`; for a sensor that is alive, what is still on its way is waited for so long at the most."""
        found: list[tuple[int, float, float, float, bool]] = []
        with self._change:
            if wait_s and self._samples and 0 < to_ns - self._samples[-1][0] <= _ALIVE_NS:
                self._change.wait_for(lambda: not self._samples or self._samples[-1][0] >= to_ns, wait_s)
            for sample in reversed(self._samples):
                if sample[0] >= to_ns:
                    found[:] = [sample]
                    continue
                found.append(sample)
                if sample[0] <= from_ns:
                    break
        if not found or found[-1][0] > from_ns:
            return None
        found.reverse()
        at_ns = np.array([s[0] for s in found], np.int64)
        rate = np.array([s[1:4] for s in found])
        return _window(at_ns, rate, any(s[4] for s in found), from_ns, to_ns)


def _window(at_ns: NDArray[np.int64], rate: Array, clipped: bool, from_ns: int, to_ns: int) -> Window | None:
    """Samples, the first not after `from_ns`, cut to the two moments; None for those with gaps or too few."""
    if to_ns <= from_ns or not len(at_ns) or to_ns - int(at_ns[-1]) > _REACH_NS:
        return None
    if len(at_ns) > 1 and int(np.diff(at_ns).max()) > _GAP_NS:
        return None
    at_s = (at_ns - from_ns) / NS_PER_S
    end_s = (to_ns - from_ns) / NS_PER_S
    inside = (at_s > 0) & (at_s < end_s)
    ends = np.array([0.0, end_s])
    first, last = np.stack([np.interp(ends, at_s, column) for column in rate.T], axis=1)
    return Window(
        np.concatenate([ends[:1], at_s[inside], ends[1:]]),
        np.concatenate([first[None], rate[inside], last[None]]),
        clipped,
    )


def turn_of(window: Window) -> Array:
    """The rotation vector (3,) that the rates add up to, in the axes they had at first, rad.

    Turns about different axes do not add up like numbers: half the cross products of what was turned before and what
    is turned next come with them (coning, Bortz 1971); what is left is of third order, 1e-4 of a stride's turn.
    """
    step = 0.5 * (window.rate[1:] + window.rate[:-1]) * np.diff(window.at_s)[:, None]
    before = np.cumsum(step, axis=0) - step
    turned: Array = step.sum(axis=0) + 0.5 * np.cross(before, step).sum(axis=0)
    return turned
