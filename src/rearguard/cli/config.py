"""`rearguard config`: what can be set, what is set, and whether a file is good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import click
import msgspec

from rearguard.cli.options import FILE, PLACE, config_option, json_option
from rearguard.config import Config, found, load
from rearguard.config.load import all_problems
from rearguard.errors import BadInput, RearguardError
from rearguard.output import is_stdout, output
from rearguard.text import clean


@click.group()
def config() -> None:
    """Show or check the configuration."""


@config.command(short_help="Print every setting with its value, bounds and trade-off.")
@click.option("-o", "--output", "file", type=PLACE, metavar="FILE", help="Write to FILE instead.")
@config_option
@json_option
def show(file: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Print every setting with its value, bounds and trade-off, as TOML that can be edited and used.

    \b
    Example: rearguard config show -o mine.toml

    With -o, FILE may be the one that is in use; the shell's > would empty it before it is read.
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


@config.command(short_help="Check a configuration file and say what is wrong.")
@click.argument("file", required=False, type=FILE)
def check(file: Path | None) -> None:
    """Check FILE (by default the one that would be used).

    Prints what is wrong and exits with 2, or says that it is good.

    Besides every key and bound: settings that clash or switch a promise off, and whether the model and the
    journal's folder can be used on this machine.
    """
    path = file or found()
    wrong = _problems(path)
    for line in wrong[1:]:
        click.echo(clean(line), err=True)
    if wrong:
        raise BadInput(wrong[0])
    click.echo(f"{path}: good" if path else "no configuration file: the defaults are used")


def _problems(path: Path | None) -> list[str]:
    """What is wrong with the file, and with this machine for what it asks; a line each."""
    try:
        settings = load(path)
    except BadInput as e:
        return (all_problems(path) if path is not None else []) or [str(e)]
    return [f"{path or 'the defaults'}: {text}" for text in _of_this_machine(settings)]


def _of_this_machine(settings: Config) -> Iterator[str]:
    """What the settings name and this machine does not have."""
    from rearguard.detect.model import card_of, check_model
    from rearguard.journal.paths import journal_folder

    try:
        check_model(settings.detect.model)
        labels = card_of(settings.detect.model).classes.labels
    except RearguardError as e:
        yield f"detect.model: {e}"
        labels = settings.detect.ignore
    for label in settings.detect.ignore:
        if label not in labels:
            near = get_close_matches(label, labels, 1)
            yield f"detect.ignore: the model knows no {label!r}{f'; did you mean {near[0]}?' if near else ''}"
    folder = journal_folder(settings.journal)
    if why := cannot_hold(folder):
        yield f"journal.folder: {folder}: {why}"


def cannot_hold(folder: Path) -> str:
    """Why no journal can live in this folder; empty where it can. Makes nothing."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            return f"{folder} is no folder; move it away or choose another place"
    except OSError as e:
        return f"{e.strerror}; choose another place"
    # Whoever checks a file by hand need not be the service's user.
    by_service = "INVOCATION_ID" in os.environ
    return f"{folder} cannot be written" if by_service and not os.access(folder, os.W_OK | os.X_OK) else ""
