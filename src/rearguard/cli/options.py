"""Options several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
THERE = click.Path(path_type=Path, exists=True, dir_okay=False)  # a file that is to be read
FOLDER = click.Path(path_type=Path, file_okay=False)
PLACE = click.Path(path_type=Path)  # a file or a folder, as it comes

config_option = click.option(
    "--config",
    "config_file",
    type=FILE,
    help="Configuration file; by default the user's, then /etc/rearguard/rearguard.toml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")
fps_option = click.option(
    "--fps",
    type=click.FloatRange(1, 240),
    help="Frames per second of a recording, in place of its own times: needed where it has none; or of a sim.",
)
hfov_option = click.option(
    "--hfov",
    "hfov_deg",
    type=click.FloatRange(20, 140),
    metavar="DEGREES",
    help="What the lens sees from side to side, of a recording along its long side; by default what the file says "
    "of itself, else camera.hfov_deg.",
)
lens_option = click.option(
    "--lens",
    default="",
    metavar="FILE|NAME",
    help="Straighten the pictures by this lens: a file of `rearguard calibrate`, gopro-wide or module3-wide. A camera "
    "has the configured one.",
)


def writes_journal(default: Path | None = None) -> Callable[[Decorated], Decorated]:
    """--journal of a command that writes one; without a default of its own it is the configured one."""
    told = "Folder of the near-miss log" + ("." if default else "; by default the configured one.")
    shown = default is not None
    return click.option(
        "--journal", "journal_folder", type=FOLDER, default=default, show_default=shown, help=told
    )


def corpus_options(command: Decorated) -> Decorated:
    """CORPUS, --pictures and --only: which labelled recordings, and where they are."""
    options = (
        click.argument("corpus", type=click.Path(path_type=Path, exists=True)),
        click.option("--pictures", type=FOLDER, help="Where the recordings are, if not there."),
        click.option("--only", metavar="TEXT", help="Only recordings whose name contains TEXT."),
    )
    for option in reversed(options):
        command = option(command)
    return command
