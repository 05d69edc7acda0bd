"""The faults, as a table: what is done to rearguard, and what the wearer must feel of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from rearguard.cue.table import CUES
from rearguard.types import CueName

BLIND_OR_FAULT = ("BLIND", "FAULT")


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    `felt`: cues of which one must begin within `within_s` of `since`: the moment of the fault, or the last
    judged frame before it ("heartbeat"). Empty: it must change nothing. `reason`: must be part of that cue's
    reason. `recovers`: a sign of sight (READY, ALIVE) must be felt afterwards. `logged`: how a
    fault that must stand in the journal begins. `said`: must be on stderr. `code`: the command's exit code.

    `strikes`: what is driven into vision and pins, if not `name`; "covered:7" for seven seconds of it. `deeds`: what
    is done to the warden from outside, and `presses` when the button is down, both in seconds from the fault on.
    `then`: cues that must begin in this order, `never`: that must not. `marks`: moments to be marked in the journal.
    """

    name: str
    what: str
    felt: tuple[str, ...] = ()
    within_s: float = 0.5
    since: str = "heartbeat"
    reason: str = ""
    recovers: bool = True
    logged: str = ""
    said: str = ""
    code: int = 0
    lasts_s: float = 6.0  # the outing after the fault
    config: tuple[str, str] = ("", "")  # a section and more of it
    load: int = 0  # other programs that want a core each, from before the start
    strikes: tuple[str, ...] = ()
    deeds: tuple[tuple[float, str], ...] = ()
    presses: tuple[tuple[float, float], ...] = ()
    then: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    marks: int = 0
    may_be_silent_s: float = 0.0  # longer than the alive tick allows: while muted, stopped or without any pin


# A process that dies slowly, its journal still being written, is first told of by its silence.
PRESSED = {"since": "fault", "within_s": 1.2, "lasts_s": 10.0}
TWICE, HELD = ((2.0, 2.1), (2.25, 2.35)), ((2.0, 4.5),)
DIED = {"felt": BLIND_OR_FAULT, "reason": "vision_", "logged": "vision_"}
GYRO = {"felt": ("DEGRADED",), "within_s": 1.5, "since": "fault", "reason": "gyro_failed", "logged": "gyro_failed",
        "config": ("gyro", 'device = "auto"')}  # fmt: skip
SILENT = {"felt": ("BLIND",), "reason": "vision_silent", "logged": "vision_"}

SOUND = ("sound", "enabled = true")

