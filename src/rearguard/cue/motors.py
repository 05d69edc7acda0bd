"""The motors: gpiozero PWM pins, and the player that walks a pattern over them.

    with open_motors(config.cue) as motors:
        player = Player(motors, config.cue)
        player.play(CUES[CueName.CAUTION], Side.LEFT, now_ns)
        next_ns = player.tick(now_ns)   # call again at next_ns; None when the pattern is over

No threads: a hung program stops calling `tick`, and patterns are finite. On a machine without GPIO
gpiozero's own MockFactory stands in, and `Motors.absent` says why.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rearguard.clock import NS_PER_S
from rearguard.config.cue import Cue as CueConfig
from rearguard.cue.table import CueRow
from rearguard.errors import PartFailed
from rearguard.types import Side

_MODEL = Path("/proc/device-tree/model")
_DEV = Path("/dev")
_ROUTES: dict[int, dict[Side, tuple[int, ...]]] = {
    1: {Side.LEFT: (0,), Side.CENTRE: (0,), Side.RIGHT: (0,)},
    2: {Side.LEFT: (0,), Side.CENTRE: (0, 1), Side.RIGHT: (1,)},
    3: {Side.LEFT: (0,), Side.CENTRE: (1,), Side.RIGHT: (2,)},
}


class Motors:
    """One to three motors in the order of the wearer's left to right.

    A pin that fails is left out and remembered in `broken`; the cue moves to the motors that are left.
    `PartFailed` is raised only when none is left. `absent` is why there are no real pins, or None.
    """

    def __init__(
        self,
        devices: Sequence[Any],
        absent: str | None = None,
        pin_factory: Any = None,
        broken: dict[int, str] | None = None,
    ) -> None:
        self._devices = list(devices)
        self._duty = [0.0] * len(self._devices)
        self.absent = absent
        self.pin_factory = pin_factory  # gpiozero's, for the button and the dead-man on the same header
        self.broken = broken or {}

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def pins(self) -> list[Any]:
        """gpiozero's pins, so that a test can read what a mock pin recorded."""
        return [device.pin for device in self._devices]

    def route(self, side: Side | None) -> tuple[int, ...]:
        """Which motors play a cue of `side` (None: all); where those are broken, whichever are left."""
        everyone = tuple(i for i in range(len(self)) if i not in self.broken)
        wanted = everyone if side is None else _ROUTES[len(self)][side]
        return tuple(i for i in wanted if i not in self.broken) or everyone

    def are_lost(self, side: Side) -> bool:
        """Whether a cue of `side` cannot be felt, or not only, where it belongs."""
        return any(i in self.broken for i in _ROUTES[len(self)][side])

    def write(self, duties: Sequence[float]) -> None:
        """Set each motor's duty cycle 0..1. Raises `PartFailed` when no motor can be driven any more."""
        for i, duty in enumerate(duties):
            if i in self.broken or duty == self._duty[i]:
                continue
            try:
                self._devices[i].value = duty
                self._duty[i] = duty
            except Exception as e:  # gpiozero, lgpio and the kernel each raise their own
                self.broken[i] = f"motor {i + 1}: {e}"
        if len(self.broken) == len(self):
            raise PartFailed(
                "; ".join(self.broken.values()) + ": no motor can be driven; see `rearguard doctor`"
            )

    def mend(self) -> bool:
        """Try broken motors again; True if all work."""
        for i in list(self.broken):
            with suppress(Exception):
                self._devices[i].value = 0.0
                self._duty[i] = 0.0
                del self.broken[i]
        return not self.broken

    def off(self) -> None:
        """Switch all motors off, whatever else is wrong."""
        for i, device in enumerate(self._devices):
            with suppress(Exception):
                device.value = 0.0
                self._duty[i] = 0.0

    def close(self) -> None:
        """All motors off and the pins given back."""
        self.off()
        for device in self._devices:
            with suppress(Exception):
                device.close()


