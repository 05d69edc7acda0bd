"""Options several commands share."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file; by default the user's, then /etc/rearguard/rearguard.toml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")
journal_option = click.option(
    "--journal",
    "journal_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the near-miss log; by default the configured one.",
)
