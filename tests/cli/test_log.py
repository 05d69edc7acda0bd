"""`log` and `show`, as somebody over SSH sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import WALL_S, a_near_miss, a_start, a_writer
from msgspec.structs import replace

from rearguard.cli.main import cli, main
from rearguard.journal.db.store import Journal
from rearguard.journal.media.snapshot import Snapshot
from rearguard.types import Box, Cue, CueName, Level, Reason, ReasonCode, Side


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    writer = a_writer(folder)
    image = np.zeros((180, 320, 3), np.uint8)
    image[:, :, 2] = 200  # red
    writer.near_miss(a_near_miss(10.0), Snapshot(image, (Box(100, 20, 160, 170),)))
    seen = a_near_miss(20.0, label="bicycle", side=Side.RIGHT, level=Level.CAUTION, range_m=None)
    writer.near_miss(seen)
    for at_ns, name in ((seen.warned_ns, "CAUTION"), (seen.worst_ns, "CRITICAL"), (seen.worst_ns, "ALIVE")):
        writer.cue(Cue(at_ns=at_ns, cue=CueName(name), side=Side.RIGHT))
    assert writer.close(10)
    return folder


def run(*args: str, **env: str) -> Result:
    return CliRunner().invoke(cli, list(args), env={"COLUMNS": "100", **env})


def test_the_newest_comes_first_and_a_row_tells_it_all(journal: Path) -> None:
    lines = run("log", "--journal", str(journal)).output.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[0] == "2"
    for word in ("CRITICAL", "person", "left", "1.6 s", "3.0 m", "2.9 s", "picture"):
        assert word in lines[2]


def test_json_has_the_stable_keys(journal: Path) -> None:
    rows = json.loads(run("log", "--journal", str(journal), "--json").output)
    assert [row["id"] for row in rows] == [2, 1]
    assert rows[1]["level"] == "CRITICAL"
    assert rows[1]["side"] == "left"
    assert rows[1]["min_ttc_s"] == 1.6
    assert rows[1]["wall_s"] == pytest.approx(WALL_S + 10)
    assert rows[1]["warned_s"] == pytest.approx(-1.1)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--level", "critical"], [1]),
        (["--level", "caution"], [2, 1]),
        (["--label", "bicycle"], [2]),
        (["--outing", "1", "--limit", "1"], [2]),
        (["--outing", "9"], []),
        (["--since", "2020-01-01", "--until", "2020-01-02"], []),
        (["--since", "2020-01-01"], [2, 1]),
    ],
)
def test_filters(journal: Path, options: list[str], ids: list[int]) -> None:
    rows = json.loads(run("log", "--journal", str(journal), "--json", *options).output)
    assert [row["id"] for row in rows] == ids


def test_an_empty_journal_is_no_error(tmp_path: Path) -> None:
    result = run("log", "--journal", str(tmp_path))
    assert result.exit_code == 0
    assert "No near misses yet" in result.output
    assert json.loads(run("log", "--journal", str(tmp_path), "--json").output) == []
    usual = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path), "STATE_DIRECTORY": ""}
    assert "No near misses yet" in run("log", **usual).output


def test_show_tells_the_story(journal: Path) -> None:
    result = run("show", "1", "--journal", str(journal), "--no-image")
    assert result.exit_code == 0
    assert "a person came close on the left" in result.output
    assert "least time to collision 1.6 s" in result.output
    assert "CRITICAL┈" in result.output, "the threshold's line is named"
    assert "contact within 3.0 s is 90% probable" in result.output
    assert "\x1b" not in result.output


def test_show_says_what_was_felt_below_the_curve(journal: Path) -> None:
    output = run("show", "2", "--journal", str(journal)).output
    assert "↑CAUTION" in output
    assert "↑CRITICAL" in output
    assert "ALIVE" not in output
    assert "no picture was kept" in output


@pytest.mark.parametrize(
    ("way", "start"), [("blocks", "\x1b[38;5;"), ("kitty", "\x1b_Ga=T,"), ("sixel", '\x1bPq"1;1;320;180')]
)
def test_show_draws_the_picture(journal: Path, way: str, start: str) -> None:
    result = run("show", "1", "--journal", str(journal), "--image", way, COLORTERM="")
    assert start in result.output
    assert (
        max(map(len, run("show", "1", "--journal", str(journal), "--image", "ascii").output.splitlines()))
        <= 100
    )


def test_show_json(journal: Path) -> None:
    story = json.loads(run("show", "2", "--journal", str(journal), "--json").output)
    assert len(story["trace"]) == 21
    assert story["trace"][15]["t_s"] == 0.0
    assert [c["cue"] for c in story["cues_felt"]] == ["CAUTION", "CRITICAL", "ALIVE"]
    assert story["outing_details"]["config"]["judge"]["caution_ttc_s"] == 3.0
    assert story["files"] == {}


def test_what_cannot_be_is_one_line(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for args, code in (
        (["log", "--journal", str(tmp_path / "mistyped")], 2),
        (["outings", "--json", "--journal", str(tmp_path / "mistyped")], 2),
        (["sync", "list", "--journal", str(tmp_path / "mistyped")], 2),  # as pull --remote-journal asks
        (["show", "99", "--journal", str(journal)], 1),
        (["log", "--journal", str(tmp_path / "file")], 2),
        (["log", "--journal", str(journal), "--since", "some day"], 2),
        (["show", "one", "--journal", str(journal)], 2),
    ):
        monkeypatch.setattr(sys, "argv", ["rearguard", *args])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == code, args
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) <= 4
        assert "Traceback" not in said.err


def test_text_from_the_journal_cannot_drive_the_terminal(tmp_path: Path) -> None:
    evil = "dog\x1b]0;owned\x07\x1b[2J\x9b31m\u202eexe\r\n[bold]x"
    writer = a_writer(tmp_path, start=a_start(device=evil, model=evil, version=evil))
    point = a_near_miss().trace[0]
    told = Reason(code=ReasonCode.OLDER, told=evil)
    writer.near_miss(a_near_miss(label=evil, kind=evil, trace=(replace(point, reason=told),)))
    writer.near_miss(a_near_miss(label="dog"))
    writer.close(5)
    with Journal.open(tmp_path) as opened, opened.transaction(durable=False) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE near_miss SET side = ?, boot_id = ?, verdict = ?", (evil, evil, evil))
        db.execute("UPDATE outing SET ended = ?, source = ?", (evil, evil))
    for args in (["log"], ["show", "1"], ["log", "--json"], ["show", "1", "--json"], ["outings"]):
        output = run(*args, "--journal", str(tmp_path)).output
        assert "dog" in output
        for bad in ("\x1b", "\x07", "\x9b", "\u202e", "\r"):
            assert bad not in output, args


@pytest.mark.parametrize("column", ["wall_s", "level"])
def test_a_tampered_database_is_refused_not_believed(tmp_path: Path, column: str) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    writer.close(5)
    with Journal.open(tmp_path) as opened, opened.transaction(durable=False) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(f"UPDATE near_miss SET {column} = '\x1b]0;owned\x07'")
    result = run("log", "--journal", str(tmp_path))
    assert result.exit_code != 0
    assert "makes no sense" in str(result.exception)


@pytest.mark.parametrize(
    "config",
    [
        '{"judge": {"notice_ttc_s": 1e999, "caution_ttc_s": NaN, "critical_ttc_s": 2.0}}',
        f'{{"judge": {{"caution_ttc_s": 1{"0" * 400}}}}}',
        "[" * 100_000,
        "[" * 900 + "]" * 900,
        "1" * 5000,
    ],
    ids=["not finite", "huge", "open", "deep", "digits"],
)
def test_settings_that_make_no_sense_hide_no_near_miss(tmp_path: Path, config: str) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    writer.close(5)
    with Journal.open(tmp_path) as opened, opened.transaction(durable=False) as db:
        db.execute("UPDATE outing SET config = ?", (config,))
        db.execute("UPDATE near_miss SET range_m = 9e999")

    def not_json(word: str) -> None:
        raise AssertionError(word)

    assert "came close" in run("show", "1", "--journal", str(tmp_path)).output
    for args in (["show", "1"], ["outings"], ["log"]):
        done = run(*args, "--json", "--journal", str(tmp_path))
        assert done.exit_code == 0, done.exception
        json.loads(done.output, parse_constant=not_json)


@pytest.mark.parametrize("what", [["--all"], ["--before", "2100-01-01"]])
def test_what_cannot_be_read_can_be_purged(tmp_path: Path, what: list[str]) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    writer.close(5)
    with Journal.open(tmp_path) as opened, opened.transaction(durable=False) as db:
        db.execute("UPDATE near_miss SET min_ttc_s = 'abc'")
        db.execute("UPDATE outing SET worn_s = 'abc'")
    done = run("log", "purge", *what, "--yes", "--journal", str(tmp_path))
    assert done.exit_code == 0, done.exception
    with Journal.open(tmp_path, readonly=True) as opened:
        assert opened.near_misses() == []


def test_what_an_older_version_told_is_only_text(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss())
    writer.close(5)
    with Journal.open(tmp_path) as opened, opened.transaction(durable=False) as db:
        db.execute("UPDATE trace SET code = 'older', told = ?", ("[" * 100_000,))
    done = run("show", "1", "--journal", str(tmp_path))
    assert done.exit_code == 0, done.exception
    assert "came close" in done.output


def test_reviewing_loads_nothing_heavy(journal: Path) -> None:
    """Over SSH the reader waits for every import; OpenCV alone would take longer than the query."""
    script = (
        "import sys; from rearguard.cli.main import cli\n"
        "show = ['show', '1']\n"
        "for args in (['log'], ['log', '--json'], show, [*show, '--json'], [*show, '--image', 'blocks']):\n"
        "    cli([*args, '--journal', sys.argv[1]], standalone_mode=False)\n"
        "heavy = {'cv2','numpy','scipy','tflite_runtime','ai_edge_litert','gpiozero','textual'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(journal)],
        capture_output=True,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    assert done.returncode == 0, done.stderr
