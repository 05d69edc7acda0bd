"""The real vision process with one fault driven into it: a test's entry, never installed.

Started by `run_with_faults.py` in place of `python -m rearguard.vision`, with the same arguments. The fault is
named by $REARGUARD_FAULT ("covered:7": for seven seconds; "hot+covered": both); it strikes $REARGUARD_FAULT_AFTER_S
after the first judged frame of the first start.
What happens, and when, goes to $REARGUARD_FAULT_TRACE as JSON lines in CLOCK_MONOTONIC nanoseconds.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import rearguard.vision.outing as outing_module
import rearguard.vision.pipeline as pipeline_module
import rearguard.vision.rules as rules_module
from rearguard import ipc
from rearguard.detect.detector import Detector
from rearguard.detect.model import Model
from rearguard.errors import CameraLost, PartFailed
from rearguard.journal.db.store import Journal
from rearguard.lab.world.gyro import Started
from rearguard.types import Box, Detection, Level, Side
from rearguard.vision.__main__ import leave, main

TRACE = Path(os.environ["REARGUARD_FAULT_TRACE"])
FAULT = os.environ["REARGUARD_FAULT"]
AFTER_NS = round(float(os.environ["REARGUARD_FAULT_AFTER_S"]) * 1e9)
START = len([1 for line in TRACE.read_text().splitlines() if '"start"' in line]) if TRACE.exists() else 0
lasts_asked = 0.0  # of the fault that is being installed
# The first judged frame, by the real loop's own message to the warden.
first_ns: int | None = None


def trace(what: str, **more: Any) -> None:
    with contextlib.suppress(OSError), TRACE.open("a") as file:  # a full disk takes no trace either
        file.write(json.dumps({"t": time.monotonic_ns(), "what": what, **more}) + "\n")


class Strike:
    """Whether it is time: from the moment on, for `lasts_s`, on the first start of vision only."""

    def __init__(self, lasts_s: float = 1e9) -> None:
        self._lasts_ns = round((lasts_asked or lasts_s) * 1e9)
        self._said = False

    def now(self) -> bool:
        if START or first_ns is None:
            return False
        late_ns = time.monotonic_ns() - first_ns - AFTER_NS
        if not 0 <= late_ns < self._lasts_ns:
            return False
        if not self._said:
            self._said = True
            trace("fault")
        return True


def watch_judged() -> None:
    """Write down each frame that was judged and told."""
    send = ipc.send
    critical = next(
        (float(word.partition(":")[2]) for word in FAULT.split("+") if word.startswith("critical:")), 0.0
    )
    near = Strike(critical)

    def traced(sock: Any, message: Any) -> bool:
        global first_ns
        sent_ns = time.monotonic_ns()
        if FAULT == "alternate_levels" and isinstance(message, ipc.Judged):  # for latency.py
            # a new track each time, longer apart than the cue is long: every one begins a cue of its own
            count = next(_count)
            level = 3 if count % 16 == 15 else 0
            message = msgspec.structs.replace(
                message, level=level, side="centre", track=count // 16 + 1, faults=()
            )
        if critical and isinstance(message, ipc.Judged) and near.now():
            message = msgspec.structs.replace(message, level=Level.CRITICAL)
        done = send(sock, message)
        if isinstance(message, ipc.Ended):
            trace("ended", code=message.exit_code)
        if isinstance(message, ipc.Judged) and done:
            first_ns = first_ns or time.monotonic_ns()
            trace("judged", seq=message.seq, level=message.level, sent=sent_ns, captured_ns=message.captured_ns,
                  faults=message.faults)  # fmt: skip
        return done

    ipc.send = traced


def before(owner: Any, name: str, deed: Callable[..., None], lasts_s: float = 1e9) -> None:
    """Do `deed(*args)` before each call of owner.name while the fault strikes."""
    real, strike = getattr(owner, name), Strike(lasts_s)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if strike.now():
            deed(*args)
        return real(*args, **kwargs)

    setattr(owner, name, wrapped)


def instead(owner: Any, name: str, deed: Callable[[Any], Any], lasts_s: float = 1e9) -> None:
    """Pass the result of owner.name through `deed` while the fault strikes."""
    real, strike = getattr(owner, name), Strike(lasts_s)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        return deed(result) if strike.now() else result

    setattr(owner, name, wrapped)


def step(deed: Callable[..., None], lasts_s: float = 1e9) -> None:
    before(pipeline_module.Pipeline, "process_frame", deed, lasts_s)


def frames(deed: Callable[[Any, Any], Any], lasts_s: float = 1e9) -> None:
    """Pass each frame of the source, and the last one passed on, through `deed`."""
    open_source = outing_module.open_source

    class Wrapped:
        def __init__(self, source: Any) -> None:
            self._source = source
            self.info = source.info

        def __getattr__(self, name: str) -> Any:
            return getattr(self._source, name)

        def frames(self) -> Iterator[Any]:
            strike, last = Strike(lasts_s), None
            for frame in self._source.frames():
                last = deed(frame, last) if strike.now() else frame
                yield last

        def close(self) -> None:
            self._source.close()

    outing_module.open_source = lambda *args, **kwargs: Wrapped(open_source(*args, **kwargs))


def fail(text: str) -> Callable[..., None]:
    def deed(*_: Any) -> None:
        raise RuntimeError(text)

    return deed


def hang(*_: Any) -> None:
    while True:
        time.sleep(3600)


def spin(*_: Any) -> None:
    while True:
        pass


def die(how: signal.Signals) -> Callable[..., None]:
    return lambda *_: os.kill(os.getpid(), how)


def exhaust(*_: Any) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000, used + 30_000_000))
    hoard = [np.ones(10_000_000) for _ in range(100)]
    del hoard


def repaint(paint: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def deed(frame: Any, _last: Any) -> Any:
        image = frame.image.copy()
        return msgspec.structs.replace(frame, image=paint(image))

    return deed


def paint_part(rows: slice, level: int) -> Callable[[Any], Any]:
    def paint(image: Any) -> Any:
        image[rows] = level
        return image

    return paint


def grain(level: int) -> Callable[[Any], Any]:
    """A featureless picture with a live sensor's noise."""
    rng = np.random.default_rng(1)
    return lambda image: (level + rng.integers(-3, 4, image.shape)).clip(0, 255).astype(np.uint8)


