"""Whatever goes wrong around a command is one line and its exit code, as somebody at a shell sees it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer

from rearguard.cli.main import COMMANDS, main
from rearguard.clock import Stamp
from rearguard.journal.paths import DATABASE

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
    done = shell(f"set -o pipefail; rearguard export trace --journal {journal} | head -1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_nearly_typed_is_named() -> None:
    assert "did you mean show?" in shell("rearguard shwo").stderr
    assert "did you mean" not in shell("rearguard xyzzy").stderr


def test_the_version_tells_what_a_bug_report_needs() -> None:
    lines = shell("rearguard --version").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["rearguard", "model", "runtime", "Python"]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("rearguard sh", "show"),
        ("rearguard run --source sim:cut", "sim:cut-in"),
        ("rearguard log --label bicy", "bicycle"),
        ("rearguard buzz crit", "CRITICAL"),
        ("rearguard scenarios --only CROWD-P", "CROWD-PASSED"),
    ],
)
def test_the_shell_completes_commands_and_values(tmp_path: Path, typed: str, completed: str) -> None:
    """A real bash takes the printed lines and completes the word."""
    own = tmp_path / "rearguard"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rearguard "$@"\n')
    own.chmod(0o755)
    words = typed.split()
    array = " ".join(f"'{w}'" for w in words)
    script = (
        f'PATH="{tmp_path}:$PATH"; eval "$(rearguard completion bash)"; COMP_WORDS=({array}); '
        f"COMP_CWORD={len(words) - 1}; _rearguard_completion rearguard 2>/dev/null; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert completed in done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_lines(kind: str) -> None:
    assert "_REARGUARD_COMPLETE" in shell(f"rearguard completion {kind}").stdout


def test_aim_stores_nothing_from_a_simulation() -> None:
    assert "a simulated camera" in one_line(shell("rearguard aim --source sim:stand --seconds 1 --save"), 2)


def test_near_misses_without_a_date_are_named_when_since_leaves_them_out(tmp_path: Path) -> None:
    lost = a_start(stamp=Stamp(MONO_NS, "boot-1", 5.0, False), key="00000000deadbee1")
    writer = a_writer(tmp_path, start=lost, true_clock=lambda: None)
    writer.near_miss(a_near_miss())
    assert writer.close()
    assert "1 near misses have no date" in shell(f"rearguard log --since 7d --journal {tmp_path}").stderr
    assert shell(f"rearguard log --journal {tmp_path}").stderr == ""


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


def test_every_command_has_a_manual_page_that_man_can_read(tmp_path: Path) -> None:
    pytest.importorskip("click_man", reason="click-man is not installed (extra 'review')")
    assert shell(f"rearguard man {tmp_path}").returncode == 0
    assert {p.stem for p in tmp_path.iterdir()} == {"rearguard", *(f"rearguard-{name}" for name in COMMANDS)}
    names = [re.search(r"^\.SH NAME\n(.*)$", p.read_text(), re.M) for p in tmp_path.iterdir()]
    assert all(name and not name[1].endswith("...") for name in names), "what it does is told to its end"
    page = (tmp_path / "rearguard-log.1").read_text()
    for wanted in (".SH OPTIONS", "columns", "rearguard log mark 12 false"):
        assert wanted in page
    man = shutil.which("man")
    if man is None:
        pytest.skip("man is not installed")
    done = subprocess.run(
        [man, "-l", str(tmp_path / "rearguard-log.1")], capture_output=True, text=True, check=True
    )
    assert "List near misses, newest first" in done.stdout
