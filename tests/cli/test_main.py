"""Whatever goes wrong around a command is one line and its exit code, as somebody at a shell sees it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_kit import a_near_miss, a_writer

from rearguard.cli.main import main
from rearguard.journal.place import DATABASE

LONG = "n" * 300


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    writer = a_writer(folder)
    for n in range(50):
        writer.near_miss(a_near_miss(10.0 + n))
    assert writer.close(20)
    return folder


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """`rearguard` stands for this one."""
    script = f'rearguard() {{ "{sys.executable}" -m rearguard "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if "no GPIO here" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("rearguard: ")
    return lines[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["log", "export trace", "export --format jsonl", "sync list"])
def test_a_full_disk_is_told(journal: Path, command: str) -> None:
    assert "No space left" in one_line(shell(f"rearguard {command} --journal {journal} > /dev/full"), 3)


@pytest.mark.parametrize("command", ["log", "export trace", "show 1", "sync list"])
def test_closed_streams_hurt_nobody(journal: Path, command: str) -> None:
    before = (journal / DATABASE).read_bytes()
    done = shell(f"rearguard {command} --journal {journal} <&- >&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert shell(f"rearguard {command} --journal {journal} >&- 2>&-").returncode == 0
    assert (journal / DATABASE).read_bytes() == before


def test_a_reader_that_has_seen_enough_is_no_fault(journal: Path) -> None:
    assert shell(f"rearguard export trace --journal {journal} | head -1").stderr == ""


@pytest.mark.parametrize(
    "command", [f"evaluate {LONG}", f"replay ./{LONG}", f"run --source ./{LONG}", f"config check {LONG}"]
)
def test_a_name_that_cannot_be_is_bad_input(command: str) -> None:
    assert LONG in one_line(shell(f"rearguard {command}"), 2)


@pytest.mark.parametrize(
    "command",
    ["evaluate", "replay", "replay sim:stand --detections", "bench --threads 1 --source", "run --source"],
)
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, command: str) -> None:
    tmp_path.chmod(0)
    try:
        if os.access(tmp_path, os.R_OK):
            pytest.skip("root may read everything")
        assert "Permission denied" in one_line(shell(f"rearguard {command} {tmp_path}/x.mp4"), 2)
    finally:
        tmp_path.chmod(0o700)


def test_a_journal_that_another_holds_is_a_part_that_failed(journal: Path) -> None:
    db = sqlite3.connect(journal / DATABASE, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        assert "something else is writing" in one_line(shell(f"rearguard log flag 1 --journal {journal}"), 3)
    finally:
        db.close()


def test_a_line_of_complaint_cannot_drive_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "\x1b]0;owned\x07\x9b2J.toml"
    monkeypatch.setattr(sys, "argv", ["rearguard", "config", "check", str(evil)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "owned" in said
    assert said.strip().isprintable() or "\ufffd" in said
    assert not set(said) & {"\x1b", "\x07", "\x9b"}


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("rearguard.cli.main.cli", broken)
    with pytest.raises(ZeroDivisionError):
        main()
