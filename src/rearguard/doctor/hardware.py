"""Pins and journal: what is felt, and what is kept."""

from __future__ import annotations

from rearguard.cue.motors import no_gpio, open_motors
from rearguard.doctor.finding import Finding, Patient, fail, ok, warn
from rearguard.errors import RearguardError
from rearguard.journal.place import DATABASE, is_there, journal_folder
from rearguard.journal.store import Journal


def pins(patient: Patient) -> Finding:
    """The motors' pins, taken and given back, not driven; `rearguard buzz` makes them felt."""
    names = ", ".join(f"GPIO {pin}" for pin in patient.config.cue.pins)
    try:
        absent = no_gpio()
        if absent is not None:
            return Finding("pins", patient.absent(), f"{absent}; cues are shown, not felt")
        if patient.service_active:
            return ok("pins", f"{names}, held by the running service")
        with open_motors(patient.config.cue) as motors:
            return ok(
                "pins", f"{names}: {len(motors)} driven by software PWM; feel them with `rearguard buzz`"
            )
    except RearguardError as e:
        return fail("pins", str(e), "group gpio, python3-lgpio, and no other program on that pin")


def journal(patient: Patient) -> Finding:
    """Whether the near-miss log is whole, read as `log` reads it: also one that may only be read."""
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
        if isinstance(e.__cause__, PermissionError):  # a journal of somebody else's is not a broken one
            return warn("journal", what, way_out)
        return fail("journal", what or str(e), way_out if what else "check the SD card: `dmesg | grep mmc`")
    if answer != "ok":
        return fail("journal", f"{path}: damaged: {answer}", f"move {path.name} away and keep it for repair")
    return ok("journal", f"{path}: whole, {kept} near misses", near_misses=kept)
