"""The real `rearguard` command with its pins written down, and vision wrapped: a test's entry, never installed.

    python run_with_faults.py run --source sim:empty --realtime …

The same environment as `vision_with_faults.py`; faults of pins and terminal are driven in here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from gpiozero.pins.mock import MockPWMPin

from rearguard.cli.main import main
from rearguard.cue import motors
from rearguard.text import explain_cue
from rearguard.types import Cue
from rearguard.warden import process

TRACE = Path(os.environ["REARGUARD_FAULT_TRACE"])
FAULTS = {word.partition(":")[0] for word in os.environ["REARGUARD_FAULT"].split("+")}
AFTER_S = float(os.environ["REARGUARD_FAULT_AFTER_S"])
PRESSES = json.loads(os.environ.get("REARGUARD_FAULT_PRESSES", "[]"))


def trace(what: str, **more: Any) -> None:
    with TRACE.open("a") as file:
        file.write(json.dumps({"t": time.monotonic_ns(), "what": what, **more}) + "\n")


def watched(config: Any, argv: list[str], **options: Any) -> int:
    """run_warden, with vision wrapped and everything that is felt written down."""
    assert argv[1:3] == ["-m", "rearguard.vision"]
    argv = [argv[0], str(Path(__file__).with_name("vision_with_faults.py")), *argv[3:]]
    if "starved_warden" in FAULTS:  # it hands its limit down, and is to suffer alone
        argv = ["prlimit", "--as=unlimited", *argv]
    theirs = options.pop("on_felt", None)

    def on_felt(felt: Cue) -> None:
        trace("felt", cue=felt.cue, reason=explain_cue(felt), repeat=felt.repeat, seq=felt.seq)
        if theirs:
            theirs(felt)

    def on_pin(_at_ns: int, duties: tuple[float, ...]) -> None:
        trace("pin", on=any(duties))

    with contextlib.ExitStack() as stack:
        if PRESSES:
            options["motors"] = stack.enter_context(motors.open_motors(config.cue))
            pin = options["motors"].pin_factory.pin(config.warden.button_pin)
            threading.Thread(target=press, args=(pin,), daemon=True).start()
        code = run_warden(config, argv, on_felt=on_felt, on_pin=on_pin, **options)
    trace("left", code=code)
    return code


def press(pin: Any) -> None:
    """Push the button and let go, in turn, at these seconds after the first judged frame."""
    while '"judged"' not in TRACE.read_text():
        time.sleep(0.02)
    began = time.monotonic()
    for number, at_s in enumerate(PRESSES):
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        pin.drive_high() if number % 2 else pin.drive_low()


def break_pins(*numbers: int) -> None:
    """Every write to a pin (of these numbers) fails for two seconds, beginning AFTER_S after the first cue."""
    write = MockPWMPin._set_state
    began: list[float] = []

    def broken(self: Any, value: float) -> None:
        now = time.monotonic()
        if value and not began:
            began.append(now)
        of_these = not numbers or self.info.name in {f"GPIO{number}" for number in numbers}
        if of_these and began and 0 <= now - began[0] - AFTER_S < 2.0:
            if len(began) == 1:
                began.append(now)
                trace("fault")
            raise OSError("GPIO write failed")
        write(self, value)

    MockPWMPin._set_state = broken


def strike_sound() -> None:
    """Unplug the sound device for two seconds, hang its server, or kill the process that plays: AFTER_S on watch."""
    while '"judged"' not in TRACE.read_text():
        time.sleep(0.02)
    time.sleep(AFTER_S)
    device = Path(os.environ["FAKE_SOUND"])
    if "sound_killed" in FAULTS:
        for task in Path("/proc/self/task").glob("*"):
            for pid in (task / "children").read_text().split():
                if b"rearguard.sound" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
    else:
        (device / ("lost" if "sound_lost" in FAULTS else "hung")).touch()
    trace("fault")
    time.sleep(2.0)
    (device / "lost").unlink(missing_ok=True)


def close_terminal() -> None:
    os.close(0)
    os.close(1)
    os.close(2)


if __name__ == "__main__":
    trace("warden", pid=os.getpid())
    run_warden = process.run_warden
    process.run_warden = watched
    if FAULTS & {"sound_lost", "sound_killed", "sound_hung"}:
        threading.Thread(target=strike_sound, daemon=True).start()
    if "gpio_error" in FAULTS:
        break_pins()
    if "one_motor" in FAULTS:
        break_pins(17)
    if "gpio_missing" in FAULTS:  # a Raspberry Pi whose GPIO device is not there
        os.environ.pop("GPIOZERO_PIN_FACTORY", None)
        model = TRACE.with_name("model")
        model.write_text("Raspberry Pi 4 Model B")
        motors._MODEL, motors._DEV = model, TRACE.parent / "no-dev"
    if "terminal_closed" in FAULTS:
        close_terminal()
    main()
