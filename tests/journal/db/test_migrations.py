"""Journals that older versions wrote are brought up to date, and lose nothing."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from rearguard.journal.db import schema
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import DATABASE

STORED = sorted((Path(__file__).parents[2] / "data").glob("journal-v*.db.gz"))


def test_there_is_a_stored_file_for_every_older_version() -> None:
    assert [p.name for p in STORED] == [f"journal-v{n}.db.gz" for n in range(1, schema.VERSION)]


@pytest.fixture(params=STORED, ids=lambda p: p.name)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / DATABASE).write_bytes(gzip.decompress(request.param.read_bytes()))
    return tmp_path


def shape(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Columns of every table and index."""
    names = [
        n
        for (n,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    ]
    return {n: db.execute(f"PRAGMA table_xinfo({n})").fetchall() for n in names}


def check_content(journal: Journal) -> None:
    rows = journal.near_misses()
    assert [
        (r.id, r.label, r.device, r.flagged, r.verdict, r.note) for r in sorted(rows, key=lambda r: r.id)
    ] == [
        (1, "person", "pi-old", False, None, ""),
        (2, "dog", "pi-old", False, None, ""),
        (3, "person", "pi-old", False, None, ""),
    ]
    assert [len(journal.trace(n)) for n in (1, 2, 3)] == [21, 21, 21]
    assert sorted(journal.media(1)) == ["picture", "strip"]
    assert [o.ended for o in journal.outings()] == ["stopped", "stopped"]
    assert [len(journal.cues(n)) for n in (1, 2)] == [2, 1]
    assert journal.faults(1)[0].fault == "dark"
    assert [m.kind for m in journal.marks(1)] == ["button"]


def test_it_is_brought_up_to_date(older: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Journal.open(older) as journal:
        assert schema.version(journal.db) == schema.VERSION
        check_content(journal)
        with Journal.open(tmp_path_factory.mktemp("new")) as new:
            assert shape(journal.db) == shape(new.db)
    with Journal.open(older, readonly=True) as journal:
        check_content(journal)


def test_reading_an_older_journal_changes_nothing(older: Path) -> None:
    before = (older / DATABASE).read_bytes()
    with Journal.open(older, readonly=True) as journal:
        check_content(journal)
    assert (older / DATABASE).read_bytes() == before
    assert [p.name for p in older.iterdir()] == [DATABASE]


@pytest.mark.parametrize("step", range(schema.VERSION))
def test_a_step_that_is_cut_leaves_the_version_before_it(tmp_path: Path, step: int) -> None:
    """The battery goes in the middle of a step: all of the step is undone."""
    path = tmp_path / "j.db"
    db = sqlite3.connect(path, isolation_level=None)
    with pytest.MonkeyPatch.context() as patch:
        broken = (*schema.MIGRATIONS[:step], schema.MIGRATIONS[step] + "; SELECT no_such_function();")
        patch.setattr(schema, "MIGRATIONS", broken)
        patch.setattr(schema, "VERSION", step + 1)
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(db, "j.db")
    assert schema.version(db) == step
    schema.migrate(db, "j.db")
    assert schema.version(db) == schema.VERSION
    assert db.execute("SELECT count(*) FROM near_miss").fetchone() == (0,)
    db.close()