CASES: tuple[Case, ...] = (
    Case("sigkill", "vision is killed", **DIED, said="killed by SIGKILL"),
    Case("sigsegv", "vision crashes in native code", **DIED, said="killed by SIGSEGV"),
    Case("sigstop", "vision is stopped", **SILENT, said="starting it again"),
    Case("busy_loop", "vision spins in an endless loop", **SILENT, said="starting it again"),
    Case("hang", "vision hangs in a call that never returns", **SILENT, said="starting it again"),
    Case("fail_detect", "the detector raises", **DIED),
    Case("fail_ego", "ego-motion raises", **DIED),
    Case("fail_track", "the tracker raises", **DIED),
    Case("fail_judge", "the judge raises", **DIED),
    Case("fail_health", "the picture watch raises", **DIED),
    Case("fail_camera_thread", "the camera's thread raises", **DIED),
    Case("memory", "the memory limit is hit", **DIED),
    Case("camera_hang", "the camera blocks for ever", felt=("BLIND",), reason="no_frame", logged="no_frame",
         said="starting it again"),
    Case("same_buffer", "the same picture comes again with new times", ("BLIND",), 1.0, "fault",
         "repeated_picture", logged="repeated_picture"),
    Case("stuck_time", "the camera's clock stands still", ("BLIND",), 0.6, "heartbeat"),
    Case("unplugged", "the camera is unplugged, and plugged in later", felt=("BLIND",), reason="camera_lost",
         logged="camera_lost", said="camera: not there"),
    Case("half_frame", "one frame is written half"),
    Case("wrong_size", "frames change their size", **DIED, said="changes size"),
    Case("covered", "the lens is covered", ("BLIND",), 1.2, "fault", "path_hidden", logged="covered"),
    Case("dark", "it is dark", ("BLIND",), 1.2, "fault", "dark", logged="dark"),
    Case("glare", "the sun stands in the picture", ("DEGRADED",), 1.2, "fault", "glare", logged="glare"),
    Case("detector_nan", "the detector returns not-a-number", **DIED, said="not a number"),
    Case("detector_slow", "the detector is ten times slower", ("BLIND", "DEGRADED"), 1.0, "fault"),
    Case("hundred_tracks", "a hundred things are detected at once"),
    Case("thousand_cues", "a thousand verdicts come per second", ("CRITICAL",), 0.2, "fault"),
    Case("gpio_missing", "a Pi has no GPIO device", recovers=False, said="no GPIO", code=3),
    Case("gpio_error", "the motor's pin fails for two seconds", ("FAULT",), 4.0, "fault", "motor_failed",
         may_be_silent_s=2.0),
    Case("one_motor", "the left of two motors fails for two seconds", ("FAULT",), 4.0, "fault", "motor_failed",
         config=("cue", "pins = [17, 18]")),
    Case("sound_lost", "the sound device is unplugged for two seconds", ("DEGRADED",), 1.0, "fault", "sound_lost",
         config=SOUND),
    Case("sound_killed", "the sound process is killed", ("DEGRADED",), 1.0, "fault", "sound_silent",
         config=SOUND, said="killed by SIGKILL; starting it again"),
    Case("sound_hung", "the sound server never answers again", ("DEGRADED",), 1.0, "fault", "sound_silent",
         config=SOUND, said="killed; starting it again"),
    Case("critical_while_sound_hangs", "the sound server hangs as CRITICAL begins", ("CRITICAL",), 0.2, "fault",
         config=SOUND, strikes=("sound_hung", "critical:4"), then=("CRITICAL", "DEGRADED"), lasts_s=8.0),
    Case("disk_full", "no file can grow any more", ("DEGRADED",), 8.0, "fault", "_f", lasts_s=9.0),
    Case("disk_nearly_full", "little space is left", ("DEGRADED",), 2.5, "fault", "disk_full", logged="disk_full"),
    Case("fail_journal", "the card has input/output errors", ("DEGRADED",), 8.0, "fault", "journal_failed"),
    Case("journal_locked", "another program holds the log", ("DEGRADED",), 12.0, "fault", "journal_failed",
         lasts_s=13.0),
    Case("journal_corrupt", "the log is damaged from the start"),
    Case("journal_readonly", "the log's folder cannot be written", ("DEGRADED",), 4.0, "start"),
    Case("hot", "the processor is hot", ("DEGRADED",), 2.5, "fault", "hot", logged="hot"),
    Case("undervoltage", "the supply voltage drops", ("LOW_POWER",), 2.5, "fault", "undervoltage",
         logged="undervoltage"),
    Case("gyro_lost", "the gyroscope tells nothing for three seconds", **GYRO),
    Case("gyro_stuck", "the gyroscope tells the same numbers for three seconds", **GYRO),
    Case("gyro_lies", "the gyroscope tells turns that are none for three seconds", **GYRO, lasts_s=9.0),
    Case("clock_forward", "the wall clock jumps an hour ahead"),
    Case("clock_back", "the wall clock jumps an hour back"),
    Case("terminal_closed", "stdin, stdout and stderr are closed"),
    Case("clock_1970", "the wall clock stands in 1970 and leaps to the present"),
    Case("config_changed", "the configuration file is overwritten with rubbish", deeds=((0.0, "rubbish"),)),
    Case("hangup", "the same, and the terminal hangs up", deeds=((0.0, "rubbish"), (0.1, "SIGHUP"))),
    Case("warden_sigkill", "the warden is killed and started again", deeds=((0.0, "SIGKILL"), (1.0, "start"))),
    Case("warden_stopped", "the warden is stopped for three seconds", deeds=((0.0, "SIGSTOP"), (3.0, "SIGCONT")),
         may_be_silent_s=3.0),
    Case("warden_memory", "vision is killed while the warden gets no memory for three seconds", ("BLIND",), 0.5,
         "heartbeat", "vision_", strikes=("sigkill", "starved_warden"),
         deeds=((-0.3, "no memory"), (3.0, "memory")), lasts_s=10.0),
    Case("disk_full_at_start", "the disk is full to the last byte from the start", ("FAULT",), 6.0, "start",
         "self_test", recovers=False, said="the journal cannot be written"),
    Case("busy_tflite", "rearguard starts with tflite-runtime while three others want two cores",
         ("READY", *BLIND_OR_FAULT, "DEGRADED"), 8.0, "start", recovers=False,
         config=("detect", 'runtime = "tflite"'), load=3),
    Case("pressed_while_blind", "the button mutes BLIND", ("BLIND",), **PRESSED, strikes=("covered:7",),
         presses=((2.0, 2.1),), then=("BLIND", "MUTED", "READY"), may_be_silent_s=3.5),
    Case("marked_while_blind", "the button is pressed twice while BLIND is felt", ("BLIND",), **PRESSED,
         strikes=("covered:5",), presses=TWICE, then=("BLIND", "READY"), never=("MUTED", "SHUTDOWN"), marks=1),
    Case("held_while_blind", "the button is held while BLIND is felt", ("BLIND",), **PRESSED,
         strikes=("covered:9",), presses=HELD, then=("BLIND", "SHUTDOWN"), recovers=False, code=4),
    Case("pressed_while_critical", "the button is pressed while CRITICAL is felt", ("CRITICAL",), **PRESSED,
         strikes=("critical:6",), presses=((2.0, 2.1),), then=("CRITICAL", "MUTED"), never=("SHUTDOWN",)),
    Case("marked_while_critical", "the button is pressed twice while CRITICAL is felt", ("CRITICAL",), **PRESSED,
         strikes=("critical:6",), presses=TWICE, never=("MUTED", "SHUTDOWN"), marks=1),
    Case("held_while_critical", "the button is held while CRITICAL is felt", ("CRITICAL",), **PRESSED,
         strikes=("critical:6",), presses=HELD, then=("CRITICAL", "SHUTDOWN"), recovers=False, code=4),
    Case("held_on_and_on", "the button is held and CRITICAL does not end", ("CRITICAL",), 0.3, "fault", lasts_s=18.0,
         strikes=("critical:30",), presses=HELD, then=("CRITICAL", "SHUTDOWN"), recovers=False, code=4),
)  # fmt: skip

