"""The heartbeat line of an external dead-man: a pin that changes as long as the wearer is served, and no longer.

A retriggerable one-shot on that pin sounds its own buzzer a second after the last change; hardware.md draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rearguard.warden.pins import open_device


class DeadMan:
    """A gpiozero output that each `beat` turns over; a pin that fails stops the beat."""

    def __init__(self, output: Any) -> None:
        self._output = output

    def beat(self) -> None:
        """Turn the line over."""
        with suppress(Exception):
            self._output.toggle()


@contextmanager
def open_deadman(pin: int, pin_factory: Any) -> Iterator[DeadMan | None]:
    """The line on `pin` (BCM), or None for pin 0. Raises `PartFailed` naming the pin."""

    def make() -> Any:
        from gpiozero import DigitalOutputDevice

        return DigitalOutputDevice(pin, initial_value=False, pin_factory=pin_factory)

    with open_device(pin, make, "cannot be driven for the dead-man; set warden.deadman_pin") as output:
        yield None if output is None else DeadMan(output)
