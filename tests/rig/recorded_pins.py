"""The real service on a machine without pins, its motor's duty written down; for `service.sh`, in the booted ROOT.

    recorded_pins.py run FILE ARGUMENT...   the rearguard command, its mock pins telling FILE of each change
    recorded_pins.py stop FILE              `systemctl stop` in the middle of the next cue; tells how long that took
    recorded_pins.py felt FILE SECONDS      watches that long; tells the pulses and the longest time without one

Lines of FILE: CLOCK_MONOTONIC in ns, duty 0..1. Nothing between the program and the pin is replaced, only the pin.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path


def run(file: Path, arguments: list[str]) -> None:
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    from rearguard.cli.main import main
    from rearguard.cue import motors

    record = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)

    class RecordedPin(MockPWMPin):
        def _change_state(self, value: float) -> None:
            if value != self._state:
                os.write(record, b"%d %.2f\n" % (time.monotonic_ns(), value))
            super()._change_state(value)

    motors._mock_factory = lambda: MockFactory(pin_class=RecordedPin)
    sys.argv = ["rearguard", *arguments]
    main()


def changes(file: Path) -> list[tuple[int, float]]:
    """(time in ns, duty) of each change so far."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [(int(at), float(duty)) for at, duty in (line.split() for line in lines if line.endswith("\n"))]


def unit(word: str) -> str:
    asked = ["systemctl", "show", "-P", word, "rearguard"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def stop(file: Path) -> int:
    """Ends with 1 when the motor was not off within a second, or no cue came within half a minute."""
    skip, limit = file.stat().st_size if file.exists() else 0, time.monotonic() + 30
    while not (file.exists() and file.stat().st_size > skip and changes(file)[-1][1] > 0):
        if time.monotonic() > limit:
            print("no cue to stop in the middle of")
            return 1
        time.sleep(0.002)
    began_ns = time.monotonic_ns()
    subprocess.run(["systemctl", "stop", "rearguard"], check=True)
    done_ns = time.monotonic_ns()
    felt = changes(file)
    last = felt[-1]
    inactive_ns = int(unit("InactiveEnterTimestampMonotonic")) * 1000
    off_s, inactive_s = (last[0] - began_ns) / 1e9, (inactive_ns - began_ns) / 1e9
    print(
        f"motor off after {off_s:.3f} s (duty {last[1]:g}), unit {unit('ActiveState')} after {inactive_s:.2f} s "
        f"({unit('Result')}), systemctl back after {(done_ns - began_ns) / 1e9:.2f} s"
    )
    return 0 if last[1] == 0 and off_s < 1.0 and unit("Result") == "success" else 1


def felt(file: Path, seconds: float) -> int:
    """Prints `PULSES LONGEST-GAP-S`, the time before the first and after the last pulse being gaps, too."""
    began_ns = time.monotonic_ns()
    time.sleep(seconds)
    ended_ns = time.monotonic_ns()
    on = [
        at for at, duty in changes(file) if duty == 1.0 and began_ns < at < ended_ns
    ]  # each begins at full duty
    edges = [began_ns, *on, ended_ns]
    print(len(on), f"{max(b - a for a, b in itertools.pairwise(edges)) / 1e9:.1f}")
    return 0


if __name__ == "__main__":
    word, path, *rest = sys.argv[1:]
    if word == "run":
        run(Path(path), rest)
    else:
        sys.exit(stop(Path(path)) if word == "stop" else felt(Path(path), float(rest[0])))
