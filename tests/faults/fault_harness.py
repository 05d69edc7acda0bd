"""Drives one fault into the real `rearguard run` on a simulated outing and tells what the wearer felt."""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_cases import BLIND_OR_FAULT, Case

Run = subprocess.Popen[bytes]
HERE = Path(__file__).parent
AFTER_S = 2.0
ALIVE_S = 2.0
_CUE_AND_GAP_NS = 2_650_000_000  # BLIND, and the second a flicker is given
SIGHT = {"READY", "ALIVE", "NOTICE", "CAUTION", "CRITICAL"}
MUTED_NS = 4_000_000_000  # of the five seconds from the press on
# A loaded test machine drops frames; a fault cue for that is right and no news here.
BY_LOAD = {"vision_silent", "low_frame_rate", "slow_detector", "out_of_aim"}
# A picture and a network that leave a busy machine time to spare.
SMALL = """
[camera]
width_px = 320
height_px = 180
[detect]
threads = 1
input_px = 65536
closer_share = 0.0
"""
CONFIG = f"""{SMALL}
[cue]
alive_every_s = {ALIVE_S}
[warden]
button_pin = 27
mute_s = 5
hung_s = 2.5
restart_backoff_s = 0.2
[gyro]
[health]
repeat_every_s = 1.0
min_fps = 2
min_disk_mb = 10
[sound]
"""


@dataclass
class Outcome:
    """What came of one case. Times in seconds; `silence_s` is the longest without any motor on, while on watch."""

    case: Case
    felt: str = ""
    after_s: float | None = None
    silence_s: float = 0.0
    recovered: bool = False
    restarts: int = 0
    wrong: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    stderr: str = ""

    def row(self) -> dict[str, Any]:
        """For --json."""
        return {
            "fault": self.case.name,
            "what": self.case.what,
            "felt": self.felt or None,
            "after_s": self.after_s,
            "longest_silence_s": self.silence_s,
            "recovered": self.recovered,
            "restarts": self.restarts,
            "wrong": self.wrong,
        }


