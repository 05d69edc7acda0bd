"""Pins and journal: what is felt, and what is kept."""

from __future__ import annotations

from rearguard.cue.motors import no_gpio, open_motors
from rearguard.doctor.finding import CheckContext, Finding, fail, ok, warn
from rearguard.errors import PartFailed, RearguardError
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import DATABASE, is_there, journal_folder


def pins(patient: CheckContext) -> Finding:
    """Open and release the motors' pins without driving them; `rearguard buzz` lets them be felt."""
    names = ", ".join(f"GPIO {pin}" for pin in patient.config.cue.pins)
    try:
        absent = no_gpio()
        if absent is not None:
            return Finding("pins", patient.absent(), f"{absent}; cues are shown, not felt")
        if patient.service_active:
            return ok("pins", f"{names}, held by the running service")
        with open_motors(patient.config.cue) as motors:
            if motors.broken:
                raise PartFailed("; ".join(motors.broken.values()))
            return ok(
                "pins", f"{names}: {len(motors)} driven by software PWM; feel them with `rearguard buzz`"
            )
    except RearguardError as e:
        return fail("pins", str(e), "group gpio, python3-lgpio, and no other program on that pin")


def journal(patient: CheckContext) -> Finding:
    """Whether the near-miss log is whole. It is opened as `log` opens it, so read permission is enough."""
    folder = journal_folder(patient.config.journal, reading=True)
    path = folder / DATABASE
    if not is_there(path):
        return ok("journal", f"{path}: none yet, the first outing makes it")
    try:
        with Journal.open(folder, readonly=True) as opened:
            answer = str(opened.select("PRAGMA quick_check(1)", [])[0]["quick_check"])
            kept = opened.select("SELECT count(*) AS n FROM near_miss", [])[0]["n"]
    except RearguardError as e:
        what, _, way_out = str(e).rpartition("; ")
        if isinstance(e.__cause__, PermissionError):  # a journal that belongs to another user is not broken
            return warn("journal", what, way_out)
        return fail("journal", what or str(e), way_out if what else "check the SD card: `dmesg | grep mmc`")
    if answer != "ok":
        return fail("journal", f"{path}: damaged: {answer}", f"move {path.name} away and keep it for repair")
    return ok("journal", f"{path}: whole, {kept} near misses", near_misses=kept)
