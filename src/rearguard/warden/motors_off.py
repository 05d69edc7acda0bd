"""Switch all motors off from outside: what systemd runs after the service, however that ended.

    python -m rearguard.warden.motors_off

A Raspberry Pi kernel leaves a pin as the process that died drove it, so a warden killed in the middle of a
pulse would buzz on. Each configured pin is driven low and then given back as an input with its pull-down.
Exit code 0 when all are low (or the machine has no pins), 3 when one could not be reached.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rearguard.config import load
from rearguard.config.cue import Cue
from rearguard.cue.motors import no_gpio, real_factory
from rearguard.errors import EXIT_PART_FAILED, RearguardError


def configured_pins() -> list[int]:
    """The motors' pins; the default ones when the configuration cannot be read."""
    try:
        return list(load().cue.pins)
    except RearguardError as e:
        print(f"rearguard: {e}; switching off the default pins", file=sys.stderr)
        return list(Cue().pins)


def release(pins: Sequence[int]) -> list[str]:
    """Drive each pin low, then leave it an input pulled down. Returns one line for each that failed."""
    from gpiozero import DigitalInputDevice, DigitalOutputDevice

    failed = []
    factory = real_factory()
    for pin in pins:
        try:
            DigitalOutputDevice(pin, initial_value=False, pin_factory=factory).close()
            DigitalInputDevice(pin, pull_up=False, pin_factory=factory).close()
        except Exception as e:  # gpiozero, lgpio and the kernel each raise their own
            failed.append(f"GPIO {pin} could not be switched off: {e}")
    return failed


def main() -> int:
    """Do it, saying on stderr what failed."""
    try:
        if no_gpio() is not None:
            return 0
        failed = release(configured_pins())
    except RearguardError as e:
        failed = [str(e)]
    for line in failed:
        print(f"rearguard: {line}", file=sys.stderr)
    return EXIT_PART_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