# Of each kind one or two, for what happens when two things break at once.
_PAIRED = ("sigkill", "hang", "fail_detect", "camera_hang", "unplugged", "same_buffer", "covered", "glare",
           "detector_slow", "hundred_tracks", "gpio_error", "fail_journal", "journal_locked", "disk_nearly_full",
           "hot", "undervoltage", "clock_back")  # fmt: skip


def pair(a: Case, b: Case) -> Case:
    """Both at the same moment: the more urgent cue is felt, a second later at the most than of it alone."""
    first = max(a, b, key=lambda case: max((CUES[CueName(cue)].priority for cue in case.felt), default=-1))
    return Case(
        f"{a.name}+{b.name}",
        f"{a.what}, and {b.what}",
        first.felt,
        first.within_s + 1.0,
        "fault",
        strikes=(a.name, b.name),
        lasts_s=max(a.lasts_s, b.lasts_s) + 4.0,  # both are told again before what is over is
        may_be_silent_s=a.may_be_silent_s + b.may_be_silent_s,
    )


def pairs(count: int, seed: int) -> list[Case]:
    """So many of all pairs, drawn."""
    known = {case.name: case for case in CASES}
    every = [pair(known[a], known[b]) for a, b in combinations(_PAIRED, 2)]
    return random.Random(seed).sample(every, min(count, len(every)))
