"""All checks, in the order a wearer would put things right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rearguard.config import Config, load, search_path
from rearguard.doctor import hardware, machine, sight, sound
from rearguard.doctor.finding import CheckContext, Finding, fail
from rearguard.errors import RearguardError

CHECKS: dict[str, Callable[[CheckContext], Finding]] = {
    "board": machine.board,
    "config": machine.configuration,
    "runtime": sight.runtime,
    "model": sight.model,
    "camera": sight.camera,
    "gyro": hardware.gyro,
    "pins": hardware.pins,
    "sound": sound.sound,
    "permissions": machine.permissions,
    "power": machine.power,
    "temperature": machine.temperature,
    "disk": machine.disk,
    "journal": hardware.journal,
    "clock": machine.clock,
    "service": machine.service,
}


def patient(config_file: Path | None, *, quick: bool = False) -> CheckContext:
    """This machine, with the configuration that would be used. A broken one is a finding and stops nothing."""
    state = machine.service_state() or {}
    active = state.get("ActiveState") in ("active", "activating", "reloading")
    found = config_file or next((path for path in search_path() if path.is_file()), None)
    try:
        return CheckContext(load(config_file), found, service_active=active, quick=quick)
    except RearguardError as e:
        return CheckContext(Config(), found, str(e), service_active=active, quick=quick)


def examine(who: CheckContext, names: tuple[str, ...] = tuple(CHECKS)) -> Iterator[Finding]:
    """One finding for each check named, as they come; a check that breaks is a finding, too."""
    for name in names:
        try:
            yield CHECKS[name](who)
        except Exception as e:  # the doctor must reach the last check on any machine
            cause = f"{type(e).__name__}: {' '.join(str(e).split())[:200]}"
            yield fail(name, f"the check itself broke: {cause}", "please report this line")
