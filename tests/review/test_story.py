"""The story of a near miss: what decided, when, and what was felt of it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from journal_kit import MONO_NS, a_near_miss, a_writer

from rearguard.cli.main import cli
from rearguard.journal.db.store import Journal
from rearguard.review.story import Story, read
from rearguard.text import explain
from rearguard.types import Cue, CueName, Level, MarkKind, Passage, Reason, ReasonCode, Side


def a_story(folder: Path) -> Story:
    writer = a_writer(folder)
    for track, cue in ((7, CueName.CAUTION), (9, CueName.CRITICAL), (8, CueName.CRITICAL)):
        reason = Reason(code=ReasonCode.SOON, ttc_s=2.0, limit_s=3.0)
        writer.cue(Cue(at_ns=MONO_NS + 9_500_000_000, cue=cue, track=track, reason=reason, seq=1))
    writer.passage(
        Passage(
            at_ns=MONO_NS + 10_000_000_000, label="person", kind="detected", side=Side.LEFT, level=Level.NOTICE,
            range_m=2.1, pass_m=1.9,
        )
    )  # fmt: skip
    writer.near_miss(a_near_miss(tracks=(7, 8)))
    assert writer.close()
    with Journal.open(folder, readonly=True) as journal:
        return read(journal, 1)


def test_why_tells_the_first_frame_of_each_level_the_worst_moment_and_the_end(tmp_path: Path) -> None:
    turns = a_story(tmp_path).turns()
    assert [(t.level, t.moment) for t in turns] == [
        (Level.CLEAR, ""),
        (Level.CAUTION, ""),
        (Level.CRITICAL, ""),
        (Level.CRITICAL, "worst moment"),
        (Level.CLEAR, "over"),
    ]
    assert turns[1].why.startswith("contact within 3.0 s is 90% probable (TTC 2.9 s)")
    assert turns[3].t_s == 0.0
    assert "1.6 s" in turns[3].words


def test_a_fall_is_told_with_the_near_miss_next_to_it_and_not_as_a_press(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    writer.mark(MONO_NS + 12_000_000_000, MarkKind.FALL)
    writer.mark(MONO_NS + 16_000_000_000)
    writer.mark(MONO_NS + 60_000_000_000, MarkKind.FALL)  # far from it
    assert writer.close()
    shown = CliRunner().invoke(
        cli, ["show", "1", "--no-image", "--journal", str(tmp_path)], env={"COLUMNS": "120"}
    )
    told = "You fell 2 s after the worst moment. You pressed the button 6 s after the worst moment."
    assert told in shown.output
    plain = CliRunner().invoke(cli, ["show", "1", "--json", "--journal", str(tmp_path)])
    assert json.loads(plain.output)["marks"] == [{"t_s": 2.0, "kind": "fall"}, {"t_s": 6.0, "kind": "button"}]


def test_felt_are_the_cues_of_this_encounter_and_no_others(tmp_path: Path) -> None:
    assert [c.track for c in a_story(tmp_path).felt] == [7, 8]


def test_a_time_beyond_its_limit_is_not_called_within() -> None:
    told = explain(Reason(code=ReasonCode.SOON, ttc_s=2.3, limit_s=2.2))
    assert told.startswith("TTC 2.3 s, perhaps 2.2 s")
    assert "within" not in told


def test_show_last_tells_the_newest(tmp_path: Path) -> None:
    a_story(tmp_path)
    done = CliRunner().invoke(cli, ["show", "last", "--journal", str(tmp_path), "--no-image"])
    assert done.exit_code == 0, done.output
    assert "Near miss 1" in done.output
    assert "worst moment" in done.output


def test_show_last_of_nothing_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["show", "last", "--journal", str(tmp_path)])
    assert done.exit_code == 1
    assert "no near miss yet" in str(done.exception)


def test_outings_and_stats_tell_what_passed(tmp_path: Path) -> None:
    a_story(tmp_path)
    for command in ("outings", "stats"):
        done = CliRunner().invoke(cli, [command, "--json", "--journal", str(tmp_path)])
        assert done.exit_code == 0
        assert '"passages": 1' in done.output


@pytest.mark.parametrize(
    ("view", "column"), [("near_misses", "pass_m"), ("outings", "worn_min"), ("passages", "range_m")]
)
def test_the_views_read_like_tables(tmp_path: Path, view: str, column: str) -> None:
    a_story(tmp_path)
    with Journal.open(tmp_path, readonly=True) as journal:
        (row,) = journal.select(f"SELECT * FROM {view}", [])
    assert column in row
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    assert row.get("level") in (None, "CRITICAL", "NOTICE")


def test_sqlite_utils_reads_the_views_of_the_journal_itself(tmp_path: Path) -> None:
    """As docs/review.md says: another program, which knows nothing of rearguard."""
    sqlite_utils = pytest.importorskip("sqlite_utils", reason="sqlite-utils is not installed (extra 'dev')")
    a_story(tmp_path)
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path / 'journal.db'}?mode=ro", uri=True)) as opened:
        db = sqlite_utils.Database(opened)
        assert {"near_misses", "outings", "passages"} <= set(db.view_names())
        (row,) = list(db.view("near_misses").rows)
    assert (row["level"], row["label"], row["device"], row["lasted_s"]) == ("CRITICAL", "person", "pi-1", 1.6)
    assert row["at_utc"].endswith("Z")
