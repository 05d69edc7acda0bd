"""Options several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file; by default the user's, then /etc/rearguard/rearguard.toml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")


def writes_journal(default: Path | None = None) -> Callable[[Decorated], Decorated]:
    """--journal of a command that writes one; without a default of its own it is the configured one."""
    told = "Folder of the near-miss log" + ("." if default else "; by default the configured one.")
    folder = click.Path(path_type=Path, file_okay=False)
    return click.option(
        "--journal",
        "journal_folder",
        type=folder,
        default=default,
        show_default=default is not None,
        help=told,
    )
