"""`rearguard config`: what can be set, what is set, and whether a file is good."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from rearguard.cli.options import config_option, json_option
from rearguard.config import load, search_path


@click.group()
def config() -> None:
    """Show or check the configuration."""


@config.command()
@config_option
@json_option
def show(config_file: Path | None, as_json: bool) -> None:
    """Print every setting with its value, bounds and trade-off, as TOML that can be edited and used.

    \b
    Example: rearguard config show > ~/.config/rearguard/rearguard.toml
    """
    settings = load(config_file)
    if as_json:
        click.echo(msgspec.json.encode(settings).decode())
        return
    from rearguard.config.describe import as_toml

    click.echo(as_toml(settings), nl=False)


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path | None) -> None:
    """Check FILE (by default the one that would be used); says what is wrong, exit code 2, or that it is good."""
    path = file or next((p for p in search_path() if p.is_file()), None)
    load(path)
    click.echo(f"{path}: good" if path else "no configuration file: the defaults are used")
