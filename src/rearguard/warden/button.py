"""The push button: short press mutes, double press marks a moment, long press shuts down; pure but for the pin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

from rearguard.clock import NS_PER_S
from rearguard.warden.pins import open_device

_LONG_NS = round(2.0 * NS_PER_S)
_DOUBLE_NS = round(0.4 * NS_PER_S)
_BOUNCE_NS = round(0.03 * NS_PER_S)


class Press(Enum):
    """What a press means."""

    MUTE = "short"
    MARK = "double"
    SHUTDOWN = "long"


class Presses:
    """Tells presses apart from samples of the pin; `feed` it at least every 50 ms."""

    def __init__(self) -> None:
        self._down = False
        self._raw = False
        self._raw_since_ns = 0
        self._since_ns = 0  # of the last accepted change
        self._taps = 0
        self._long_told = False

    def feed(self, now_ns: int, pressed: bool) -> Press | None:
        """Take one sample. Returns a press once it is clear which; SHUTDOWN while the button is still down."""
        if pressed != self._raw:
            self._raw, self._raw_since_ns = pressed, now_ns
        if self._raw != self._down and now_ns - self._raw_since_ns >= _BOUNCE_NS:
            self._down, self._since_ns = self._raw, self._raw_since_ns
            if self._down:
                self._long_told = False
            elif not self._long_told:
                self._taps += 1
        held_ns = now_ns - self._since_ns
        if self._down and held_ns >= _LONG_NS and not self._long_told:
            self._long_told, self._taps = True, 0
            return Press.SHUTDOWN
        if self._down or not self._taps:
            return None
        if self._taps >= 2:
            self._taps = 0
            return Press.MARK
        if held_ns >= _DOUBLE_NS:
            self._taps = 0
            return Press.MUTE
        return None


class ButtonWatch:
    """A gpiozero `Button` read by the warden's loop; a pin that fails counts as not pressed."""

    def __init__(self, button: Any) -> None:
        self._button = button
        self._presses = Presses()

    def read_press(self, now_ns: int) -> Press | None:
        """The press that was made, if any."""
        pressed = False
        with suppress(Exception):
            pressed = bool(self._button.is_pressed)
        return self._presses.feed(now_ns, pressed)


@contextmanager
def open_button(pin: int, pin_factory: Any) -> Iterator[ButtonWatch | None]:
    """The button between `pin` (BCM) and ground, or None for pin 0. Raises `PartFailed` naming the pin."""

    def make() -> Any:
        from gpiozero import Button

        return Button(pin, pull_up=True, pin_factory=pin_factory)

    with open_device(pin, make, "cannot be read as a button; set warden.button_pin") as button:
        yield None if button is None else ButtonWatch(button)