@contextmanager
def open_motors(config: CueConfig) -> Iterator[Motors]:
    """The configured motors, off now and off at the end whatever happens.

    Raises `PartFailed` naming the pin when a Pi's GPIO is missing, busy or not permitted. One of several that cannot
    be opened is `broken`, and is opened when it can be.
    """
    motors = _open(config)
    try:
        yield motors
    finally:
        motors.close()


def no_gpio() -> str | None:
    """Why this machine has no pins to drive, or None if it has; `PartFailed` on a Pi without access."""
    if os.environ.get("GPIOZERO_PIN_FACTORY") == "mock":
        return "GPIOZERO_PIN_FACTORY is mock"
    chips = sorted(_DEV.glob("gpiochip*"))
    on_pi = _MODEL.exists() and "Raspberry Pi" in _MODEL.read_text(errors="replace")
    if on_pi and not chips:
        raise PartFailed("no GPIO: /dev/gpiochip* is missing; in a container or sandbox, let the device in")
    if not chips:
        return "no /dev/gpiochip* on this machine"
    if not on_pi:
        return "this machine is not a Raspberry Pi"
    if not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        raise PartFailed(f"no permission for {chips[0]}: add the user to the group gpio and log in again")
    return None


def _open(config: CueConfig) -> Motors:
    absent = no_gpio()
    factory = _mock_factory() if absent else real_factory()
    from gpiozero import PWMOutputDevice

    devices: list[Any] = []
    broken: dict[int, str] = {}
    for i, pin in enumerate(config.pins):
        make = partial(PWMOutputDevice, pin, frequency=config.pwm_hz, pin_factory=factory)
        try:
            devices.append(make())
        except Exception as e:
            hint = "another program holds it" if "busy" in str(e).lower() else "see `rearguard doctor`"
            broken[i] = f"GPIO {pin} cannot be driven: {e}; {hint}"
            devices.append(_Unopened(make))
    if len(broken) == len(devices):
        raise PartFailed("; ".join(broken.values()))
    return Motors(devices, absent, factory, broken)


