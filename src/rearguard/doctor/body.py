"""Pins and journal: what is felt, and what is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import quote

from rearguard.cue.motors import no_gpio, open_motors
from rearguard.doctor.finding import Finding, Patient, fail, ok, warn
from rearguard.errors import RearguardError
from rearguard.journal.place import DATABASE, journal_folder


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
    """Whether the near-miss log is whole."""
    path = journal_folder(patient.config.journal, reading=True) / DATABASE
    if not path.exists():
        return ok("journal", f"{path}: none yet, the first outing makes it")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=2)) as db:
            answer = str(db.execute("pragma quick_check(1)").fetchone()[0])
            kept = db.execute("select count(*) from near_miss").fetchone()[0]
    except sqlite3.Error as e:
        if "no such table" in str(e):
            return warn("journal", f"{path}: {e}", "move the file away: it is not a journal of this version")
        remedy = f"move {path.name} away and keep it: rearguard makes a new one"
        return fail("journal", f"{path}: {e}", remedy)
    if answer != "ok":
        return fail("journal", f"{path}: damaged: {answer}", f"move {path.name} away and keep it for repair")
    return ok("journal", f"{path}: whole, {kept} near misses", near_misses=kept)
