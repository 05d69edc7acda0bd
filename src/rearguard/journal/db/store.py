"""The journal's file: opened, repaired, written in whole transactions, and read a page at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rearguard.errors import BadInput, PartFailed
from rearguard.journal.db.rows import Filter, Mark, MediaRecord, NearMissRow, OutingRow, TraceRecord
from rearguard.journal.db.salvage import salvage
from rearguard.journal.db.schema import VERSION, atomic, check_version, migrate
from rearguard.journal.db.tables import from_row
from rearguard.journal.paths import DATABASE, create_private, is_there, make_folder, move_aside, refuse_link
from rearguard.types import Cue, FaultSpan, Level, MarkKind, Passage

T = TypeVar("T", bound=msgspec.Struct)

# A full check reads the whole file; beyond this size opening would take longer than a second on an SD card.
_CHECK_BELOW_BYTES = 16 << 20
_BUSY_S = 3.0
_NEXT_TO_NS = 15_000_000_000  # a mark this soon after a near miss is about it: reaching the button takes time

_ANY = Filter()
_VERBATIM = frozenset({"config"})  # JSON, read as such

_NEAR_MISS = """
  SELECT n.*, o.device AS device,
    (SELECT group_concat(kind, ' ') FROM media m WHERE m.near_miss = n.id) AS media
  FROM near_miss n JOIN outing o ON o.id = n.outing
