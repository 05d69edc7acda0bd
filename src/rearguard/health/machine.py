"""Whether the machine can keep up: heat, throttling, undervoltage, disk, and the wall clock's jumps.

Reading a sensor can block on a sick card or firmware, so a thread of its own reads them once a second; the
loop only picks up what is known. A reader that hangs is a fault of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rearguard.clock import NS_PER_S
from rearguard.config.health import Health
from rearguard.health.picture import Lasting
from rearguard.types import Fault

_READ_EVERY_S = 1.0
_HUNG_S = 10.0
_COOLER_C = 5.0  # HOT ends this much below its limit
_JUMP_S = 2.0
_MB = 1_000_000

# The firmware's get_throttled, present condition only: bit → what it is (Raspberry Pi's documentation of
# vcgencmd; bits 16 to 19 are the same conditions since boot).
_UNDERVOLTAGE, _SLOWED = 1 << 0, 1 << 1 | 1 << 2 | 1 << 3
_THROTTLED_FILES = (
    Path("/sys/devices/platform/soc/soc:firmware/get_throttled"),
    Path("/sys/class/thermal/get_throttled"),
)


@dataclass(frozen=True, slots=True)
class Readings:
    """The machine in numbers; None where there is no such sensor.

    `throttled`: the firmware's bits. `free_mb`: free on the journal's disk. `wall_offset_s`: wall time minus
    monotonic time; only its changes mean anything.
    """

    at_ns: int
    temperature_c: float | None
    throttled: int | None
    free_mb: float | None
    wall_offset_s: float


def read_machine(folder: Path) -> Readings:
    """Read the sensors now; may block."""
    return Readings(
        at_ns=time.monotonic_ns(),
        temperature_c=_temperature_c(),
        throttled=_throttled(),
        free_mb=_free_mb(folder),
        wall_offset_s=time.time() - time.monotonic(),
    )


def judge_machine(readings: Readings, config: Health, was: frozenset[Fault]) -> frozenset[Fault]:
    """The faults that follow from these readings; `was`: those of the readings before, which end with hysteresis."""
    faults = set()
    if readings.temperature_c is not None:
        limit_c = config.hot_c - (_COOLER_C if Fault.HOT in was else 0.0)
        if readings.temperature_c >= limit_c:
            faults.add(Fault.HOT)
    if readings.throttled is not None:
        if readings.throttled & _UNDERVOLTAGE:
            faults.add(Fault.UNDERVOLTAGE)
        if readings.throttled & _SLOWED:
            faults.add(Fault.THROTTLED)
    if readings.free_mb is not None:
        limit_mb = config.min_disk_mb * (1.1 if Fault.DISK_FULL in was else 1.0)
        if readings.free_mb < limit_mb:
            faults.add(Fault.DISK_FULL)
    return frozenset(faults)


class MachineWatch:
    """Watches the machine in the background.

        with MachineWatch(config.health, journal_folder) as machine:
            faults = machine.check_machine(time.monotonic_ns())

    `clock_jumps_s` are the jumps of the wall clock so far, in seconds: a fact for the log; they change nothing.
    `read` is what reads the sensors, given by tests.
    """

    def __init__(self, config: Health, folder: Path, read: Callable[[Path], Readings] = read_machine) -> None:
        self._config = config
        self._folder = folder
        self._read = read
        self._faults: frozenset[Fault] = frozenset()
        self._power = Lasting(0.0, 3.0)  # undervoltage comes in blinks of a few ms; hold it to be told once
        self._slowed = Lasting(2.0, 5.0)
        self._stop = threading.Event()
        self._began_ns = time.monotonic_ns()
        self.readings: Readings | None = None
        self.clock_jumps_s: list[float] = []
        self._thread = threading.Thread(target=self._run, name="machine-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching; a reader that hangs is left behind."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=0.2)

    def check_machine(self, now_ns: int) -> tuple[Fault, ...]:
        """What is wrong with the machine, as far as known at this monotonic time. Never blocks."""
        faults = self._faults
        last_ns = self.readings.at_ns if self.readings else self._began_ns
        if self._thread.is_alive() and now_ns - last_ns > _HUNG_S * NS_PER_S:
            return (*sorted(faults), Fault.SENSORS_SILENT)  # it hangs in a read, of the disk for example
        return tuple(sorted(faults))

    def judge_readings(self, readings: Readings) -> None:
        """Judge one set of readings."""
        if self.readings is not None:
            jump_s = readings.wall_offset_s - self.readings.wall_offset_s
            if abs(jump_s) > _JUMP_S:
                self.clock_jumps_s.append(round(jump_s, 3))
        found = set(judge_machine(readings, self._config, self._faults))
        for fault, lasting in ((Fault.UNDERVOLTAGE, self._power), (Fault.THROTTLED, self._slowed)):
            found = found | {fault} if lasting.feed(readings.at_ns, fault in found) else found - {fault}
        self.readings = readings
        self._faults = frozenset(found)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(Exception):  # a sensor that fails counts as absent
                self.judge_readings(self._read(self._folder))
            self._stop.wait(_READ_EVERY_S)

    def __enter__(self) -> MachineWatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _temperature_c() -> float | None:
    readings = []
    for zone in Path("/sys/class/thermal").glob("thermal_zone*/temp"):
        with suppress(OSError, ValueError):
            readings.append(int(zone.read_text()) / 1000)
    return max(readings, default=None)


def _throttled() -> int | None:
    for path in _THROTTLED_FILES:
        with suppress(OSError, ValueError):
            return int(path.read_text(), 16)
    vcgencmd = shutil.which("vcgencmd")
    if vcgencmd is None:
        return None
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(
            [vcgencmd, "get_throttled"], capture_output=True, text=True, timeout=2, check=True
        )
        return int(done.stdout.strip().partition("=")[2], 16)
    return None


def _free_mb(folder: Path) -> float | None:
    with suppress(OSError):
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize / _MB
    return None