def memory_folder() -> str | None:
    """Where a trace costs no disk access, so that a busy disk cannot hold up the warden that writes it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_case(case: Case, folder: Path) -> Outcome:
    """One outing of about eight seconds with the fault in it."""
    folder.mkdir(parents=True, exist_ok=True)
    trace, journal, config = folder / "trace.jsonl", folder / "journal", folder / "rearguard.toml"
    section, more = case.config
    config.write_text(CONFIG.replace(f"[{section}]", f"[{section}]\n{more}") if section else CONFIG)
    journal.mkdir()
    if case.name == "journal_corrupt":
        _make_journal(folder)
        for path in journal.glob("*.db*"):
            path.write_bytes(b"this is no database " * 500)
    elif case.name == "journal_readonly":
        (journal / "below").write_text("a file where the folder should be")
    env = os.environ | {
        "REARGUARD_FAULT": "+".join(case.strikes or [case.name]),
        "REARGUARD_FAULT_PRESSES": json.dumps([AFTER_S + at for press in case.presses for at in press]),
        "REARGUARD_FAULT_AFTER_S": str(AFTER_S),
        "REARGUARD_FAULT_TRACE": str(trace),
        "REARGUARD_FAULT_JOURNAL": str(journal),
        "GPIOZERO_PIN_FACTORY": "mock",
        "HOME": str(folder),
    }
    if section == "sound":
        env |= {"FAKE_SOUND": str(folder), "PYTHONPATH": str(HERE.parent / "helpers" / "fake_sound")}
    try:
        with _hogs(case.load), _disk(journal, full=case.name == "disk_full_at_start"):
            stderr = _run(case, folder, env)
    except subprocess.CalledProcessError:
        return Outcome(case, felt="(no right to mount a disk)", recovered=True)
    outcome = Outcome(case, stderr=stderr[0])
    outcome.events = [json.loads(line) for line in trace.read_text().splitlines()]
    _judge(outcome, stderr[1], journal)
    return outcome


def _command(case: Case, folder: Path) -> list[str]:
    journal = folder / "journal"
    if case.name == "journal_readonly":
        journal = journal / "below" / "it"
    source = f"sim:empty?gait=off&duration={AFTER_S + case.lasts_s:g}"
    return [
        sys.executable, str(HERE / "run_with_faults.py"), "run", "--source", source, "--fps", "10", "--realtime",
        "--json", "--journal", str(journal), "--config", str(folder / "rearguard.toml"),
    ]  # fmt: skip


def _make_journal(folder: Path) -> None:
    from rearguard.journal.db.store import Journal

    Journal.open(folder / "journal").close()


def _run(case: Case, folder: Path, env: dict[str, str]) -> tuple[str, int]:
    """Run the command, doing to it from outside what the case asks; stderr and exit code."""
    with (folder / "stderr").open("wb") as errors:
        start = functools.partial(
            subprocess.Popen, _command(case, folder), env=env, stdout=subprocess.DEVNULL, stderr=errors
        )
        run = start()
        if case.deeds:
            _wait_for(folder / "trace.jsonl", "judged")
            began = time.monotonic() + AFTER_S
            for at_s, deed in case.deeds:
                time.sleep(max(0.0, began + at_s - time.monotonic()))
                run = _do(deed, run, folder, start)
                if (at_s, deed) == case.deeds[0] and not case.strikes:
                    with (folder / "trace.jsonl").open("a") as trace:
                        trace.write(json.dumps({"t": time.monotonic_ns(), "what": "fault"}) + "\n")
        try:
            code = run.wait(timeout=90)
        except subprocess.TimeoutExpired:
            run.kill()
            code = run.wait()
    return (folder / "stderr").read_text(errors="replace"), code


def _do(deed: str, run: Run, folder: Path, start: Callable[[], Run]) -> Run:
    """One deed of a case to the warden `run`. Returns the warden from then on."""
    if deed == "rubbish":
        (folder / "rearguard.toml").write_text("[cue]\npins = 'rubbish")
    elif deed == "start":  # systemd's part
        run.wait()
        return start()
    elif deed == "no memory":
        used = int(Path(f"/proc/{run.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(run.pid, resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
    elif deed == "memory":
        resource.prlimit(run.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        run.send_signal(signal.Signals[deed])
    return run


@contextmanager
def _hogs(count: int) -> Iterator[None]:
    """So many other programs that want a core each."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@contextmanager
def _disk(folder: Path, *, full: bool) -> Iterator[None]:
    """A small file system of its own for the journal, filled to the last byte; needs the right to mount."""
    if not full:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    try:
        with suppress(OSError), (folder / "somebody-else's").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _wait_for(trace: Path, what: str) -> None:
    for _ in range(600):
        if trace.exists() and f'"{what}"' in trace.read_text():
            return
        time.sleep(0.05)


def _judge(outcome: Outcome, code: int, journal: Path) -> None:
    case, events = outcome.case, outcome.events
    outcome.restarts = max(0, sum(e["what"] == "start" for e in events) - 1)
    if code != case.code:
        outcome.wrong.append(f"exit code {code}, not {case.code}")
    if case.said and case.said not in outcome.stderr:
        outcome.wrong.append(f"stderr does not say {case.said!r}")
    struck = next((e["t"] for e in events if e["what"] == "fault"), None)
    if struck is None and case.since == "start":
        struck = next((e["t"] for e in events if e["what"] == "judged"), None)
    if struck is None:
        if case.felt:
            outcome.wrong.append("the fault never struck")
        struck = events[0]["t"]
    felt = [e for e in events if e["what"] == "felt"]
    _check_felt(outcome, struck, [e for e in felt if e["t"] >= struck])
    _check_silence(outcome)
    _check_order(case, outcome, [e["cue"] for e in felt if e["t"] >= struck])
    signs = [e["t"] for e in felt if e["cue"] in SIGHT and e["t"] > struck + 500_000_000]
    outcome.recovered = bool(signs)
    if case.recovers and not signs:
        outcome.wrong.append("no sign of sight afterwards")
    if any(e["what"] == "left" for e in events) and [e for e in events if e["what"] == "pin"][-1:]:
        last = [e for e in events if e["what"] == "pin"][-1]
        if last["on"]:
            outcome.wrong.append("the motor was left on")
    if case.logged and not any(name.startswith(case.logged) for name in _logged(journal)):
        outcome.wrong.append(f"{case.logged} is not in the journal")
    if case.marks and len(_logged(journal, "SELECT at_ns FROM mark")) != case.marks:
        outcome.wrong.append("the moment is not marked in the journal")