"""


class Journal:
    """One journal folder. Not for use from several threads; open one per thread."""

    def __init__(self, folder: Path, db: sqlite3.Connection, *, readonly: bool) -> None:
        self.folder = folder
        self.db = db
        self.readonly = readonly

    @classmethod
    def open(cls, folder: Path, *, readonly: bool = False, thorough: bool = False) -> Journal:
        """Open the journal in `folder`; a missing one is begun, unless `readonly`: that one is empty.

        A damaged file is moved aside, with a line on stderr, and a new one begun with the rows that could be
        saved; SQLite rolls back what a kill or a pulled battery left half done. `thorough`: check every page, however
        large the file. Raises `BadInput` when the folder is no folder, the file is damaged (`readonly`) or of a newer
        rearguard, `PartFailed` when it cannot be read or written.
        """
        if readonly:
            return cls(folder, _open_to_read(folder), readonly=True)
        make_folder(folder)
        path = folder / DATABASE
        try:
            return cls(folder, _open_to_write(path, thorough), readonly=False)
        except sqlite3.DatabaseError as e:
            if not damaged(e):
                room = "; make room and run it again" if "full" in str(e) else ""
                raise PartFailed(f"{path}: cannot open the journal: {e}{room}") from e
        except OSError as e:
            raise PartFailed(f"{path}: cannot open the journal: {e.strerror}") from e
        try:
            aside = move_aside(path)
            journal = cls(folder, _open_to_write(path, False), readonly=False)
            with closed_on_error(journal):
                saved = salvage(aside, journal.db)
            print(
                f"rearguard: {path}: damaged; kept as {aside.name}, {saved} near misses saved",
                file=sys.stderr,
            )
            return journal
        except (OSError, sqlite3.Error) as e:
            raise PartFailed(f"{path}: damaged, and cannot be moved aside: {e}") from e

    @classmethod
    def change(cls, folder: Path) -> Journal:
        """Open a journal that exists, to change it. Raises `BadInput` when there is none or somebody else's."""
        path = folder / DATABASE
        if not is_there(path):
            raise BadInput(f"{folder}: there is no journal to change")
        if not (os.access(path, os.W_OK) and os.access(folder, os.W_OK)):
            if os.statvfs(folder).f_flag & os.ST_RDONLY:
                raise BadInput(f"{path}: lies where nothing can be written (mounted read-only)")
            raise BadInput(f"{path}: only its owner may change it; try: sudo -u {_owner(path)} rearguard ...")
        return cls.open(folder)

    def close(self) -> None:
        """Close the file; the last connection folds the write-ahead log into it."""
        with contextlib.suppress(sqlite3.Error):
            self.db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Everything inside is written or nothing is; `durable`: on the disk itself before this returns.

        Raises `PartFailed` when the journal may only be read, `sqlite3.Error` when writing fails.
        """
        if self.readonly:
            raise PartFailed(f"{self.folder}: the journal is open for reading only")
        self.db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with atomic(self.db):
            yield self.db

    def near_misses(
        self, wanted: Filter = _ANY, limit: int = 20, after: NearMissRow | None = None
    ) -> list[NearMissRow]:
        """Near misses, newest first; `after` is the last row of the page before."""
        where, values = _where(wanted)
        if after is not None:
            where.append("(n.wall_s, n.id) < (?, ?)")
            values += [after.wall_s, after.id]
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        sql = f"{_NEAR_MISS} {clause} ORDER BY n.wall_s DESC, n.id DESC LIMIT ?"
        return [self.build(NearMissRow, row) for row in self.select(sql, [*values, limit])]

    def near_miss(self, near_miss_id: int) -> NearMissRow | None:
        """One near miss, or None."""
        rows = self.select(f"{_NEAR_MISS} WHERE n.id = ?", [near_miss_id])
        return self.build(NearMissRow, rows[0]) if rows else None

    def trace(self, near_miss_id: int) -> list[TraceRecord]:
        """The frames of a near miss, in order."""
        rows = self.select("SELECT * FROM trace WHERE near_miss = ? ORDER BY n", [near_miss_id])
        return [self.build(TraceRecord, row) for row in rows]

    def media(self, near_miss_id: int) -> dict[str, MediaRecord]:
        """The files of a near miss by kind: picture, strip, clip."""
        rows = self.select("SELECT * FROM media WHERE near_miss = ?", [near_miss_id])
        return {row["kind"]: self.build(MediaRecord, row) for row in rows}

    def outings(self, limit: int = 20, after: OutingRow | None = None) -> list[OutingRow]:
        """Outings, newest first; `after` is the last row of the page before."""
        clause, values = ("WHERE (wall_s, id) < (?, ?)", [after.wall_s, after.id]) if after else ("", [])
        sql = f"SELECT * FROM outing {clause} ORDER BY wall_s DESC, id DESC LIMIT ?"
        return [self.build(OutingRow, row) for row in self.select(sql, [*values, limit])]

    def outing(self, outing_id: int) -> OutingRow | None:
        """One outing, or None."""
        rows = self.select("SELECT * FROM outing WHERE id = ?", [outing_id])
        return self.build(OutingRow, rows[0]) if rows else None

    def cues(self, outing_id: int, from_ns: int = -(2**63), to_ns: int = 2**63 - 1) -> list[Cue]:
        """Cues felt in an outing between two moments of the frames' clock."""
        sql = "SELECT * FROM cue WHERE outing = ? AND at_ns BETWEEN ? AND ? ORDER BY at_ns, id"
        return [self.build(Cue, row) for row in self.select(sql, [outing_id, from_ns, to_ns])]

    def passages(self, outing_id: int) -> list[Passage]:
        """What passed in an outing, warned of or not, in order."""
        sql = "SELECT * FROM passage WHERE outing = ? ORDER BY at_ns, id"
        return [self.build(Passage, row) for row in self.select(sql, [outing_id])]

    def faults(self, outing_id: int) -> list[FaultSpan]:
        """Faults of an outing, in order."""
        sql = "SELECT * FROM fault WHERE outing = ? ORDER BY began_ns, id"
        return [self.build(FaultSpan, row) for row in self.select(sql, [outing_id])]

    def marks(self, outing_id: int) -> list[Mark]:
        """When the wearer pressed the button or fell, in order."""
        found = self.select("SELECT * FROM mark WHERE outing = ? ORDER BY at_ns", [outing_id])
        nearest = """SELECT id FROM near_miss WHERE outing = :outing AND worst_ns BETWEEN :at - :most AND :at + :most
                     ORDER BY abs(worst_ns - :at) LIMIT 1"""
        marks: list[Mark] = []
        for row in found:
            rows = self.select(nearest, {"outing": outing_id, "at": row["at_ns"], "most": _NEXT_TO_NS})
            marks.append(Mark(row["at_ns"], MarkKind(row["kind"]), rows[0]["id"] if rows else None))
        return marks

    def build(self, kind: type[T], row: Mapping[str, Any]) -> T:
        """A row as its type; one of a database that somebody tampered with is refused with `BadInput`."""
        try:
            return from_row(kind, row, verbatim=_VERBATIM)
        except msgspec.ValidationError as e:
            raise BadInput(f"{self.folder}: holds a {kind.__name__} that makes no sense: {e}") from e

    def select(self, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of a query as plain dicts. Raises `BadInput` or `PartFailed` when the journal cannot be read."""
        try:
            cursor = self.db.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        except sqlite3.Error as e:
            raise _unreadable(self.folder / DATABASE, e) from e


def _owner(path: Path) -> str:
    """The owner of a file, as `sudo -u` takes it; the owner of its folder where the file cannot be looked at."""
    try:
        return path.owner()
    except KeyError:  # the account is of another machine, or was deleted
        return f"'#{path.stat().st_uid}'"
    except OSError:
        return _owner(path.parent)


@contextlib.contextmanager
def closed_on_error(opened: sqlite3.Connection | Journal) -> Iterator[None]:
    """Whatever is raised inside, `opened` is let go of first."""
    try:
        yield
    except BaseException:
        opened.close()
        raise


def damaged(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is broken, rather than the disk, a lock or a right."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open_to_write(path: Path, thorough: bool) -> sqlite3.Connection:
    for suffix in ("", "-wal", "-shm"):
        refuse_link(path.with_name(path.name + suffix))
    create_private(path)
    db = _connect(f"{path.resolve().as_uri()}?mode=rw")
    with closed_on_error(db):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        # About 1 MB of write-ahead log, not the usual 4: a nearly full card should not be full of that.
        db.execute("PRAGMA wal_autocheckpoint = 250")
        db.execute("PRAGMA journal_size_limit = 1048576")
        migrate(db, str(path))
        _check(db, path, thorough)
    return db


def _check(db: sqlite3.Connection, path: Path, thorough: bool) -> None:
    """Raise `sqlite3.DatabaseError` with SQLITE_CORRUPT when pages or tables are broken."""
    db.execute("SELECT * FROM near_miss ORDER BY id DESC LIMIT 5").fetchall()
    db.execute("SELECT * FROM outing ORDER BY id DESC LIMIT 5").fetchall()
    if thorough or path.stat().st_size < _CHECK_BELOW_BYTES:
        said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if said != "ok":
            error = sqlite3.DatabaseError(said)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error


def _open_to_read(folder: Path) -> sqlite3.Connection:
    """Read-only, for somebody who may have no right to write in the folder."""
    path = folder / DATABASE
    try:
        refuse_link(path)
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder}: not a folder; --journal takes the folder that holds {DATABASE}")
        if not path.exists():
            return _in_memory()
        path.open("rb").close()
    except OSError as e:
        raise PartFailed(
            f"{path}: cannot read the journal: {e.strerror}; its owner's group may (see docs/review.md)"
        ) from e
    uri = path.resolve().as_uri()
    # Without a -wal there is nothing to share with a writer, and SQLite need not make one in a folder
    # that the reader may not write to.
    modes = ("mode=ro", "mode=ro&immutable=1") if not _wal(path) else ("mode=ro",)
    for mode in modes:
        db = _connect(f"{uri}?{mode}")
        try:
            found = check_version(db, str(path))
            if found == VERSION:
                return db
        except sqlite3.Error as e:
            db.close()
            if damaged(e):
                raise _unreadable(path, e) from e
            continue
        except BaseException:
            db.close()
            raise
        db.close()
        return _migrated_copy(path, path, found)
    return _elsewhere(path)


def _elsewhere(path: Path) -> sqlite3.Connection:
    """A copy in memory. After a kill there may be a write-ahead log that SQLite would first have to put in
    order, in a folder where this reader may not write."""
    with tempfile.TemporaryDirectory(prefix="rearguard-") as folder:
        copy = Path(folder) / DATABASE
        try:
            for suffix in ("", "-wal"):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(copy.name + suffix))
            db = _connect(f"{copy.as_uri()}?mode=rw")
            try:
                found = check_version(db, str(path))
            finally:
                db.close()
        except OSError as e:
            raise PartFailed(f"{path}: cannot read the journal: {e.strerror}") from e
        except sqlite3.Error as e:
            raise _unreadable(path, e) from e
        return _migrated_copy(path, copy, found)


def _wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _migrated_copy(path: Path, source: Path, found: int) -> sqlite3.Connection:
    """`source` in memory, brought up to date, so that reading changes nothing on the device."""
    try:
        with contextlib.closing(_connect(f"{source.resolve().as_uri()}?mode=ro")) as old:
            return _in_memory(old, str(path))
    except sqlite3.Error as e:
        raise BadInput(f"{path}: cannot read this journal of version {found}: {e}") from e


def _in_memory(old: sqlite3.Connection | None = None, name: str = ":memory:") -> sqlite3.Connection:
    """A journal in memory, up to date: a copy of `old`, or an empty one."""
    db = _connect("file::memory:")
    with closed_on_error(db):
        if old is not None:
            old.backup(db)
        migrate(db, name)
    return db


def _connect(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    with closed_on_error(db):
        # So that a file somebody tampered with cannot run functions.
        db.execute("PRAGMA trusted_schema = OFF")
    return db


def _unreadable(path: Path, error: sqlite3.Error) -> BadInput | PartFailed:
    if damaged(error):
        return BadInput(
            f"{path}: damaged ({error}); the next outing moves it aside, or move it away yourself"
        )
    return PartFailed(f"{path}: cannot read the journal: {error}")


def _where(wanted: Filter) -> tuple[list[str], list[Any]]:
    """SQL conditions of a filter. A level is asked by equality, so that its index also gives the order."""
    level = wanted.level if wanted.level is not None and wanted.level > Level.CAUTION else None
    table: tuple[tuple[str, Any], ...] = (
        ("n.wall_s >= ?", wanted.since_s),
        ("n.wall_s < ?", wanted.until_s),
        ("n.level = ?", level),
        ("n.label = ?", wanted.label),
        ("n.outing = ?", wanted.outing),
        ("o.device = ?", wanted.device),
        ("n.flagged = ?", wanted.flagged),
        ("n.verdict = ?", wanted.verdict),
        ("instr(lower(n.label || ' ' || n.note), ?)", wanted.text.lower() if wanted.text else None),
    )
    asked = [(sql, value) for sql, value in table if value is not None]
    return [sql for sql, _ in asked], [value for _, value in asked]
