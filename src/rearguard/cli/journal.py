"""What the review commands share: which journal, opened for reading, without anything heavy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rearguard.cli.options import PLACE
from rearguard.errors import BadInput, NotFound, PartFailed
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import CLIPS, DATABASE, is_there

ID = click.IntRange(1, 2**63 - 1)  # a near miss or an outing: what SQLite takes as a row's number


def near_miss_id(text: str) -> int | None:
    """A type of argument: a near miss's number, or `last`, which becomes None."""
    if text.lower() == "last":
        return None
    try:
        return int(ID(text))
    except click.BadParameter as e:
        raise click.BadParameter(f"{e.message.removesuffix('.')}; or say `last`.") from e


def newest(journal: Journal) -> int:
    """The number of the newest near miss. Raises `NotFound`."""
    rows = journal.near_misses(limit=1)
    if not rows:
        raise NotFound(f"no near miss yet in {journal.folder}")
    return rows[0].id


def words(text: str) -> str:
    """An option's type: text for the journal. Bytes that are not UTF-8 arrive from the shell as lone surrogates, which
    SQLite refuses."""
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise click.BadParameter("not UTF-8 text") from e
    return text


journal_option = click.option(
    "--journal",
    type=PLACE,
    metavar="FOLDER",
    help="The journal's folder; else the configuration's, the service's, or the user's data folder.",
)


def find_folder(folder: Path | None) -> Path:
    """The folder named on the command line, or where the journal lives."""
    if folder is not None:
        return folder
    from rearguard.config import load
    from rearguard.journal.paths import journal_folder

    return journal_folder(load().journal, reading=True)


def open_journal(folder: Path | None) -> Journal:
    """The journal, for reading. Raises `BadInput` or `PartFailed`, see `Journal.open`.

    Before the first outing there is no journal in its usual place, which is no error. A folder that was named on the
    command line must be there.
    """
    if folder is not None and not is_there(folder):
        raise BadInput(f"{folder}: no such folder; --journal takes the folder that holds journal.db")
    return Journal.open(find_folder(folder), readonly=True)


@contextmanager
def change_journal(folder: Path | None) -> Iterator[Journal]:
    """The journal, to change it. Raises `BadInput` or `PartFailed`, see `Journal.change`; also when a write fails."""
    with Journal.change(find_folder(folder)) as opened:
        try:
            yield opened
        except sqlite3.Error as e:
            busy = getattr(e, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            room = "; make room first" if "full" in str(e) else ""
            why = "something else is writing to it; try again" if busy else f"cannot be written: {e}{room}"
            raise PartFailed(f"{opened.folder / DATABASE}: {why}") from e
        except OSError as e:
            raise PartFailed(f"{opened.folder}: cannot be written: {e.strerror or e}") from e


def spare_journal(output: Path, folder: Path) -> None:
    """Raise `BadInput` when `output` is one of the journal's own files."""
    target = output.resolve()
    own = [(folder / f"{DATABASE}{end}").resolve() for end in ("", "-wal", "-shm")]
    if target in own or (folder / CLIPS).resolve() in target.parents:
        raise BadInput(f"{output}: is a part of the journal that is being read; name another file")
