"""The heartbeat line of an external dead-man: a pin that changes as long as the wearer is served, and no longer.

A retriggerable one-shot on that pin sounds its own buzzer a second after the last change; hardware.md draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rearguard.errors import PartFailed


class DeadMan:
    """A gpiozero output that each `beat` turns over; a pin that fails is a heart that stands still."""

    def __init__(self, output: Any) -> None:
        self._output = output

    def beat(self) -> None:
        """Turn the line over."""
        with suppress(Exception):
            self._output.toggle()


@contextmanager
def open_deadman(pin: int, pin_factory: Any) -> Iterator[DeadMan | None]:
    """The line on `pin` (BCM), or None for pin 0. Raises `PartFailed` naming the pin."""
    if pin == 0:
        yield None
        return
    from gpiozero import DigitalOutputDevice

    try:
        output = DigitalOutputDevice(pin, initial_value=False, pin_factory=pin_factory)
    except Exception as e:
        raise PartFailed(f"GPIO {pin} cannot be driven for the dead-man: {e}; set warden.deadman_pin") from e
    try:
        yield DeadMan(output)
    finally:
        with suppress(Exception):
            output.close()
