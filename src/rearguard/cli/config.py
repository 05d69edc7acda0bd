"""`rearguard config`: what can be set, what is set, and whether a file is good."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from rearguard.cli.options import config_option, json_option
from rearguard.config import found, load
from rearguard.errors import BadInput
from rearguard.output import is_stdout, output


@click.group()
def config() -> None:
    """Show or check the configuration."""


@config.command()
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE instead."
)
@config_option
@json_option
def show(file: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Print every setting with its value, bounds and trade-off, as TOML that can be edited and used.

    \b
    Example: rearguard config show -o mine.toml

    FILE may be the very one that is in use; a shell's > would empty it before it is read.
    """
    source = config_file or found()
    if source is not None and is_stdout(source):
        raise BadInput(f"{source}: the shell's > has emptied it before it could be read; use -o instead")
    settings = load(source)
    if as_json:
        text = msgspec.json.encode(settings).decode() + "\n"
    else:
        from rearguard.config.describe import as_toml

        text = as_toml(settings)
    if file is None:
        click.echo(text, nl=False)
        return
    with output(file, make_folder=True) as out:
        out.write(text.encode())
    click.echo(f"{file}: written", err=True)


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path | None) -> None:
    """Check FILE (by default the one that would be used); says what is wrong, exit code 2, or that it is good."""
    path = file or found()
    load(path)
    click.echo(f"{path}: good" if path else "no configuration file: the defaults are used")
