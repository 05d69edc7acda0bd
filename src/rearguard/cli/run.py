"""`rearguard run`: arm and warn. This process becomes the warden."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rearguard.cli.options import (
    config_option,
    fps_option,
    hfov_option,
    json_option,
    lens_option,
    writes_journal,
)
from rearguard.cli.values import sources
from rearguard.config import load
from rearguard.ipc import Job


class _ListsFaults(click.Command):
    """Its help ends with the faults a simulated camera can have, read from their table only when asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        from rearguard.lab.world.camera_faults import CAMERA_FAULTS

        formatter.write_paragraph()
        formatter.write_text(
            "Faults of a simulated camera, for sim:NAME?fault=A or fault=A,B, from the third second on or with "
            "fault_at=SECONDS and fault_for=SECONDS:"
        )
        formatter.write_dl([(row.name, row.about) for row in CAMERA_FAULTS])


@click.command(
    cls=_ListsFaults,
    epilog="""\b
Examples:
  rearguard run --source picamera2             what the service does
  rearguard run --source webcam:0              on a laptop
  rearguard run --source outing.mp4 --json     judge a recording
  rearguard run --source gopro.mp4 --hfov 118  one whose lens the file says nothing of
  rearguard run --source photos/ --fps 14      a folder of pictures
  rearguard run --source "sim:stand?speed=3.5" a simulated world
  rearguard run --source "sim:stand?fault=frozen-lower" with a camera that half fails

\b
A file or a folder is judged on its own time: every frame, as fast as the machine can, without buzzing.
With --realtime it is played at its own speed and felt. A camera is always live.

\b
Ctrl-C stops it. A terminal that goes away does not: whoever runs out of reach of an SSH session is still
warned. `pkill -f "rearguard run"` stops that one.""",
)
@click.option(
    "--source",
    required=True,
    metavar="WORD",
    shell_complete=sources,
    help="picamera2, webcam:N or webcam:/dev/v4l/by-id/NAME, a video file, a folder of pictures, or sim:NAME.",
)
@fps_option
@hfov_option
@lens_option
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
    hfov_deg: float | None,
    lens: str,
    realtime: bool,
    show: bool,
    seed: int,
    journal_folder: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Arm, and warn until stopped; a file or a simulation stops at its end."""
    live = realtime or source.startswith(("webcam:", "picamera2"))
    job = Job(
        config=load(config_file),
        source=source,
        fps=fps,
        hfov_deg=hfov_deg,
        lens=str(Path(lens).resolve()) if lens.endswith(".toml") else lens,
        realtime=realtime,
        seed=seed,
        journal=str(journal_folder.resolve()) if journal_folder else "",
        show=show and not as_json,
        summary="json" if as_json else "text",
    )
    sys.exit(run_session(job, live=live))


def run_session(job: Job, *, live: bool) -> int:
    """Start vision on a job under this process as its warden; the exit code when it is over."""
    from rearguard.warden.process import run_warden

    argv = [sys.executable, "-m", "rearguard.vision", "--job", job.to_json()]
    return run_warden(job.config, argv, realtime=live, patient=not _watched())


def _watched() -> bool:
    """Whether somebody watches at a terminal; the service has none."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
