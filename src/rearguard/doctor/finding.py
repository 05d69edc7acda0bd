"""What a check says: a state, what was measured, and the way out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rearguard.config import Config


class State(StrEnum):
    """`warn`: rearguard runs, with less than it could; `fail`: it would not protect anyone."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. `remedy` is empty when there is nothing to do."""

    check: str
    state: State
    measured: str
    remedy: str = ""
    numbers: dict[str, float] = field(default_factory=dict)  # for --json; units in the names


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What is examined: the configuration (defaults if it is broken) and where things are.

    `root` is where /proc, /sys, /dev and /etc are looked for, so that a test can lay out a machine.
    """

    config: Config
    config_file: Path | None = None
    config_error: str | None = None
    root: Path = Path("/")
    service_active: bool = False
    quick: bool = False  # one run of the model shows that it works, but not how fast

    def path(self, name: str) -> Path:
        """An absolute path of the machine."""
        return self.root / name.lstrip("/")

    @property
    def board(self) -> str | None:
        """The Raspberry Pi's model, as its firmware tells it; None on any other machine."""
        try:
            text = self.path("/proc/device-tree/model").read_text(errors="replace").strip("\0\n ")
        except OSError:
            return None
        return text if "Raspberry Pi" in text else None

    def absent(self) -> State:
        """How bad it is that a Pi's own part is missing here: nothing unusual on a laptop."""
        return State.FAIL if self.board else State.WARN


def ok(check: str, measured: str, **numbers: float) -> Finding:
    return Finding(check, State.OK, measured, "", numbers)


def warn(check: str, measured: str, remedy: str = "", **numbers: float) -> Finding:
    return Finding(check, State.WARN, measured, remedy, numbers)


def fail(check: str, measured: str, remedy: str, **numbers: float) -> Finding:
    return Finding(check, State.FAIL, measured, remedy, numbers)
