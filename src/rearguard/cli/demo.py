"""`rearguard demo`: a simulated outing through the real detector."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rearguard.cli.options import config_option, json_option, writes_journal
from rearguard.cli.run import run_session
from rearguard.config import load
from rearguard.ipc import Job

WORLD = "sim:demo"


@click.command(
    epilog="""\b
Examples:
  rearguard demo                watch it
  rearguard demo --headless     only what was felt and logged
  rearguard demo --json | jq .cues"""
)
@click.option("--headless", is_flag=True, help="Show no picture.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the simulated world.")
@writes_journal(Path("out/demo"))
@config_option
@json_option
def demo(headless: bool, seed: int, journal_folder: Path, config_file: Path | None, as_json: bool) -> None:
    """Run backwards through a simulated world for about half a minute.

    The pictures are rendered, the rest is real: detector, tracks, judgement, cues on gpiozero pins (mock pins
    where there is no GPIO) and the near-miss log, which lands in the folder --journal.
    """
    show = not headless and not as_json and sys.stdout.isatty()
    job = Job(
        config=load(config_file),
        source=WORLD,
        show=show,
        seed=seed,
        journal=str(journal_folder.resolve()),
        summary="json" if as_json else "text",
    )
    sys.exit(run_session(job, live=False))
