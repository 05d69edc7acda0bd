"""`review`, driven with the keyboard: by Textual's pilot, and for real in tmux at 80x24."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from journal_kit import a_near_miss, a_start, a_writer
from tmux_kit import Tmux, tmux_fixture  # noqa: F401

from rearguard.journal.picture import Snapshot
from rearguard.journal.place import DATABASE
from rearguard.journal.rows import Filter
from rearguard.journal.store import Journal
from rearguard.words import Level

pytest.importorskip("textual", reason="Textual is not installed (extra 'review')")
from textual.widgets import Input, Static

from rearguard.review.app import PAGE, List, Review

COUNT = PAGE + 30


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    image = np.zeros((90, 160, 3), np.uint8)
    image[:, :, 1] = 200
    writer = a_writer(folder)
    for n in range(COUNT):
        level = Level.CRITICAL if n % 10 == 9 else Level.CAUTION
        seen = a_near_miss(1.0 + n, label=f"thing{n + 1}", level=level)
        writer.near_miss(seen, Snapshot(image) if n == COUNT - 1 else None).result(10)
    assert writer.close(20)
    return folder


def drive(
    folder: Path, keys: Callable[[Review, object], Awaitable[None]], size: tuple[int, int] = (80, 24)
) -> None:
    """Run the program in this process and press keys."""

    async def run() -> None:
        with Journal.open(folder, readonly=True) as opened:
            app = Review(opened, Filter())
            async with app.run_test(size=size) as pilot:
                await settle(pilot)
                await keys(app, pilot)

    asyncio.run(run())


async def settle(pilot: object) -> None:
    """Long enough for the cursor to have rested, and for what is drawn then."""
    for _ in range(4):
        await pilot.pause(0.06)  # type: ignore[attr-defined]


def shown(app: Review, name: str) -> str:
    return str(app.query_one(name, Static).render())


def test_a_damaged_journal_is_one_line_and_its_exit_code(journal: Path, tmux: Callable[[str], Tmux]) -> None:
    size = (journal / DATABASE).stat().st_size
    with (journal / DATABASE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    window = tmux(f"{sys.executable} -m rearguard review --journal {journal}; echo exit code $?")
    screen = window.until("exit code 2")
    assert "damaged" in screen
    assert "Traceback" not in screen
    assert len(screen.split()) < 60


def test_the_newest_is_told_at_once(journal: Path) -> None:
    async def keys(app: Review, _: object) -> None:
        assert "thing130" in shown(app, "#story")
        assert "CRITICAL" in shown(app, "#plot")
        assert "▀" in shown(app, "#picture")
        assert app.query_one(List).row_count == PAGE

    drive(journal, keys)


def test_going_down_reads_the_next_page(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("end")  # type: ignore[attr-defined]
        await settle(pilot)
        assert app.query_one(List).row_count == COUNT
        await pilot.press("end")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "a thing1 came close" in shown(app, "#story")
        await pilot.press("home", "j", "down", "k")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "thing129" in shown(app, "#story")
        assert "no picture" in shown(app, "#picture")

    drive(journal, keys)


def test_marks_notes_and_flags_are_written(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("f", "s", "n")  # type: ignore[attr-defined]
        await settle(pilot)
        app.screen.query_one(Input).value = "my own shadow"
        await pilot.press("left", "enter")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "my own shadow" in shown(app, "#story")
        assert "flagged" in shown(app, "#story")
        await pilot.press("down", "t")  # type: ignore[attr-defined]
        await settle(pilot)

    drive(journal, keys)
    with Journal.open(journal, readonly=True) as opened:
        first, second = opened.near_misses(limit=2)
    assert (first.verdict, first.note, first.flagged) == ("false", "my own shadow", True)
    assert (second.verdict, second.flagged) == ("true", False)


def test_only_critical_ones_and_why(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("l", "w")  # type: ignore[attr-defined]
        await settle(pilot)
        assert app.query_one(List).row_count == COUNT // 10
        assert "in the corridor; closing" in shown(app, "#picture")
        await pilot.press("u")  # type: ignore[attr-defined]

    drive(journal, keys, size=(140, 40))


def test_what_was_logged_meanwhile_comes_with_r(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        writer = a_writer(journal, start=a_start())
        writer.near_miss(a_near_miss(9000.0, label="latest")).result(10)
        writer.close(5)
        await pilot.press("r")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "latest" in shown(app, "#story")

    drive(journal, keys)


def test_an_empty_journal_says_so(tmp_path: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("t", "f", "s", "n", "right", "down")  # type: ignore[attr-defined]
        assert "No near misses" in shown(app, "#story")

    drive(tmp_path, keys)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    evil = "\x1b[2J[bold]x[/]\u202e"
    writer = a_writer(tmp_path, start=a_start(device=evil))
    writer.near_miss(a_near_miss(label=evil, kind=evil))
    writer.close(5)

    async def keys(app: Review, _: object) -> None:
        story = shown(app, "#story")
        assert "[bold]x[/]" in story
        assert "\x1b" not in story

    drive(tmp_path, keys)


def test_it_needs_a_terminal(journal: Path) -> None:
    command = [sys.executable, "-m", "rearguard", "review", "--journal", str(journal)]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("rearguard: review needs a terminal")
    assert len(done.stderr.splitlines()) == 1


def test_in_tmux_at_80x24(journal: Path, tmux: Callable[[str], Tmux]) -> None:
    window = tmux(f"{sys.executable} -m rearguard review --journal '{journal}'")
    screen = window.until("thing130 came")
    lines = screen.split("\n")
    assert max(map(len, lines)) <= 80
    for word in ("when", "CRITICAL", "TTC", "▀▀▀▀", "f false alarm", "q quit"):
        assert word in screen, word
    window("send-keys", "f")
    window.until("✗ ")
    window("send-keys", "Down")
    window.until("thing129 came")
    window("send-keys", "q")
    end = time.monotonic() + 20
    while "review" in window("capture-pane", "-p") and time.monotonic() < end:
        time.sleep(0.1)
    with Journal.open(journal, readonly=True) as opened:
        assert opened.near_misses(limit=1)[0].verdict == "false"
    assert (journal / DATABASE).exists()


def test_a_long_list_is_paged_as_git_does(journal: Path, tmux: Callable[[str], Tmux]) -> None:
    if shutil.which("less") is None:
        pytest.skip("less is not installed")
    log = f"{sys.executable} -m rearguard log --journal '{journal}'"
    window = tmux(f"{log} --limit 60; {log} --limit 3; echo no more")
    screen = window.until("thing130")
    assert "no more" not in screen
    assert "thing71" not in screen
    window("send-keys", "G")
    window.until("thing71")
    window("send-keys", "q")
    window.until("no more")  # three rows fit, so nobody has to press a key
