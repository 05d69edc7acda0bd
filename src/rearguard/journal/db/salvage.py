"""What can still be read of a damaged journal goes into the new one."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rearguard.journal.db.schema import atomic

# Parents before what refers to them, and what orders each table.
_TABLES = (
    ("outing", "rowid"),
    ("near_miss", "rowid"),
    ("media", "rowid"),
    ("trace", "near_miss, n"),
    ("mark", "rowid"),
    ("fault", "rowid"),
    ("cue", "rowid"),
    ("passage", "rowid"),
    ("pulled", "outing_key"),
)
_BATCH = 500


def salvage(damaged: Path, db: sqlite3.Connection, limit_s: float = 20.0) -> int:
    """Copy the readable rows of `damaged` into `db`, a new journal; the number of near misses saved.

    Each table is read from both ends up to the damage. Rows that no longer fit together are left out. Stops
    after `limit_s`: an outing waits for its journal. Raises `sqlite3.Error` only when `db` cannot be written.
    """
    until_s = time.monotonic() + limit_s
    try:
        old = sqlite3.connect(f"{damaged.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return 0
    with contextlib.closing(old):
        with contextlib.suppress(sqlite3.Error):
            old.execute("PRAGMA trusted_schema = OFF")
        for table, order in _TABLES:
            _copy(old, db, table, order, until_s)
    return int(db.execute("SELECT count(*) FROM near_miss").fetchone()[0])


def _copy(old: sqlite3.Connection, db: sqlite3.Connection, table: str, order: str, until_s: float) -> None:
    new = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return
    columns = [name for name in new if name in there]
    if not columns:
        return
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for direction in ("ASC", "DESC"):
        wanted = ", ".join(f"{term} {direction}" for term in order.split(", "))
        rows = _readable(old, f"SELECT {', '.join(columns)} FROM {table} ORDER BY {wanted}", until_s)
        while batch := list(islice(rows, _BATCH)):
            _store(db, insert, batch)


def _readable(old: sqlite3.Connection, sql: str, until_s: float) -> Iterator[tuple[object, ...]]:
    """Rows up to the first that cannot be read."""
    with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        for row in old.execute(sql):
            yield row
            if time.monotonic() > until_s:
                return


def _store(db: sqlite3.Connection, insert: str, batch: list[tuple[object, ...]]) -> None:
    """A batch in one transaction, without the rows that make no sense."""
    with atomic(db):
        for row in batch:
            with contextlib.suppress(sqlite3.IntegrityError):
                db.execute(insert, row)
