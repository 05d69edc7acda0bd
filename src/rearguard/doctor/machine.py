"""The machine: board, power, heat, disk, clock, account, service."""

from __future__ import annotations

import grp
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from rearguard.clock import clock_synced
from rearguard.doctor.finding import CheckContext, Finding, State, fail, ok, warn
from rearguard.journal.paths import journal_folder

UNIT = "rearguard.service"
WARM_C, HOT_C = 70.0, 80.0  # a Pi slows down from 80 °C on; 70 °C at rest leaves nothing for a run
_SLOW_FSYNC_MS = 200.0

# Bits of the firmware's get_throttled, as in Raspberry Pi's documentation of vcgencmd: now, and since boot.
_THROTTLED = (
    (0, 16, "undervoltage"),
    (1, 17, "clock capped"),
    (2, 18, "throttled"),
    (3, 19, "soft temperature limit"),
)


def board(patient: CheckContext) -> Finding:
    """A Raspberry Pi, 64-bit, with a Python that has wheels."""
    python = f"Python {platform.python_version()} on {platform.machine()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return warn("board", python, "use Python 3.11 to 3.13: others were not tried")
    if patient.board is None:
        return warn(
            "board", f"not a Raspberry Pi; {python}", "fine for trying and reviewing, not for wearing"
        )
    if sys.maxsize <= 2**32:
        return fail("board", f"{patient.board}, 32-bit system", "install the 64-bit Raspberry Pi OS")
    return ok("board", f"{patient.board}; {python}")


def power(patient: CheckContext) -> Finding:
    """Undervoltage and throttling, now and since boot."""
    bits = _get_throttled(patient)
    if bits is None:
        if patient.board:
            return warn("power", "vcgencmd does not answer", "add yourself to the group video, log in again")
        return warn("power", "no undervoltage sensor: not a Raspberry Pi")
    now = [word for bit, _, word in _THROTTLED if bits >> bit & 1]
    before = [word for _, bit, word in _THROTTLED if bits >> bit & 1]
    remedy = "a power bank and cable for 5 V / 3 A (Pi 5: 5 A), no longer than needed; see hardware.md"
    if now:
        return fail("power", f"{', '.join(now)} right now (0x{bits:x})", remedy)
    if before:
        return warn("power", f"{', '.join(before)} since boot (0x{bits:x})", remedy)
    return ok("power", "no undervoltage, no throttling since boot")


def _get_throttled(patient: CheckContext) -> int | None:
    for sysfs in ("/sys/devices/platform/soc/soc:firmware/get_throttled", "/sys/class/thermal/get_throttled"):
        with suppress(OSError, ValueError):
            return int(patient.path(sysfs).read_text(), 16)
    vcgencmd = shutil.which("vcgencmd")
    if vcgencmd is None or not patient.board:
        return None
    text = _run([vcgencmd, "get_throttled"])
    with suppress(ValueError):
        return int(text.strip().partition("=")[2], 16)
    return None


def temperature(patient: CheckContext) -> Finding:
    """The hottest sensor of the processor."""
    readings = []
    for zone in sorted(patient.path("/sys/class/thermal").glob("thermal_zone*/temp")):
        with suppress(OSError, ValueError):
            readings.append(int(zone.read_text()) / 1000)
    if not readings:
        return warn("temperature", "no sensor here")
    hottest = max(readings)
    text = f"{hottest:.0f} °C"
    remedy = "open the box to the air, away from the body; heat sink or fan; see hardware.md"
    if hottest >= HOT_C:
        return fail("temperature", text, remedy, temperature_c=hottest)
    if hottest >= WARM_C:
        return warn("temperature", text, remedy, temperature_c=hottest)
    return ok("temperature", text, temperature_c=hottest)


