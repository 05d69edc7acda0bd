"""A journal of somebody else's: whatever stands in it, reading it ends in text that a terminal can be shown.

`pytest tests/fuzz` tries a few hundred; `REARGUARD_FUZZ=20000 pytest tests/fuzz` an hour's worth.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_kit import MONO_NS, a_near_miss, a_writer

from rearguard.cli.main import _told, cli
from rearguard.journal.paths import DATABASE
from rearguard.types import Cue, CueName, Fault

TRIES = int(os.environ.get("REARGUARD_FUZZ", "40"))
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b31m"
HOSTILE = st.one_of(
    st.sampled_from([
        ESCAPES, "<script>alert(1)</script>", "=HYPERLINK(\"http://x\")", "A" * 300_000, "\x00", "\ud7ff", "",
        0, -1, 2**62, -(2**62), 2**31, 1e308, -1e308, 1e-308, float("inf"), float("-inf"), None,
        "[" * 5000, '{"judge": {"caution_ttc_s": 1e999}}', '{"camera": []}', b"\xff\x00\x1b[2J",
    ]),
    st.text(max_size=40),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
)  # fmt: skip
COMMANDS = (
    ["log"], ["log", "--json"], ["show", "1", "--no-image"], ["show", "1", "--json"], ["outings"], ["outings", "1"],
    ["outings", "--json"], ["stats"], ["stats", "--json"], ["export", "--table", "cues", "--format", "csv"],
    ["export", "--table", "faults", "--format", "jsonl"], ["export", "--table", "near_misses", "--format", "csv"],
    ["report", "--html", "{page}"],
)  # fmt: skip


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    writer = a_writer(folder)
    for n in range(3):
        writer.near_miss(a_near_miss(10.0 + 10 * n))
    writer.cue(Cue(at_ns=MONO_NS + 10_000_000_000, cue=CueName.CRITICAL, track=7))
    writer.fault(Fault.DARK, MONO_NS + 10**9, MONO_NS + 3 * 10**9)
    assert writer.close(20)
    return folder


def places(folder: Path) -> list[tuple[str, str]]:
    """Every column of every table."""
    db = sqlite3.connect(folder / DATABASE)
    with contextlib.closing(db):
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (t, row[1]) for t in tables if "sqlite" not in t for row in db.execute(f"PRAGMA table_info({t})")
        ]


def spoil(folder: Path, table: str, column: str, value: object) -> None:
    db = sqlite3.connect(folder / DATABASE)
    with contextlib.closing(db), contextlib.suppress(sqlite3.Error, UnicodeError, OverflowError):
        db.execute("PRAGMA ignore_check_constraints = ON")
        with db:
            db.execute(f'UPDATE OR REPLACE "{table}" SET "{column}" = ?', (value,))


def read_all(folder: Path) -> None:
    for command in COMMANDS:
        page = folder / "page.html"
        words = [word.format(page=page) for word in command]
        done = CliRunner().invoke(cli, [*words, "--journal", str(folder)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            told = _told(done.exception)  # type: ignore[arg-type]
            assert told is not None, f"{words}: {done.exception!r}"
        shown = done.output if "--json" not in words else ""
        bad = {c for c in shown if not c.isprintable() and c != "\n"}
        assert "export" in words or not bad, f"{words}: {bad}"
        assert not bad & set("\x1b\x07\x9b\u202e"), f"{words}: {bad}"
        assert len(shown) < 100_000 or "export" in words, f"{words}: {len(shown)} characters"
        if page.exists():
            text = page.read_text()
            assert "<script>alert" not in text
            assert not set(text) & set("\x1b\x07\x9b\u202e")
            page.unlink()


@given(st.data())
@settings(max_examples=TRIES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_in_any_column_is_read_or_refused(journal: Path, tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("hostile") / "j"
    shutil.copytree(journal, folder)
    for _ in range(data.draw(st.integers(1, 3))):
        table, column = data.draw(st.sampled_from(places(journal)))
        spoil(folder, table, column, data.draw(HOSTILE))
    read_all(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "value", [ESCAPES, 2**62, 1e308, "[" * 5000], ids=["escapes", "int", "float", "deep"]
)
def test_the_worst_in_every_column_at_once(journal: Path, tmp_path: Path, value: object) -> None:
    folder = tmp_path / "j"
    shutil.copytree(journal, folder)
    for table, column in places(journal):
        if column not in ("id", "outing", "near_miss", "version"):
            spoil(folder, table, column, value)
    read_all(folder)


def test_the_journal_that_is_spoiled_is_sound_before(journal: Path) -> None:
    done = CliRunner().invoke(cli, ["show", "1", "--no-image", "--journal", str(journal)])
    assert done.exit_code == 0
    assert "CRITICAL" in done.output
