"""What happened in an outing, as one object: the `--json` of `run` and `demo`, and the closing lines."""

from __future__ import annotations

import shlex
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import load
from rearguard.cue.ledger import CueLine
from rearguard.cue.table import CUES, Kind
from rearguard.errors import BadInput
from rearguard.ipc import Job
from rearguard.journal.paths import journal_folder
from rearguard.track.associate import crowding
from rearguard.types import Cue, NearMiss, Region, Threat, TrueThing
from rearguard.vision.pipeline import FrameResult

_REMEMBERED = 256  # frames, without their pictures: a cue is told of a moment after its frame
_SAME_THING_IOU = 0.2
_UNTOLD = {"trace", "track", "kind", "first_ns", "warned_ns", "worst_ns", "released_ns", "worst_seq"}


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """Which weights judged, run by what."""

    name: str
    digest: str
    runtime: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outing. `fps` is the rate at which frames were judged, `duration_s` the source's time.

    `assumed`: what was taken for granted of a recording, its lens and its times, a line each. `cut`: that its end is
    missing, and after which frame; None for a whole one. `own_parts`: regions that `camera.ignore` could leave out.
    """

    source: str
    assumed: tuple[str, ...]
    cut: str | None
    frames: int
    fps: float
    duration_s: float
    dropped: int
    cues: list[CueLine]
    near_misses: list[dict[str, Any]]
    own_parts: tuple[Region, ...]
    faults: list[CueLine]
    signs: list[CueLine]
    model: ModelLine
    config: str
    took_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a frame was judged to show, and what was there."""

    seq: int
    threats: tuple[Threat, ...]
    truth: tuple[TrueThing, ...]


class OutingLedger:
    """Collects what a summary tells while the outing goes on; bounded but for what was felt."""

    def __init__(self) -> None:
        self.frames = 0
        self.felt: dict[Kind, list[CueLine]] = {kind: [] for kind in Kind}
        self._first_ns = 0
        self._last_ns = 0
        self._recent: deque[_Judged] = deque(maxlen=_REMEMBERED)
        self._took: dict[str, float] = {}

    def note_frame(self, step: FrameResult) -> None:
        """Take note of a judged frame."""
        if self.frames == 0:
            self._first_ns = step.frame.captured_ns
        self._last_ns = step.frame.captured_ns
        self.frames += 1
        self._recent.append(_Judged(step.frame.seq, step.verdict.threats, step.frame.truth))
        for stage, seconds in step.took_s.items():
            self._took[stage] = self._took.get(stage, 0.0) + seconds

    def note_cue(self, cue: Cue) -> None:
        """Take note of a cue that began to play."""
        judged = next((j for j in reversed(self._recent) if j.seq == cue.seq), None)
        line = CueLine.of(cue, self._first_ns, _label(judged, cue.track), _true_ttc_s(judged, cue.track))
        self.felt[CUES[cue.cue].kind].append(line)

    def seconds(self, at_ns: int) -> float:
        """A moment on the source's clock as seconds since its first frame."""
        return (at_ns - self._first_ns) / NS_PER_S

    @property
    def duration_s(self) -> float:
        return (self._last_ns - self._first_ns) / NS_PER_S

    @property
    def took_ms(self) -> dict[str, float]:
        """Mean milliseconds a frame spends in each stage."""
        return {k: round(1000 * v / max(1, self.frames), 2) for k, v in self._took.items()}

    def near_miss(self, seen: NearMiss, id_: int | None) -> dict[str, Any]:
        """A near miss as the summary tells it; `id_` is None when it could not be written."""
        told = {k: v for k, v in msgspec.structs.asdict(seen).items() if k not in _UNTOLD}
        told = {k: round(v, 3) if isinstance(v, float) else v for k, v in told.items()}
        return {"id": id_, **told, "level": seen.level.name, "t_s": round(self.seconds(seen.worst_ns), 3)}