class _Unopened:
    """A motor's pin that could not be opened. Each write tries again, and raises what gpiozero raises."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._device: Any = None

    @property
    def pin(self) -> Any:
        return self._device and self._device.pin

    @property
    def value(self) -> float:
        return float(self._device.value) if self._device else 0.0

    @value.setter
    def value(self, duty: float) -> None:
        self._device = self._device or self._make()
        self._device.value = duty

    def close(self) -> None:
        if self._device is not None:
            self._device.close()


def _mock_factory() -> Any:
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    return MockFactory(pin_class=MockPWMPin)


def real_factory() -> Any:
    """gpiozero's factory of this Pi's pins. Raises `PartFailed` when there is no library for them."""
    from gpiozero import Device

    # Only lgpio knows every Pi; gpiozero would fall back to another library with no more than a warning.
    os.environ.setdefault("GPIOZERO_PIN_FACTORY", "lgpio")
    with _room_for_lgpio():
        try:
            Device.ensure_pin_factory()
        except Exception as e:
            raise PartFailed(f"no GPIO library: {e}; install python3-lgpio") from e
    return Device.pin_factory


@contextmanager
def _room_for_lgpio() -> Iterator[None]:
    """A folder for the pipe that lgpio makes when it is imported, where the caller has none ($LG_WD).

    lgpio makes the pipe there and changes to that folder. Without one it takes the working directory, where two
    programs or two users get in each other's way and a read-only folder is an error. Afterwards the working directory
    is what it was.
    """
    if "LG_WD" not in os.environ:
        folder = tempfile.mkdtemp(prefix="rearguard-lgpio-")
        os.environ["LG_WD"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    here = None
    with suppress(OSError):  # the folder has gone meanwhile
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield
    finally:
        if here is not None:
            with suppress(OSError):
                os.fchdir(here)
            os.close(here)


def say_if_absent(motors: Motors) -> None:
    """Print one line on stderr when a mock stands in for the pins."""
    if motors.absent is not None:
        with suppress(OSError, ValueError):
            print(f"rearguard: no GPIO here: {motors.absent}; cues are shown, not felt", file=sys.stderr)


class Player:
    """Walks one pattern at a time over the motors, driven by `tick`.

    Each pulse starts with full duty for `overdrive_s`, which gets an eccentric-mass motor up to speed in
    about half the time, then runs at the capped duty. `on_pin` hears of each change: time, duties.
    A cue whose own motor fails, before it or in the middle of it, is played on the others in the rhythm that says so.
    """

    def __init__(
        self,
        motors: Motors,
        config: CueConfig,
        on_pin: Callable[[int, tuple[float, ...]], None] | None = None,
    ) -> None:
        self._motors = motors
        self._cap = config.duty_cap
        self._soft = config.duty_cap * config.soft_share
        self._overdrive_ns = round(config.overdrive_s * NS_PER_S)
        self._on_pin = on_pin
        self._steps: list[tuple[int, tuple[float, ...]]] = []
        self._row: CueRow | None = None
        self._side = Side.CENTRE
        self.ends_ns = 0  # of the pattern that plays, or played last, its last silence included

    @property
    def busy(self) -> bool:
        """Whether a pattern is being played."""
        return bool(self._steps)

    def play(self, row: CueRow, side: Side, now_ns: int) -> int | None:
        """Start a pattern now, cutting off what plays. Returns when to tick next."""
        self._row, self._side = row, side
        who = self._motors.route(side if row.sided else None)
        felt = row.elsewhere if row.sided and self._motors.are_lost(side) else row
        self._steps = list(self._timeline(felt, who, now_ns))
        self._steps.reverse()
        self.ends_ns = now_ns + round(felt.length_s * NS_PER_S)
        return self.tick(now_ns)

    def tick(self, now_ns: int) -> int | None:
        """Set the motors as the pattern wants them now. Returns when to tick next, None when it is over.

        Raises `PartFailed` when no motor can be driven."""
        duties = None
        while self._steps and self._steps[-1][0] <= now_ns:
            duties = self._steps.pop()[1]
        if duties is not None:
            worked = [i for i, duty in enumerate(duties) if duty and i not in self._motors.broken]
            self._set(duties, now_ns)
            if self._row and self._row.sided and any(i in self._motors.broken for i in worked):
                return self.play(self._row, self._side, now_ns)  # on those that are left, at once
        return self._steps[-1][0] if self._steps else None

    def stop(self, now_ns: int) -> None:
        """Cut off what plays; motors off."""
        self._steps = []
        self.ends_ns = min(self.ends_ns, now_ns)
        self._motors.off()
        if self._on_pin:
            self._on_pin(now_ns, (0.0,) * len(self._motors))

    def _set(self, duties: tuple[float, ...], now_ns: int) -> None:
        self._motors.write(duties)
        if self._on_pin:
            self._on_pin(now_ns, duties)

    def _timeline(
        self, row: CueRow, who: tuple[int, ...], at_ns: int
    ) -> Iterator[tuple[int, tuple[float, ...]]]:
        for i, pulse in enumerate(row.pattern):
            at = who[i * len(who) // (len(row.pattern) - 1) :][:1] if row.sweep else ()
            on = at or who
            duty = self._soft if pulse.soft else self._cap
            on_ns = round(pulse.on_s * NS_PER_S)
            if 0 < self._overdrive_ns < on_ns and not pulse.soft:
                yield at_ns, self._duties(on, 1.0)
                yield at_ns + self._overdrive_ns, self._duties(on, duty)
            else:
                yield at_ns, self._duties(on, duty)
            yield at_ns + on_ns, self._duties(on, 0.0)
            at_ns += on_ns + round(pulse.off_s * NS_PER_S)

    def _duties(self, who: tuple[int, ...], duty: float) -> tuple[float, ...]:
        return tuple(duty if i in who else 0.0 for i in range(len(self._motors)))
