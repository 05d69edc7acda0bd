"""The faults, as a table: what is done to rearguard, and what the wearer must feel of it."""

from __future__ import annotations

from dataclasses import dataclass

BLIND_OR_FAULT = ("BLIND", "FAULT")


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    `felt`: cues of which one must begin within `within_s` of `since`: the moment of the fault, or the last
    judged frame before it ("heartbeat"). Empty: it must change nothing. `reason`: must be part of that cue's
    reason. `recovers`: a sign of sight (READY, ALIVE) must be felt afterwards. `logged`: how a
    trouble that must stand in the journal begins. `said`: must be on stderr. `code`: the command's exit code.
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


# A process that dies slowly, its journal still being written, is first told of by its silence.
DIED = {"felt": BLIND_OR_FAULT, "reason": "vision_", "logged": "vision_"}
SILENT = {"felt": ("BLIND",), "reason": "vision_silent", "logged": "vision_"}

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
    Case("covered", "the lens is covered", ("BLIND",), 1.2, "fault", "covered", logged="covered"),
    Case("dark", "it is dark", ("BLIND",), 1.2, "fault", "dark", logged="dark"),
    Case("glare", "the sun stands in the picture", ("DEGRADED",), 1.2, "fault", "glare", logged="glare"),
    Case("detector_nan", "the detector returns not-a-number", **DIED, said="not a number"),
    Case("detector_slow", "the detector is ten times slower", ("BLIND", "DEGRADED"), 1.0, "fault"),
    Case("hundred_tracks", "a hundred things are detected at once"),
    Case("thousand_cues", "a thousand verdicts come per second", ("CRITICAL",), 0.2, "fault"),
    Case("gpio_missing", "a Pi has no GPIO device", recovers=False, said="no GPIO", code=3),
    Case("gpio_error", "the motor's pin fails for two seconds", ("FAULT",), 4.0, "fault", "motor_failed"),
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
    Case("clock_forward", "the wall clock jumps an hour ahead"),
    Case("clock_back", "the wall clock jumps an hour back"),
    Case("terminal_closed", "stdin, stdout and stderr are closed"),
    Case("config_changed", "the configuration file is overwritten with rubbish"),
    Case("warden_sigkill", "the warden is killed and started again", recovers=True),
)  # fmt: skip
