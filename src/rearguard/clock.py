"""Time: monotonic for every decision, wall time only as a label.

A Raspberry Pi before the 5 has no battery-backed clock and boots with a stale date, so nothing here or
elsewhere decides by wall time. `Stamp` keeps all there is to say about a moment.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Anything that tells monotonic nanoseconds."""

    def now_ns(self) -> int: ...


class MonotonicClock:
    """CLOCK_MONOTONIC."""

    def now_ns(self) -> int:
        return time.monotonic_ns()


class HandClock:
    """A clock wound by hand, for tests and for files judged on their own time; never runs backwards."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def set_ns(self, now_ns: int) -> None:
        self._now_ns = max(self._now_ns, now_ns)

    def advance(self, seconds: float) -> None:
        self._now_ns += round(seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment: monotonic ns, the boot it belongs to, wall time (s since 1970), and whether to believe that."""

    mono_ns: int
    boot_id: str
    wall_s: float
    clock_synced: bool


@cache
def boot_id() -> str:
    """The kernel's id of this boot; 'unknown' where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def clock_synced() -> bool:
    """Whether systemd-timesyncd has set the wall clock in this boot."""
    return Path("/run/systemd/timesync/synchronized").exists()


def stamp() -> Stamp:
    """The present moment."""
    return Stamp(time.monotonic_ns(), boot_id(), time.time(), clock_synced())


def midnight(day: date) -> datetime:
    """When a day begins in the local time zone, with the offset of that very moment: it changes twice a year."""
    return datetime(day.year, day.month, day.day).astimezone()
