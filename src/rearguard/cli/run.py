"""`rearguard run`: arm and warn. This process becomes the warden."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from rearguard.cli.options import config_option, json_option, writes_journal
from rearguard.config import Config, load


@click.command(
    epilog="""\b
Examples:
  rearguard run --source picamera2             what the service does
  rearguard run --source webcam:0              on a laptop
  rearguard run --source outing.mp4 --json     judge a recording
  rearguard run --source photos/ --fps 14      a folder of pictures
  rearguard run --source "sim:stand?speed=3.5" a simulated world

\b
A file or a folder is judged on its own time: every frame, as fast as the machine can, without buzzing.
With --realtime it is played at its own speed and felt. A camera is always live.

\b
Ctrl-C stops it. A terminal that goes away does not: whoever runs out of reach of an SSH session is still
warned. `pkill -f "rearguard run"` stops that one."""
)
@click.option(
    "--source",
    required=True,
    metavar="WORD",
    help="picamera2, webcam:N, a video file, a folder of pictures, or sim:NAME.",
)
@click.option(
    "--fps", type=click.FloatRange(1, 240), help="Frames per second of a file that does not say, or of a sim."
)
@click.option(
    "--realtime", is_flag=True, help="Play a file or simulation at its own speed, dropping late frames."
)
@click.option("--show", is_flag=True, help="Draw the outing live in the terminal.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of a simulated world.")
@writes_journal()
@config_option
@json_option
def run(
    source: str,
    fps: float | None,
    realtime: bool,
    show: bool,
    seed: int,
    journal_folder: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Arm, and warn until stopped; a file or a simulation stops at its end."""
    live = realtime or source.startswith(("webcam:", "picamera2"))
    sys.exit(
        see_through(
            load(config_file),
            source,
            fps=fps,
            live=live,
            realtime=realtime,
            show=show and not as_json,
            seed=seed,
            journal=journal_folder,
            summary="json" if as_json else "text",
        )
    )


def see_through(
    config: Config,
    source: str,
    *,
    fps: float | None,
    live: bool,
    realtime: bool,
    show: bool,
    seed: int,
    journal: Path | None,
    summary: str,
) -> int:
    """Start vision on `source` under this process as its warden; the exit code when it is over."""
    from rearguard.warden.process import run_warden

    # The same keys as rearguard.vision.job.Job, which is not imported: the warden stays small.
    job = msgspec.json.encode(
        {
            "config": config,
            "source": source,
            "fps": fps,
            "realtime": realtime,
            "seed": seed,
            "journal": str(journal.resolve()) if journal else "",
            "show": show,
            "summary": summary,
        }
    ).decode()
    argv = [sys.executable, "-m", "rearguard.vision", "--job", job]
    return run_warden(config, argv, realtime=live, patient=not _watched())


def _watched() -> bool:
    """Whether somebody sits before it, at a terminal; not so for the service."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