def unplug() -> None:
    """The camera vanishes, stays away for the next start, and is back for the one after."""
    open_source, strike = outing_module.open_source, Strike()

    class Unplugged:
        def __init__(self, source: Any) -> None:
            self._source, self.info = source, source.info

        def frames(self) -> Iterator[Any]:
            for frame in self._source.frames():
                if strike.now():
                    raise CameraLost("camera: unplugged; plug it in")
                yield frame

        def close(self) -> None:
            self._source.close()

    def opened(*args: Any, **kwargs: Any) -> Any:
        if START == 1:
            raise PartFailed("camera: not there; plug it in")
        return Unplugged(open_source(*args, **kwargs))

    outing_module.open_source = opened


def fill_disk(*_: Any) -> None:
    """No file may grow any further: the kernel's own refusal, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def lock_journal(*_: Any) -> None:
    """Another program holds the database."""
    if getattr(lock_journal, "held", None) is None:
        database = next(Path(os.environ["REARGUARD_FAULT_JOURNAL"]).glob("*.db"))
        db = sqlite3.connect(database, timeout=0.1, isolation_level=None, check_same_thread=False)
        db.execute("BEGIN IMMEDIATE")
        lock_journal.held = db  # type: ignore[attr-defined]


def crash_journal(*_: Any) -> None:
    """Writing fails as on a bad card."""
    raise OSError(errno.EIO, "Input/output error")


def shift_clock(seconds: float) -> Callable[..., None]:
    real = time.time

    def deed(*_: Any) -> None:
        time.time = lambda: real() + seconds

    return deed


def begin_in_1970() -> None:
    """A board without a clock of its own, until somebody sets the time."""
    real, strike, began = time.time, Strike(), time.time() - 60
    time.time = lambda: real() if strike.now() else real() - began


def flood(*_: Any) -> None:
    """A thousand different verdicts a second, beside the real ones."""
    if getattr(flood, "on", False):
        return
    flood.on = True  # type: ignore[attr-defined]
    wire = next(o for o in _sockets if o is not None)
    seq = itertools.count(10_000_000)

    def run() -> None:
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            n = next(seq)
            ipc.send(wire, ipc.Judged(n, time.monotonic_ns(), Level(n % 4), Side.LEFT))
            time.sleep(0.001)
        os._exit(9)  # the real frames' numbers are behind now; a new start counts anew

    threading.Thread(target=run, daemon=True).start()


_sockets: list[Any] = []


def crowd(_detections: Any) -> list[Detection]:
    return [
        Detection(Box(3.0 * i, 60.0, 3.0 * i + 12, 90.0 + i % 7), "person", 0.9 - i * 0.001)
        for i in range(100)
    ]


def not_a_number() -> None:
    """The network's scores are not numbers."""
    real, strike = Model.scores.fget, Strike()  # type: ignore[attr-defined]
    Model.scores = property(lambda self: real(self) * (np.nan if strike.now() else 1))  # type: ignore[assignment]


