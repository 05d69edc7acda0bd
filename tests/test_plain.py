"""Terminals that are not UTF-8 get a plain drawing, never an error, and columns stay columns."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from journal_kit import a_near_miss, a_writer

from rearguard import plain

DRAWN = "– — … ─│┌┼ ⠁⣿ ▂▅█ → × ± ° “é” ≤ 日"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    writer = a_writer(folder)
    writer.near_miss(a_near_miss(), None).result(10)
    writer.close()
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "iso8859-15", "koi8-r"])
def test_every_character_becomes_one_that_is_there(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    written = plain.as_written(DRAWN, stream)
    assert len(written) == len(DRAWN)
    written.encode(encoding)
    assert written.startswith("-") or encoding == "cp1252"  # which has dashes of its own
    assert written.count("?") <= 1  # only what is like nothing in ASCII


def test_utf_8_is_left_alone() -> None:
    assert plain.as_written(DRAWN, io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == DRAWN


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", [
    ["log"], ["show", "1"], ["show", "1", "--image", "blocks"], ["show", "1", "--json"], ["outings"], ["outings", "1"],
    ["stats"], ["log", "--json"], ["config", "show"], ["buzz", "--help"], ["--help"],
], ids=" ".join)  # fmt: skip
def test_reading_commands_on_a_terminal_that_is_not_utf_8(
    journal: Path, words: list[str], encoding: str
) -> None:
    reads = words[0] in ("log", "show", "outings", "stats")
    done = subprocess.run(
        [sys.executable, "-m", "rearguard", *words, *(["--journal", str(journal)] if reads else [])],
        capture_output=True, check=False, timeout=60,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    text = done.stdout.decode(encoding)
    assert len(text) > 50
    assert "--json" in words or "\\u" not in text
    assert "UnicodeEncodeError" not in text


def test_a_plot_stays_in_its_columns(journal: Path) -> None:
    def show(encoding: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "rearguard", "show", "1", "--no-image", "--journal", str(journal)],
            capture_output=True, check=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": encoding},
        )  # fmt: skip
        return done.stdout.decode(encoding).splitlines()

    rich, poor = show("utf-8"), show("ascii")
    assert any("⠁" <= c <= "⣿" for line in rich for c in line)
    assert [len(line) for line in poor] == [len(line) for line in rich]