def _check_felt(outcome: Outcome, struck: int, felt: list[dict[str, Any]]) -> None:
    """The expected cue in time, or, where nothing should change, no fault cue without a cause."""
    case = outcome.case
    if not case.felt:
        for e in felt:
            reasons = set(e["reason"].split(", ")) - BY_LOAD
            if e["cue"] in ("BLIND", "FAULT", "DEGRADED", "LOW_POWER") and reasons:
                outcome.wrong.append(f"{e['cue']} for {e['reason']}")
        return
    told = next((e for e in felt if e["cue"] in case.felt and case.reason in e["reason"]), None)
    if told is None:
        outcome.wrong.append(f"none of {', '.join(case.felt)} was felt for {case.reason or 'it'}")
        return
    since = struck
    if case.since == "heartbeat":
        since = max(
            (e["t"] for e in outcome.events if e["what"] == "judged" and e["t"] <= told["t"]), default=struck
        )
        if case.reason != "vision_died":  # a died process is known of at once, also during a cue
            since = min(since, told["t"])
    # A fault cue that plays, or has just ended, is not told anew at once: a flicker must not buzz on.
    before = [e["t"] for e in outcome.events if e["what"] == "felt" and e["cue"] in BLIND_OR_FAULT]
    since = max([since, *(min(t + _CUE_AND_GAP_NS, told["t"]) for t in before if t < told["t"])])
    outcome.felt, outcome.after_s = told["cue"], round((told["t"] - since) / 1e9, 3)
    if outcome.after_s > case.within_s:
        outcome.wrong.append(f"{told['cue']} came after {outcome.after_s} s, not {case.within_s}")


def _check_order(case: Case, outcome: Outcome, cues: list[str]) -> None:
    """What must come, in this order, and what must not."""
    rest = iter(cues)
    for cue in case.then:
        if cue not in rest:  # takes all up to it
            outcome.wrong.append(f"no {cue} in its place: {', '.join(cues)}")
            break
    outcome.wrong += [f"{cue} was felt" for cue in case.never if cue in cues]
    if "MUTED" in case.then and "MUTED" in cues:
        outcome.wrong += _check_mute(outcome.events)


def _check_mute(events: list[dict[str, Any]]) -> list[str]:
    """What was felt within the mute and should not have been."""
    felt = [e for e in events if e["what"] == "felt"]
    muted = next(e["t"] for e in felt if e["cue"] == "MUTED")
    return [
        f"{e['cue']} was felt though muted"
        for e in felt
        if muted < e["t"] < muted + MUTED_NS and e["cue"] not in ("CRITICAL", "ALIVE")
    ]


def _check_silence(outcome: Outcome) -> None:
    """From READY until the source ends, no motor may be off for longer than the alive gap and 0.5 s."""
    last: int | None = None
    over = False
    for e in outcome.events:
        if e["what"] == "warden" or (e["what"] == "fault" and outcome.case.name == "warden_sigkill"):
            last, over = None, False  # nobody is there; systemd starts the warden, and READY will tell
        elif last is not None and not over and (e.get("on") or _ends(e)):
            outcome.silence_s = max(outcome.silence_s, round((e["t"] - last) / 1e9, 3))
        if e["what"] == "pin":
            last = e["t"]
        over = over or _ends(e)
    limit_s = ALIVE_S + 0.5 + outcome.case.may_be_silent_s
    if outcome.silence_s > limit_s:
        outcome.wrong.append(f"silent for {outcome.silence_s} s")


def _ends(event: dict[str, Any]) -> bool:
    """Whether the source has come to its end, and with it the watch."""
    return bool(event["what"] == "ended" and event["code"] == 0)


def _logged(journal: Path, sql: str = "SELECT fault FROM fault") -> set[str]:
    database = next(iter(journal.glob("*.db")), None) if journal.is_dir() else None
    if database is None:
        return set()
    db = sqlite3.connect(database)
    try:
        return {str(row[0]) for row in db.execute(sql)}
    finally:
        db.close()
