"""`python -m rearguard.sense.prepare`: sets up the gyroscope and its accelerometer as root, for a service that may not.

Does nothing when the settings name no gyroscope. A sensor that fails is told in one line and with exit code 3;
rearguard starts without it all the same, and tells so.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rearguard.config import load
from rearguard.errors import RearguardError
from rearguard.sense import iio


def main(root: Path = iio.SYS) -> int:
    """Set it up; the exit code."""
    try:
        wanted = load().gyro.device
        if not wanted:
            return 0
        layout, accel, why = iio.set_up_both(iio.find(wanted, root))
    except RearguardError as e:
        print(f"rearguard: {e}", file=sys.stderr)
        return e.exit_code
    print(f"{layout.name}: {layout.rate_hz:g} rates a second")
    print(f"accelerometer: {f'{accel.rate_hz:g} accelerations a second' if accel else why or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
