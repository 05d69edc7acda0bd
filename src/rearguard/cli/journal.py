"""What the review commands share: which journal, opened for reading, without anything heavy."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.errors import BadInput
from rearguard.journal.store import Journal

journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The journal's folder; else the configuration's, the service's, or the user's data folder.",
)


def find_folder(folder: Path | None) -> Path:
    """The folder named on the command line, or where the journal lives."""
    if folder is not None:
        return folder
    from rearguard.config import load
    from rearguard.journal.place import journal_folder

    return journal_folder(load().journal, reading=True)


def open_journal(folder: Path | None) -> Journal:
    """The journal, for reading. Raises `BadInput` or `PartFailed`, see `Journal.open`.

    Before the first outing there is none where it usually lives, and nothing is wrong; a folder somebody named
    and that is not there was mistyped.
    """
    from rearguard.journal.place import is_there

    if folder is not None and not is_there(folder):
        raise BadInput(f"{folder}: no such folder; --journal takes the folder that holds journal.db")
    return Journal.open(find_folder(folder), readonly=True)


def change_journal(folder: Path | None) -> Journal:
    """The journal, to change it. Raises `BadInput` or `PartFailed`, see `Journal.change`."""
    return Journal.change(find_folder(folder))
