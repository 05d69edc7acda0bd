"""The real `rearguard` command with its pins written down, and vision wrapped: a test's entry, never installed.

    python run_with_faults.py run --source sim:empty --realtime …

The same environment as `vision_with_faults.py`; faults of pins and terminal are driven in here.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from gpiozero.pins.mock import MockPWMPin

from rearguard.cli.main import main
from rearguard.cue import motors
from rearguard.warden import link, process

TRACE = Path(os.environ["REARGUARD_FAULT_TRACE"])
FAULT = os.environ["REARGUARD_FAULT"]
AFTER_S = float(os.environ["REARGUARD_FAULT_AFTER_S"])


def trace(what: str, **more: Any) -> None:
    with TRACE.open("a") as file:
        file.write(json.dumps({"t": time.monotonic_ns(), "what": what, **more}) + "\n")


def watched(config: Any, argv: list[str], **options: Any) -> int:
    """run_warden, with vision wrapped and everything that is felt written down."""
    assert argv[1:3] == ["-m", "rearguard.vision"]
    argv = [argv[0], str(Path(__file__).with_name("vision_with_faults.py")), *argv[3:]]
    theirs = options.pop("on_felt", None)

    def on_felt(felt: link.Felt) -> None:
        trace("felt", cue=felt.cue, reason=felt.reason, repeat=felt.repeat, seq=felt.seq)
        if theirs:
            theirs(felt)

    def on_pin(_at_ns: int, duties: tuple[float, ...]) -> None:
        trace("pin", on=any(duties))

    code = run_warden(config, argv, on_felt=on_felt, on_pin=on_pin, **options)
    trace("left", code=code)
    return code


def break_pins() -> None:
    """Every write to a pin fails for two seconds, beginning AFTER_S after the first cue."""
    write = MockPWMPin._set_state
    began: list[float] = []

    def broken(self: Any, value: float) -> None:
        now = time.monotonic()
        if value and not began:
            began.append(now)
        if began and 0 <= now - began[0] - AFTER_S < 2.0:
            if len(began) == 1:
                began.append(now)
                trace("fault")
            raise OSError("GPIO write failed")
        write(self, value)

    MockPWMPin._set_state = broken


def close_terminal() -> None:
    os.close(0)
    os.close(1)
    os.close(2)


if __name__ == "__main__":
    trace("warden", pid=os.getpid())
    run_warden = process.run_warden
    process.run_warden = watched
    if FAULT == "gpio_error":
        break_pins()
    elif FAULT == "gpio_missing":  # a Raspberry Pi whose GPIO device is not there
        os.environ.pop("GPIOZERO_PIN_FACTORY", None)
        model = TRACE.with_name("model")
        model.write_text("Raspberry Pi 4 Model B")
        motors._MODEL, motors._DEV = model, TRACE.parent / "no-dev"
    elif FAULT == "terminal_closed":
        close_terminal()
    main()
