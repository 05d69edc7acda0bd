"""Files that commands write: what was there stays until the new one is whole, and a bad name is told at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from journal_kit import a_near_miss, a_writer

from rearguard.cli.main import cli
from rearguard.errors import BadInput
from rearguard.journal.paths import DATABASE
from rearguard.output import check_output, output


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, list(args))


def refused(done: Result) -> str:
    """The one line; `main` prints it and exits with its code."""
    assert isinstance(done.exception, BadInput), (done.output, done.exception)
    assert done.exception.exit_code == 2
    return str(done.exception)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    writer = a_writer(folder)
    for n in range(300):
        writer.near_miss(a_near_miss(10.0 + n))
    assert writer.close(20)
    return folder


def test_half_a_file_never_takes_the_place_of_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old")

    def cut_short() -> None:
        with output(path) as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        cut_short()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.csv"]


def test_a_link_and_the_rights_of_a_file_stay(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("old")
    there.chmod(0o604)
    link.symlink_to(there)
    with output(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert there.read_text() == "new"
    assert stat.S_IMODE(there.stat().st_mode) == 0o604


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with output(pipe) as file:
        file.write(b"all of it")
    reader.join(5)
    assert got == [b"all of it"]
    assert pipe.is_fifo()


def test_standard_output_by_name_keeps_what_comes_before_and_after(journal: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with page.open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "rearguard", "report", "--html", "/dev/stdout", "--journal", str(journal)],
            stdout=out, check=True, timeout=60,
        )  # fmt: skip
    assert page.read_text().startswith("<!doctype html>")
    assert page.read_text().splitlines()[-1].startswith("/dev/stdout: ")


@pytest.mark.parametrize("name", ["no/such/x", "a file/x", ".", "n" * 300, "a folder"])
@pytest.mark.parametrize(
    "command",
    [
        ("export", "-o", "{}", "--format", "csv"),
        ("export", "-o", "{}", "--format", "parquet"),
        ("report", "--html", "{}"),
        ("replay", "sim:stand", "--detections", "{}"),
        ("scenarios", "--html", "{}", "--json"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_where_nothing_can_be_written_is_told_before_the_work(
    command: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    began = time.monotonic()
    done = run(*(word.format(name) for word in command))
    assert time.monotonic() - began < 5
    if done.exit_code == 2 and isinstance(done.exception, SystemExit):
        assert "is a directory" in done.output  # click itself has seen it
        return
    if command[0] == "replay" and name in (".", "a folder"):
        return
    assert name in refused(done)


def test_a_folder_or_file_one_may_not_write_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").touch()
    (tmp_path / "locked").chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("root may write everywhere")
        with pytest.raises(BadInput, match="nothing may be made in"):
            check_output(tmp_path / "x")
        with pytest.raises(BadInput, match="Permission denied"):
            check_output(tmp_path / "locked")
    finally:
        tmp_path.chmod(0o700)


def test_a_filter_that_does_not_fit_leaves_the_old_table(journal: Path, tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    table.write_text("last year")
    done = run("export", "outings", "--level", "critical", "-o", str(table), "--journal", str(journal))
    assert "has no label or level" in refused(done)
    assert table.read_text() == "last year"


def test_a_damaged_journal_leaves_the_old_table_and_is_bad_input(journal: Path, tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    table.write_text("last year")
    with contextlib.closing(sqlite3.connect(journal / DATABASE)) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (journal / DATABASE).stat().st_size
    with (journal / DATABASE).open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xff" * (size // 2))
    done = run("export", "trace", "-o", str(table), "--journal", str(journal))
    assert "damaged" in refused(done)
    assert table.read_text() == "last year"


@pytest.mark.parametrize("name", [DATABASE, f"{DATABASE}-wal", "clips/x.csv"])
@pytest.mark.parametrize("command", [("export", "--format", "csv", "-o"), ("report", "--html")])
def test_the_journal_is_not_written_over_by_what_is_read_from_it(
    journal: Path, command: tuple[str, ...], name: str
) -> None:
    before = (journal / DATABASE).read_bytes()
    done = run(*command, str(journal / name), "--journal", str(journal))
    assert "part of the journal" in refused(done)
    assert (journal / DATABASE).read_bytes() == before
