"""Pins and journal: what is felt, and what is kept."""

from __future__ import annotations

import time

import numpy as np

from rearguard.clock import NS_PER_S
from rearguard.cue.motors import no_gpio, open_motors
from rearguard.doctor.finding import CheckContext, Finding, fail, ok, warn
from rearguard.errors import PartFailed, RearguardError
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import DATABASE, is_there, journal_folder
from rearguard.sense import iio
from rearguard.sense.reader import GyroReader

_GYRO_S, _GYRO_LISTENS_S = 3.0, 0.6  # for its first rates, and then


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


def gyro(patient: CheckContext) -> Finding:
    """Whether the gyroscope that the settings name delivers; without one the picture alone tells the turns."""
    wanted, root = patient.config.gyro.device, patient.path("/sys/bus/iio/devices")
    if not wanted:
        try:
            there = iio.find("auto", root)
        except RearguardError:
            return ok("gyro", "none is used")
        return ok("gyro", f"{there.name} is there and not used: `rearguard aim --gyro --save` sets it up")
    if patient.service_active:
        return ok("gyro", f"{wanted}, held by the running service")
    reader = GyroReader(wanted, root, patient.path("/dev"))
    try:
        until_s = time.monotonic() + _GYRO_S
        while reader.why and time.monotonic() < until_s:
            time.sleep(0.05)
        time.sleep(0.0 if reader.why else _GYRO_LISTENS_S)
        now_ns = time.monotonic_ns()
        span = now_ns - round(0.5 * _GYRO_LISTENS_S * NS_PER_S), now_ns - NS_PER_S // 20
        heard, pulled = reader.window(*span), reader.accel.window(*span)
    finally:
        reader.close()
    if reader.why or heard is None:
        why = reader.why or "too few rates a second"
        return warn("gyro", f"{why}: the picture alone tells the turns", "hardware.md, section 14")
    rate_hz = (len(heard.at_s) - 2) / float(heard.at_s[-1])
    measured = f"{wanted}: {rate_hz:.0f} rates a second"
    if not reader.accel_there:
        return ok("gyro", f"{measured}; no accelerometer beside it", rate_hz=round(rate_hz, 1))
    if pulled is None or reader.accel_why:
        why = reader.accel_why or "it tells nothing"
        return warn("gyro", f"{measured}; accelerometer: {why}: used without it", "hardware.md, section 14")
    pull_m_s2 = float(np.linalg.norm(pulled.rate.mean(axis=0)))
    measured += f"; its accelerometer feels {pull_m_s2:.1f} m/s² (9.8 at rest)"
    return ok("gyro", measured, rate_hz=round(rate_hz, 1), pull_m_s2=round(pull_m_s2, 2))


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