def read_machine_as(**readings: Any) -> Callable[[], None]:
    def arrange() -> None:
        import rearguard.health.machine as machine

        real, strike = machine.MachineWatch.__init__.__defaults__[0], Strike(3.0)

        def read(folder: Path) -> Any:
            return replace(real(folder), **readings) if strike.now() else real(folder)

        machine.MachineWatch.__init__.__defaults__ = (read,)

    return arrange


def shorten_later_starts() -> None:
    """What comes back after a fault need not be seen through once more."""
    if START:
        index = sys.argv.index("--job") + 1
        sys.argv[index] = re.sub(r"duration=[\d.]+", "duration=6", sys.argv[index])


_count = itertools.count()
FAULTS: dict[str, Callable[[], None]] = {
    "gyro_lost": lambda: instead(Started, "window", lambda _: None, 3.0),
    "gyro_stuck": lambda: instead(
        Started, "window", lambda w: w._replace(rate=np.full_like(w.rate, 0.1)), 3.0
    ),
    "gyro_lies": lambda: instead(Started, "window", lambda w: w._replace(rate=w.rate + 2.0), 3.0),
    "sigkill": lambda: step(die(signal.SIGKILL)),
    "sigsegv": lambda: step(die(signal.SIGSEGV)),
    "sigstop": lambda: step(die(signal.SIGSTOP)),
    "busy_loop": lambda: step(spin),
    "hang": lambda: step(hang),
    "fail_detect": lambda: before(Detector, "detect", fail("detector broke")),
    "fail_ego": lambda: before(pipeline_module.FlowEgo, "estimate_turn", fail("ego-motion broke")),
    "fail_track": lambda: before(rules_module.Tracker, "update", fail("tracker broke")),
    "fail_judge": lambda: before(rules_module, "judge", fail("judge broke")),
    "fail_health": lambda: before(outing_module.PictureWatch, "check_picture", fail("picture watch broke")),
    "fail_journal": lambda: before(Journal, "transaction", crash_journal),
    "fail_camera_thread": lambda: frames(lambda _f, _l: fail("driver broke")()),
    "memory": lambda: step(exhaust),
    "camera_hang": lambda: frames(lambda _f, _l: hang()),
    "same_buffer": lambda: frames(lambda f, last: msgspec.structs.replace(f, image=last.image), 2.5),
    "stuck_time": lambda: frames(lambda _f, last: last, 2.5),
    "unplugged": unplug,
    "half_frame": lambda: frames(repaint(paint_part(slice(120, None), 0)), 0.12),
    "wrong_size": lambda: frames(repaint(lambda image: image[:100])),
    "covered": lambda: frames(repaint(grain(110)), 2.5),
    "dark": lambda: frames(repaint(grain(4)), 2.5),
    "glare": lambda: frames(repaint(paint_part(slice(0, 110), 255)), 2.5),
    "detector_nan": not_a_number,
    "detector_slow": lambda: before(Detector, "detect", lambda *_: time.sleep(0.6), 4.0),
    "hundred_tracks": lambda: instead(Detector, "detect", crowd, 2.0),
    "thousand_cues": lambda: step(flood),
    "disk_full": lambda: step(fill_disk),
    "disk_nearly_full": read_machine_as(free_mb=5.0),
    "hot": read_machine_as(temperature_c=85.0),
    "undervoltage": read_machine_as(throttled=1),
    "journal_locked": lambda: step(lock_journal),
    "clock_forward": lambda: step(shift_clock(3600.0)),
    "clock_back": lambda: step(shift_clock(-3600.0)),
    "clock_1970": begin_in_1970,
}

if __name__ == "__main__":
    trace("start", pid=os.getpid())
    watch_judged()
    shorten_later_starts()
    make = outing_module.Outing.__init__

    def keep_wire(self: Any, job: Any, wire: Any) -> None:
        _sockets.append(wire)
        make(self, job, wire)

    outing_module.Outing.__init__ = keep_wire  # type: ignore[method-assign]
    for word in FAULT.split("+"):
        name, _, lasts = word.partition(":")
        lasts_asked = float(lasts or 0)
        FAULTS.get(name, lambda: None)()
    code = main()
    trace("end", code=code)
    leave(code)