def disk(patient: CheckContext) -> Finding:
    """Room for the journal, and how long it takes to get a near miss onto the card for good."""
    folder = journal_folder(patient.config.journal, reading=True)
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        free_mb = shutil.disk_usage(there).free / 1e6
    except OSError as e:
        return fail("disk", f"{there}: {e.strerror}", "check the SD card: `dmesg | grep mmc`")
    floor = patient.config.health.min_disk_mb
    if free_mb < floor:
        remedy = f"free at least {floor} MB; `rearguard log` and its pictures expire by themselves"
        return fail("disk", f"{free_mb:.0f} MB free for {folder}", remedy, free_mb=free_mb)
    if not os.access(there, os.W_OK):
        if patient.service_active:
            return ok("disk", f"{free_mb:.0f} MB free for {folder}, written by the service", free_mb=free_mb)
        return fail(
            "disk", f"{there} cannot be written", f"sudo chown -R $USER {there}, or set journal.folder"
        )
    took_ms = _fsync_ms(there)
    text = f"{free_mb:.0f} MB free for {folder}, a write lasts after {took_ms:.0f} ms"
    if took_ms > _SLOW_FSYNC_MS:
        return warn(
            "disk", text, "an A1/A2 card of a known make is quicker", free_mb=free_mb, fsync_ms=took_ms
        )
    return ok("disk", text, free_mb=free_mb, fsync_ms=took_ms)


def _fsync_ms(folder: Path) -> float:
    probe = folder / f".rearguard-doctor-{os.getpid()}"
    try:
        fd = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            began = time.perf_counter()
            os.write(fd, b"\0" * 4096)
            os.fsync(fd)
            return 1000 * (time.perf_counter() - began)
        finally:
            os.close(fd)
    finally:
        probe.unlink(missing_ok=True)


def clock(patient: CheckContext) -> Finding:
    """Whether wall times in the log can be believed; no decision depends on it."""
    text = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    if clock_synced():
        return ok("clock", f"{text}, synchronised")
    if any(patient.path("/dev").glob("rtc*")):
        return ok("clock", f"{text}, from a hardware clock, not synchronised in this boot")
    remedy = "connect to a network once after start, or fit a clock module (Pi 5: a battery on J5)"
    return warn("clock", f"{text}, not synchronised: dates in the log may be wrong", remedy)


def permissions(patient: CheckContext) -> Finding:
    """The groups that give this user access to cameras and pins."""
    if patient.board is None:
        return ok("permissions", "nothing needed: not a Raspberry Pi")
    if os.geteuid() == 0:
        return ok("permissions", "root")
    mine = set()
    for gid in {os.getegid(), *os.getgroups()}:
        with suppress(KeyError):
            mine.add(grp.getgrgid(gid).gr_name)
    missing = [name for name in ("video", "gpio") if name not in mine]
    if missing:
        remedy = f"sudo usermod -aG {','.join(missing)} $USER, then log in again"
        return fail("permissions", f"not in the group {' and '.join(missing)}", remedy)
    return ok("permissions", "in the groups video and gpio")


def service(patient: CheckContext) -> Finding:
    """Whether rearguard starts by itself, and how often it had to be started anew."""
    state = service_state()
    if state is None:
        return warn("service", "no systemd here")
    if state.get("LoadState") != "loaded":
        remedy = "sudo make install" if patient.board else ""
        return warn("service", "not installed", remedy)
    status = state.get("StatusText") or state.get("SubState", "")
    restarts = int(state.get("NRestarts") or 0)
    text = f"{state.get('ActiveState')}: {status}, {restarts} restarts"
    if state.get("ActiveState") == "failed":
        return fail("service", text, f"journalctl -u {UNIT} -n 50", restarts=restarts)
    if state.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        return warn(
            "service", f"{text}, not enabled", f"sudo systemctl enable --now {UNIT}", restarts=restarts
        )
    if restarts > 0:
        return warn(
            "service", text, f"journalctl -u {UNIT} -n 50 tells why it started anew", restarts=restarts
        )
    return ok("service", text, restarts=restarts)


def service_state() -> dict[str, str] | None:
    """What systemd knows of the service; None where it does not run."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/run/systemd/system").is_dir():
        return None
    asked = "LoadState,ActiveState,SubState,StatusText,NRestarts,UnitFileState"
    lines = _run([systemctl, "show", UNIT, f"--property={asked}"]).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line) or None


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def configuration(patient: CheckContext) -> Finding:
    """The configuration that would be used."""
    if patient.config_error is not None:
        return fail("config", patient.config_error, "mend the file; `rearguard config check` tells more")
    if patient.config_file is None:
        return ok("config", "the defaults: no file of your own")
    return ok("config", str(patient.config_file))


def worst(findings: list[Finding]) -> State:
    """The worst state of all."""
    order = [State.OK, State.WARN, State.FAIL]
    return max((finding.state for finding in findings), key=order.index, default=State.OK)
