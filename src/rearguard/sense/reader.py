"""The thread that reads a gyroscope: a sensor that hangs, dies or comes back holds up nobody."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from pathlib import Path

from rearguard.clock import NS_PER_S
from rearguard.errors import RearguardError
from rearguard.sense import iio
from rearguard.sense.iio import Layout
from rearguard.sense.rates import Ring, Window

_AGAIN_S = 2.0  # after a failure
_POLL_S = 0.2
_SILENT_S = 2.0  # then it is opened anew
_SCANS = 64  # read at once
_LATE_NS, _EARLY_NS = 5 * NS_PER_S, NS_PER_S // 4  # how far from now a time stamp may be
_LEAVE_S = 0.5
_WAIT_S = 0.02  # four samples at 208 Hz; the detector takes longer


class GyroReader:
    """Reads one device from when it is made until `close`. `why` says what is wrong with it; empty while it delivers.

    `root` and `dev` are where the kernel shows devices, and where their data comes from; `kept` is how many samples are
    remembered, by default those of ten seconds.
    """

    def __init__(
        self, wanted: str, root: Path = iio.SYS, dev: Path = Path("/dev"), *, kept: int | None = None
    ) -> None:
        self._wanted, self._root, self._dev = wanted, root, dev
        self._ring = Ring() if kept is None else Ring(kept)
        self._stop = threading.Event()
        self.why = "it has told nothing yet"
        self._thread = threading.Thread(target=self._run, name="gyro", daemon=True)
        self._thread.start()

    def window(self, from_ns: int, to_ns: int) -> Window | None:
        """As `rates.Rates.window`."""
        return self._ring.window(from_ns, to_ns, _WAIT_S)

    def close(self) -> None:
        """Stop; a read that hangs is left behind."""
        self._stop.set()
        self._thread.join(_LEAVE_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                folder = iio.find(self._wanted, self._root)
                self._read(iio.set_up(folder), self._dev / folder.name)
            except RearguardError as e:
                self.why = str(e)
            except OSError as e:
                self.why = f"{self._wanted}: {e.strerror or e}"
            except Exception as e:  # a thread that dies is never heard of
                self.why = f"{type(e).__name__}: {e}"
            self._ring.clear()
            self._stop.wait(_AGAIN_S)

    def _read(self, layout: Layout, device: Path) -> None:
        """Read until it is silent, gone or no longer wanted."""
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            rest, heard_s = b"", time.monotonic()
            while not self._stop.is_set():
                got = None
                if poller.poll(_POLL_S * 1000):
                    with contextlib.suppress(BlockingIOError):
                        got = os.read(handle, _SCANS * layout.size)
                if got:
                    rest, heard_s = self._take(layout, rest + got), time.monotonic()
                elif time.monotonic() - heard_s > _SILENT_S:
                    self.why = f"{layout.name}: it delivers nothing"
                    return
                elif got == b"":  # the end of a pipe; one that writes again is heard
                    self._stop.wait(_POLL_S)
        finally:
            os.close(handle)

    def _take(self, layout: Layout, data: bytes) -> bytes:
        """Keep the samples of whole scans; what is left of the last."""
        now_ns = time.monotonic_ns()
        whole = len(data) // layout.size * layout.size
        for at in range(0, whole, layout.size):
            at_ns, rate, clipped = layout.sample(data[at : at + layout.size])
            if not now_ns - _LATE_NS <= at_ns <= now_ns + _EARLY_NS:
                self.why = f"{layout.name}: its time stamps are of another clock"
                continue
            if self._ring.add(at_ns, rate, clipped=clipped):
                self.why = ""
        return data[whole:]