def _true_ttc_s(judged: _Judged | None, track: int | None) -> float | None:
    """The true time to collision of the thing a track follows, where the world knows it."""
    threat = next((t for t in judged.threats if t.track == track), None) if judged else None
    if judged is None or threat is None:
        return None
    best: tuple[float, TrueThing] | None = None
    for thing in judged.truth:
        if thing.box is not None:
            # A patch is a part of the wall or the branch it belongs to.
            patch = threat.kind != "detected"
            overlap = crowding(threat.box, [thing.box]) if patch else thing.box.iou(threat.box)
            if best is None or overlap > best[0]:
                best = (overlap, thing)
    return best[1].ttc_s if best is not None and best[0] >= _SAME_THING_IOU else None


def _label(judged: _Judged | None, track: int | None) -> str | None:
    return next((t.label for t in judged.threats if t.track == track), None) if judged else None


def print_summary(summary: Summary, job: Job) -> None:
    """Print to stdout as `job.summary` says: "json", "text" or "none". A closed pipe is no error."""
    try:
        if job.summary == "json":
            sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        elif job.summary == "text":
            _as_text(summary, _show_command(job))
            _tell_own_parts(summary.own_parts, job)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()


def _as_text(summary: Summary, show_command: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"{summary.frames} frames of {summary.source}, {summary.duration_s:.1f} s, judged at "
        f"{summary.fps:.1f} per second with {summary.model.name} on {summary.model.runtime}",
        highlight=False,
    )
    for line in summary.assumed:
        console.print(line, highlight=False, markup=False, style="dim")
    cues = Table(title="What was felt", title_justify="left", box=None, pad_edge=False)
    for column in ("at", "cue", "side", "what", "TTC felt", "true TTC", "why"):
        cues.add_column(column, justify="right" if column in ("at", "TTC felt", "true TTC") else "left")
    for c in summary.cues:
        cues.add_row(f"{c.t_s:.1f} s", c.cue, c.side, c.label or "", _s(c.ttc_s), _s(c.true_ttc_s), c.reason)
    for f in summary.faults:
        cues.add_row(f"{f.t_s:.1f} s", f.cue, "", "", "", "", f.reason)
    console.print(cues if summary.cues or summary.faults else "Nothing was felt but signs of life.")
    near = Table(title="Near misses", title_justify="left", box=None, pad_edge=False)
    for column in ("id", "at", "level", "what", "side", "least TTC", "range then", "lead time"):
        near.add_column(column, justify="left" if column in ("level", "what", "side") else "right")
    for n in summary.near_misses:
        near.add_row(
            "–" if n["id"] is None else str(n["id"]),
            f"{n['t_s']:.1f} s",
            n["level"],
            n["label"],
            n["side"],
            _s(n["min_ttc_s"]),
            "–" if n["range_m"] is None else f"{n['range_m']:.1f} m",
            _s(n["lead_time_s"]),
        )
    console.print(near if summary.near_misses else "No near miss was logged.")
    if summary.near_misses:
        console.print(f"See one with `{show_command}`.", highlight=False, soft_wrap=True, markup=False)


def _tell_own_parts(found: tuple[Region, ...], job: Job) -> None:
    """What stayed in the picture while the world flowed by, as the setting that leaves it out."""
    if found:
        setting = [list(region) for region in (*job.config.camera.ignore, *found)]
        sys.stdout.write(
            f"Something of yours stayed in the picture. Move it away, or set camera.ignore = {setting}; "
            "`rearguard aim` shows where.\n"
        )


def _show_command(job: Job) -> str:
    """How to see a near miss of this outing: with --journal unless `show` finds its journal without."""
    folder = (Path(job.journal) if job.journal else journal_folder(job.config.journal)).absolute()
    try:
        usual = journal_folder(load().journal, reading=True).absolute()
    except BadInput:  # the outing ran under a configuration of its own
        usual = None
    if folder == usual:
        return "rearguard show ID"
    here = Path.cwd()
    named = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return f"rearguard show ID --journal {shlex.quote(str(named))}"


def _s(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"
