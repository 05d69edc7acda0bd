"""`outings`, `stats` and the commands that change the journal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer, as_stranger, let_in

from rearguard.cli.journal import change_journal
from rearguard.cli.main import cli
from rearguard.clock import Stamp
from rearguard.errors import BadInput, NotFound, PartFailed
from rearguard.journal.db.rows import OutingStats
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS, DATABASE
from rearguard.types import Cue, CueName, Fault, Level, MarkKind

NOW = datetime.now().astimezone()
LAST_WEEK = NOW - timedelta(days=NOW.weekday(), weeks=1) + timedelta(days=2)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two outings: last week half an hour with a clean near miss, just now an hour with two and a fault."""
    folder = tmp_path / "journal"
    for moment, worn_s, labels in ((LAST_WEEK, 1800.0, ["person"]), (NOW, 3600.0, ["dog", "bicycle"])):
        stamp = Stamp(MONO_NS, "boot-1", moment.timestamp() - 60, True)
        writer = a_writer(folder, start=msgspec.structs.replace(a_start(), stamp=stamp))
        for n, label in enumerate(labels):
            level = Level.CRITICAL if label == "dog" else Level.CAUTION
            seen = a_near_miss(1.0 + n, label=label, level=level, min_ttc_s=1.0 + n, lead_time_s=2.0 + n)
            writer.near_miss(seen, Snapshot(np.zeros((90, 160, 3), np.uint8)))
            writer.cue(Cue(at_ns=seen.warned_ns, cue=CueName(level.name)))
        writer.fault(Fault.DARK, MONO_NS + 60_000_000_000, MONO_NS + 65_500_000_000)
        writer.mark(MONO_NS + 5)
        writer.mark(MONO_NS + 61_000_000_000, MarkKind.FALL)
        writer.stats(OutingStats(frames=54000, late=12, worn_s=worn_s))
        assert writer.close(5)
    return folder


def run(journal: Path, *args: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli, [*args, "--journal", str(journal)], input=answer, env={"COLUMNS": "120"})


