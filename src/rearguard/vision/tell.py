"""How a summary is printed: an object for scripts, a few tables for people."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import msgspec

from rearguard.config import load
from rearguard.errors import BadInput
from rearguard.journal.place import journal_folder
from rearguard.vision.job import Job
from rearguard.vision.summary import Summary


def tell(summary: Summary, job: Job) -> None:
    """Print to stdout as `job.summary` says: "json", "text" or "none". A closed pipe is nobody's fault."""
    try:
        if job.summary == "json":
            sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        elif job.summary == "text":
            _as_text(summary, _show_command(job))
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
            "–" if n.id is None else str(n.id),
            f"{n.t_s:.1f} s",
            n.level,
            n.label,
            n.side,
            _s(n.min_ttc_s),
            "–" if n.range_m is None else f"{n.range_m:.1f} m",
            _s(n.lead_time_s),
        )
    console.print(near if summary.near_misses else "No near miss was logged.")
    if summary.near_misses:
        console.print(f"See one with `{show_command}`.", highlight=False, soft_wrap=True, markup=False)


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
