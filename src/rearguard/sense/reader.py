"""The thread that reads a gyroscope and the accelerometer beside it: what hangs, dies or comes back holds up nobody."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
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

    `accel` are the accelerations (m/s², about the same axes) of a part that tells them beside the rates, as
    `accel_there` says; `accel_why` is what is wrong with them: the rates go on without. `root` and `dev` are where the
    kernel shows devices, and where their data comes from; `kept` is how many samples are remembered, by default those
    of ten seconds.
    """

    def __init__(
        self, wanted: str, root: Path = iio.SYS, dev: Path = Path("/dev"), *, kept: int | None = None
    ) -> None:
        self._wanted, self._root, self._dev = wanted, root, dev
        self._ring = Ring() if kept is None else Ring(kept)
        self.accel = Ring()
        self._stop = threading.Event()
        self.why = "it has told nothing yet"
        self.accel_there, self.accel_why = False, ""
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
                gyro, accel, self.accel_why = iio.set_up_both(folder)
                self.accel_there = accel is not None or bool(self.accel_why)
                self._read(gyro, accel)
            except RearguardError as e:
                self.why = str(e)
            except OSError as e:
                self.why = f"{self._wanted}: {e.strerror or e}"
            except Exception as e:  # a thread that dies is never heard of
                self.why = f"{type(e).__name__}: {e}"
            self._ring.clear()
            self.accel.clear()
            self._stop.wait(_AGAIN_S)

    def _read(self, gyro: Layout, accel: Layout | None) -> None:
        """Read until the gyroscope is silent, gone or no longer wanted."""
        with ExitStack() as stack:
            poller = select.poll()
            first = self._open(gyro, poller, stack)
            streams = {first: _Stream(gyro.size, {self._ring: gyro})}
            if accel is not None and accel.node == gyro.node:
                streams[first].told[self.accel] = accel
            elif accel is not None:
                try:
                    streams[self._open(accel, poller, stack)] = _Stream(accel.size, {self.accel: accel})
                except OSError as e:
                    self.accel_why = f"{accel.name}: {e.strerror or e}"
            heard_s = time.monotonic()
            while not self._stop.is_set():
                ended = False
                for handle, _ in poller.poll(_POLL_S * 1000):
                    try:
                        got = os.read(handle, _SCANS * streams[handle].size)
                    except BlockingIOError:
                        continue
                    except OSError as e:
                        if handle == first:
                            raise
                        got, self.accel_why = b"", str(e.strerror or e)
                    if got:
                        self._take(streams[handle], got)
                        heard_s = time.monotonic() if handle == first else heard_s
                    elif handle == first:
                        ended = True
                    else:  # the rates go on without
                        self.accel_why = self.accel_why or "it has ended"
                        poller.unregister(handle)
                if time.monotonic() - heard_s > _SILENT_S:
                    self.why = f"{gyro.name}: it delivers nothing"
                    return
                if ended:  # the end of a pipe; one that writes again is heard
                    self._stop.wait(_POLL_S)

    def _open(self, layout: Layout, poller: select.poll, stack: ExitStack) -> int:
        handle = os.open(self._dev / layout.node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, handle)
        poller.register(handle, select.POLLIN)
        return handle

    def _take(self, stream: _Stream, got: bytes) -> None:
        """Keep the samples of whole scans, and what is left of the last."""
        now_ns = time.monotonic_ns()
        data = stream.rest + got
        whole = len(data) // stream.size * stream.size
        for at in range(0, whole, stream.size):
            for ring, layout in stream.told.items():
                at_ns, rate, clipped = layout.sample(data[at : at + stream.size])
                of_now = now_ns - _LATE_NS <= at_ns <= now_ns + _EARLY_NS
                if of_now and ring.add(at_ns, rate, clipped=clipped):
                    self._note(ring, "")
                elif not of_now:
                    self._note(ring, f"{layout.name}: its time stamps are of another clock")
        stream.rest = data[whole:]

    def _note(self, ring: Ring, why: str) -> None:
        if ring is self.accel:
            self.accel_why = why
        else:
            self.why = why


@dataclass(slots=True)
class _Stream:
    """What comes out of one device: scans of so many bytes, where what they tell is kept, and a scan that is not whole
    yet."""

    size: int
    told: dict[Ring, Layout]
    rest: bytes = b""