def at_terminal(journal: Path, wide: int, *args: str) -> list[str]:
    """What a terminal of so many columns shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, wide, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"PAGER": "cat", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "rearguard", *args, "--journal", str(journal)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # EIO once the other end is closed
            while part := os.read(ours, 65536):
                said += part
    os.close(ours)
    return re.sub("\x1b\\[[0-9;]*m", "", said.decode()).splitlines()


@pytest.mark.parametrize("wide", [80, 40])
def test_a_narrow_terminal_costs_columns_but_never_half_an_id(journal: Path, wide: int) -> None:
    with contextlib.closing(sqlite3.connect(journal / DATABASE)) as db, db:  # as after years
        db.execute("UPDATE outing SET id = id + 1200")
        db.execute("UPDATE near_miss SET id = id + 34000, outing = outing + 1200")
        db.execute("UPDATE media SET near_miss = near_miss + 34000")
    run(journal, "log", "mark", "34002", "false", "--note", "a tree")
    run(journal, "log", "flag", "34002")
    log = at_terminal(journal, wide, "log")
    assert sorted(line.split()[0] for line in log[1:4]) == ["34001", "34002", "34003"]
    assert all(" CRITICAL " in line or " CAUTION " in line for line in log[1:4])
    assert all(re.search(r"\b[12]\.0 s", line) for line in log[1:4])
    assert "false, flagged, note" in "".join(log) or wide < 80
    assert "outing" in log[4]
    assert log[4].startswith("(too narrow for")
    outings = at_terminal(journal, wide, "outings")
    assert [line.split()[0] for line in outings[1:3]] == ["1202", "1201"]
    assert all(re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line) for line in outings[1:3])
    stats = at_terminal(journal, wide, "stats", "--weeks", "2")
    assert [line.split()[0] for line in stats[1:3]] == [
        f"{LAST_WEEK - timedelta(days=LAST_WEEK.weekday()) + timedelta(weeks=n):%Y-%m-%d}" for n in (0, 1)
    ]
    for line in [*outings, *stats]:
        assert len(line) <= wide or line.startswith("(too narrow")
        assert "…" not in line


def test_outings_are_listed_newest_first(journal: Path) -> None:
    lines = run(journal, "outings").output.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "2", "1"]
    assert lines[1].split()[3:] == [
        "1",
        "h",
        "00",
        "min",
        "0",
        "2",
        "1",
        "2.0",
        "6",
        "s",
        "stopped",
        "sim:test",
    ]


def test_one_outing_is_told(journal: Path) -> None:
    output = run(journal, "outings", "2").output
    assert "2 near misses, 1 of them critical" in output
    assert "dark at 1 min, for 5.5 s" in output
    assert "you pressed the button at 0 s, near miss 2" in output
    assert "you fell at 1 min\n" in output
    assert "54000 frames judged, 12 came too late" in output
    assert run(journal, "outings", "9").exit_code == 1


def test_outings_json(journal: Path) -> None:
    new, old = json.loads(run(journal, "outings", "--json").output)
    assert (new["near_misses"], new["critical"]) == (2, 1)
    fall = {"t_s": 61.0, "kind": "fall", "near_miss": None}
    assert new["marks"] == [{"t_s": 5e-9, "kind": "button", "near_miss": 2}, fall]
    assert old["marks"] == [{"t_s": 5e-9, "kind": "button", "near_miss": 1}, fall]
    assert new["cues"] == {"CRITICAL": 1, "CAUTION": 1}
    assert new["cues_per_hour"] == {"CRITICAL": 1.0, "CAUTION": 1.0}
    assert old["cues_per_hour"] == {"CAUTION": 2.0}
    assert new["faults"] == [{"fault": "dark", "began_s": 60.0, "ended_s": 65.5}]


def test_stats_by_week(journal: Path) -> None:
    run(journal, "log", "mark", "2", "false")
    run(journal, "log", "mark", "3", "true")
    *_, before, last, this = json.loads(run(journal, "stats", "--json", "--weeks", "3").output)
    assert (before["outings"], before["per_hour"], before["least_ttc_s"]) == (0, None, None)
    assert (last["near_misses"], last["per_hour"], last["worn_s"]) == (1, 2.0, 1800.0)
    assert (this["near_misses"], this["critical"], this["per_hour"]) == (2, 1, 2.0)
    assert (this["least_ttc_s"], this["median_ttc_s"], this["median_lead_s"]) == (1.0, 1.5, 2.5)
    assert (this["judged"], this["false_alarms"]) == (2, 1)
    assert "1 of 2" in run(journal, "stats").output
    assert json.loads(run(journal, "stats", "--json", "--device", "other").output)[-1]["near_misses"] == 0


def test_what_the_wearer_says_is_kept(journal: Path) -> None:
    assert run(journal, "log", "mark", "1", "false", "--note", "my own shadow").exit_code == 0
    assert run(journal, "log", "flag", "1", "2").exit_code == 0
    rows = {row["id"]: row for row in json.loads(run(journal, "log", "--json").output)}
    assert (rows[1]["verdict"], rows[1]["note"], rows[1]["flagged"]) == ("false", "my own shadow", True)
    assert (rows[2]["verdict"], rows[2]["flagged"]) == (None, True)
    assert [r["id"] for r in json.loads(run(journal, "log", "--json", "--flagged").output)] in (
        [1, 2],
        [2, 1],
    )
    run(journal, "log", "mark", "1", "unsaid")
    run(journal, "log", "flag", "1", "--off")
    rows = {row["id"]: row for row in json.loads(run(journal, "log", "--json").output)}
    assert (rows[1]["verdict"], rows[1]["note"], rows[1]["flagged"]) == (None, "my own shadow", False)
    assert run(journal, "log", "flag", "99").exit_code == 1


def test_purge_asks_first(journal: Path) -> None:
    assert run(journal, "log", "purge", "--all", answer="n\n").exit_code != 0
    assert len(json.loads(run(journal, "log", "--json").output)) == 3
    assert run(journal, "log", "purge", "--all", answer="y\n").exit_code == 0
    assert json.loads(run(journal, "outings", "--json").output) == []
    assert list((journal / CLIPS).iterdir()) == []


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (["2", "3"], [1]),
        (["--outing", "1"], [2, 3]),
        (["--before", "3d"], None),
        (["--expired"], [1, 2, 3]),
        (["2", "--pictures"], [1, 2, 3]),
    ],
)
def test_purge_takes_what_it_is_told(journal: Path, what: list[str], left: list[int] | None) -> None:
    result = run(journal, "log", "purge", *what, "--yes")
    assert result.exit_code == 0, result.output
    rows = json.loads(run(journal, "log", "--json").output)
    if left is None:
        left = sorted(row["id"] for row in rows if row["wall_s"] >= (NOW - timedelta(days=3)).timestamp())
    assert sorted(row["id"] for row in rows) == left
    if "--pictures" in what:
        assert {row["id"]: row["media_gone"] for row in rows} == {1: "expired", 2: "purged", 3: None}


def test_purge_json(journal: Path) -> None:
    done = json.loads(run(journal, "log", "purge", "2", "--yes", "--json").output)
    assert done == {"near_misses": 1, "outings": 0, "files": 2, "traceless": True}


@pytest.mark.parametrize("what", [["999"], ["1", "999"], ["--outing", "999"], ["999", "--pictures"]])
def test_what_is_not_there_cannot_be_purged(journal: Path, what: list[str]) -> None:
    done = run(journal, "log", "purge", *what, "--yes")
    assert isinstance(done.exception, NotFound)
    assert "999" in str(done.exception)
    assert "nothing was deleted" in str(done.exception)
    assert len(json.loads(run(journal, "log", "--json").output)) == 3


def test_a_script_may_answer_and_read_the_json(journal: Path) -> None:
    done = run(journal, "log", "purge", "2", "--json", answer="y\n")
    assert json.loads(done.stdout)["near_misses"] == 1
    assert "Delete 1 near miss" in done.stderr


def test_show_tells_what_the_wearer_said(journal: Path) -> None:
    assert "You said" not in run(journal, "show", "1", "--no-image").output
    run(journal, "log", "mark", "1", "false", "--note", "my own shadow")
    run(journal, "log", "flag", "1")
    shown = " ".join(run(journal, "show", "1", "--no-image").output.split())
    assert "You said: a false alarm; flagged, kept until you take the flag back; “my own shadow”." in shown


@pytest.mark.parametrize("what", [[], ["1", "--all"], ["--all", "--outing", "1"], ["--all", "--pictures"]])
def test_purge_wants_one_thing(journal: Path, what: list[str]) -> None:
    assert run(journal, "log", "purge", *what, "--yes").exit_code == 2
    assert len(json.loads(run(journal, "log", "--json").output)) == 3


@pytest.mark.parametrize("options", [["--outing", "1"], ["--json"], ["--since", "7d", "--flagged"]])
def test_an_option_before_a_subcommand_is_refused_not_dropped(journal: Path, options: list[str]) -> None:
    """`log --journal other purge --all` must not empty the usual journal."""
    done = CliRunner().invoke(
        cli, ["log", *options, "purge", "--all", "--yes", "--journal", str(journal)], env={"COLUMNS": "120"}
    )
    assert done.exit_code == 2
    assert f"{options[0]} goes after the subcommand: rearguard log purge" in done.output
    assert len(json.loads(run(journal, "log", "--json").output)) == 3
    before = CliRunner().invoke(cli, ["log", "--journal", str(journal), "flag", "1"])
    assert "--journal goes after the subcommand" in before.output


@pytest.mark.parametrize(
    "args",
    [
        ["show", "99999999999999999999"], ["outings", "99999999999999999999"],
        ["log", "--outing", "99999999999999999999"], ["export", "--outing", "99999999999999999999"],
        ["report", "--html", "x.html", "--outing", "99999999999999999999"],
        ["log", "flag", "99999999999999999999"], ["log", "mark", "99999999999999999999", "true"],
        ["log", "purge", "99999999999999999999"], ["log", "purge", "--outing", "99999999999999999999"],
        ["log", "--label", "\udcff"], ["log", "--device", "\udcff"], ["stats", "--device", "\udcff"],
        ["export", "--label", "\udcff"], ["log", "mark", "1", "true", "--note", "\udcff"],
        ["log", "--since", ""], ["log", "--until", ""], ["export", "--since", ""],
    ],
)  # fmt: skip
def test_what_no_journal_could_hold_is_a_line(journal: Path, args: list[str]) -> None:
    done = run(journal, *args)
    assert isinstance(done.exception, SystemExit | BadInput), done.exc_info
    assert getattr(done.exception, "code", BadInput.exit_code) == 2
    if isinstance(done.exception, SystemExit):
        assert "Error: Invalid value for" in done.output


@pytest.mark.parametrize("args", [["mark", "1", "true"], ["flag", "1"], ["purge", "1", "--yes"]])
def test_a_journal_that_is_being_written_is_a_line(
    journal: Path, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearguard.journal.db.store._BUSY_S", 0.1)
    with contextlib.closing(sqlite3.connect(journal / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = run(journal, "log", *args)
    assert isinstance(done.exception, PartFailed), done.exc_info
    assert "something else is writing to it; try again" in str(done.exception)
    assert len(json.loads(run(journal, "log", "--json").output)) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_who_may_not_change_a_journal_is_told_who_may(journal: Path) -> None:
    os.chown(journal, 54321, 54321)
    os.chown(journal / DATABASE, 54321, 54321)
    let_in(journal.parent)
    for gid in (54321, 54322):  # in the group, and not even that
        with pytest.raises(BadInput, match="try: sudo -u '#54321' rearguard"):
            as_stranger(gid, _change, journal)


def _change(journal: Path) -> None:
    with change_journal(journal):
        pass


def test_there_must_be_a_journal_to_change(tmp_path: Path) -> None:
    result = run(tmp_path / "none", "log", "flag", "1")
    assert "there is no journal to change" in str(result.exception)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("by", ["month", "weekday", "device", "label"])
def test_stats_by_anything_add_up(journal: Path, by: str) -> None:
    rows = json.loads(run(journal, "stats", "--by", by, "--json").output)
    assert sum(row["near_misses"] for row in rows) == 3
    if by != "label":
        assert sum(row["outings"] for row in rows) == 2
    table = run(journal, "stats", "--by", by).output.splitlines()
    assert table[0].split()[0] == by
    assert len(table) == 1 + len(rows)


def test_stats_of_a_time(journal: Path) -> None:
    assert "Nothing was worn" in run(journal, "stats", "--by", "month", "--until", "2001-01-01").output
    assert "--since and --until go with --by" in run(journal, "stats", "--since", "7d").output


def test_the_table_shows_the_columns_that_are_asked_for(journal: Path) -> None:
    lines = run(journal, "log", "--columns", "device,ID,passed").output.splitlines()
    assert lines[0].split() == ["device", "id", "passed"]
    assert len(lines) == 4
    bad = run(journal, "log", "--columns", "id,weight")
    assert bad.exit_code == 2
    assert "no column 'weight'; there are: id, when" in bad.output


def test_no_column_vanishes_silently(journal: Path) -> None:
    """One that says the same in every row is said once below; one that finds no room is named."""
    lines = at_terminal(journal, 45, "log")
    assert any(line.startswith("(all: ") and "device" in line for line in lines)
    assert any(line.startswith("(too narrow for ") for line in lines)
