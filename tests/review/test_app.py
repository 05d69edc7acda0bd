"""`review`, driven with the keyboard: by Textual's pilot, and for real in tmux at 80x24."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer
from tmux_kit import Tmux, tmux_fixture  # noqa: F401

from rearguard.config.journal import Journal as Settings
from rearguard.errors import BadInput
from rearguard.journal.db.rows import Filter
from rearguard.journal.db.store import Journal
from rearguard.journal.media.avi import mux
from rearguard.journal.media.clips import ClipRing
from rearguard.journal.media.jpeg import to_jpeg
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import DATABASE
from rearguard.types import Frame, Level

pytest.importorskip("textual", reason="Textual is not installed (extra 'review')")
from textual.widgets import Input, Static

from rearguard.review import find
from rearguard.review.app import PAGE, Review
from rearguard.review.clip import jpegs, thumbs
from rearguard.review.listing import List

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


async def opened(app: Review, pilot: object) -> None:
    """Until the near miss under the cursor has been read: on a busy machine that takes a while."""
    for _ in range(200):
        if app._story is not None:
            return
        await pilot.pause(0.05)  # type: ignore[attr-defined]


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
        assert "A thing1 came close" in shown(app, "#story")
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
        assert "contact within 3.0 s is 90% probable" in shown(app, "#picture")
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


def test_no_word_of_the_list_runs_into_the_next_one(tmp_path: Path) -> None:
    writer = a_writer(tmp_path)
    writer.near_miss(a_near_miss(label="obstacle", kind="looming"))
    writer.close(5)

    async def keys(app: Review, _: object) -> None:
        table = app.query_one("#list", List)
        for column, cell in zip(table.columns.values(), table.get_row_at(0), strict=True):
            assert len(cell.plain) < column.width
        assert "obstacle" in [cell.plain for cell in table.get_row_at(0)]

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
    for word in ("when", "CRITICAL", "TTC", "▀▀▀▀", "f false", "q quit", "? help"):
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


def see(command: list[str], answers: dict[bytes, bytes], until: bytes, seconds: float = 60.0) -> bytes:
    """What a program writes to a terminal of 100x30 that answers queries so, until it has written something; then q."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 1000, 600))
    env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    written, answered = b"", 0
    end = time.monotonic() + seconds
    while until not in written and time.monotonic() < end and process.poll() is None:
        if not select.select([ours], [], [], 0.2)[0]:
            continue
        written += os.read(ours, 65536)
        asked = {m.end(): answer for query, answer in answers.items() for m in re.finditer(query, written)}
        for at in sorted(asked):
            if at > answered:
                os.write(ours, asked[at])
                answered = at
    os.write(ours, b"q")
    while process.poll() is None:  # it may still have much to write
        if select.select([ours], [], [], 0.1)[0]:
            try:
                os.read(ours, 65536)
            except OSError:
                break
    process.wait(20)
    os.close(ours)
    assert process.returncode == 0
    return written


@pytest.mark.parametrize(
    ("answers", "drawn"),
    [
        ({rb"\x1b\[c": b"\x1b[?62;4;22c"}, b"\x1bP"),
        (
            {rb"\x1b\[c": b"\x1b[?62;22c", rb"\x1b_G[^;]*a=q[^;]*;AAAA\x1b\\": b"\x1b_Gi=31;OK\x1b\\"},
            "\U0010eeee".encode(),
        ),
        ({rb"\x1b\[c": b"\x1b[?62;22c"}, "▀".encode()),
    ],
    ids=["sixel", "kitty", "neither"],
)
def test_the_picture_is_in_pixels_where_the_terminal_can(
    journal: Path, answers: dict[bytes, bytes], drawn: bytes
) -> None:
    if drawn != "▀".encode():
        pytest.importorskip("textual_image", reason="textual-image is not installed (extra 'review')")
    command = [sys.executable, "-m", "rearguard", "review", "--journal", str(journal)]
    written = see(command, answers, drawn)
    assert drawn in written
    assert b"thing130" in written


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


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", Filter()),
        ("critical false", Filter(level=Level.CRITICAL, verdict="false")),
        ("Thing7 on the path", Filter(text="thing7 on the path")),
        ("pi-1 flagged", Filter(device="pi-1", flagged=True)),
        ("PI-1", Filter(text="pi-1")),
    ],
)
def test_words_become_a_filter(words: str, wanted: Filter) -> None:
    assert find.parse(words, ["pi-1", "pi-2"]) == wanted


def test_dates_become_a_filter_and_bad_ones_are_told() -> None:
    assert find.parse("2026-11-21", []).since_s is not None
    assert find.parse("until:7d", []).until_s is not None
    assert find.parse("2nd", []).text == "2nd"
    with pytest.raises(BadInput, match="no date"):
        find.parse("since:soon", [])


def test_slash_finds_by_a_word(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("slash", *"thing12", "enter")  # type: ignore[attr-defined]
        await settle(pilot)
        assert {row.label for row in app._rows} == {"thing12", *(f"thing{n}" for n in range(120, 130))}
        await pilot.press("slash", *["backspace"] * 7, *"nothing", "enter")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "Press / to look for others" in shown(app, "#story")

    drive(journal, keys)


def test_end_is_the_oldest_and_home_the_newest(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("end")  # type: ignore[attr-defined]
        await settle(pilot)
        assert len(app._rows) == COUNT
        assert "thing1 " in shown(app, "#story")
        await pilot.press("home")  # type: ignore[attr-defined]
        await settle(pilot)
        assert f"thing{COUNT} " in shown(app, "#story")

    drive(journal, keys)


def test_help_names_every_key(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await pilot.press("question_mark")  # type: ignore[attr-defined]
        await settle(pilot)
        text = str(app.screen.query_one(Static).render())
        for binding in Review.BINDINGS:
            key = {"question_mark": "?", "slash": "/"}.get(binding.key, binding.key)  # type: ignore[union-attr]
            assert key in text or key == "?"
        await pilot.press("x")  # type: ignore[attr-defined]
        await settle(pilot)
        assert isinstance(app.focused, List)

    drive(journal, keys)


@pytest.mark.parametrize("size", [(45, 20), (80, 24), (200, 50)])
def test_list_and_story_fit_every_terminal(journal: Path, size: tuple[int, int]) -> None:
    async def keys(app: Review, _: object) -> None:
        table = app.query_one("#list", List)
        names = [str(column.label) for column in table.columns.values()]
        assert names[1:6] == ["id", "when", "level", "what", "TTC"]
        assert ("side" in names) == (size[0] >= 110)
        assert table.virtual_size.width <= table.size.width + 1
        assert table.region.right <= size[0]
        right = app.query_one("#right")
        assert right.region.bottom <= size[1]
        assert right.region.height >= 8
        narrow = size[0] < 70
        assert (right.region.y >= table.region.bottom) == narrow

    drive(journal, keys, size)


def test_where_there_is_no_room_for_both_the_curve_makes_way_for_picture_and_reasons(journal: Path) -> None:
    async def keys(app: Review, pilot: object) -> None:
        await opened(app, pilot)
        assert "┤" in shown(app, "#plot")
        for key, word in (("right", "▀"), ("w", "m off")):
            await pilot.press(key)  # type: ignore[attr-defined]
            await settle(pilot)
            below = app.query_one("#picture", Static)
            assert shown(app, "#plot") == ""
            assert word in shown(app, "#picture")
            assert below.region.height >= 4
            assert below.region.bottom <= 20
        await pilot.press("w")  # type: ignore[attr-defined]
        await settle(pilot)
        assert "┤" in shown(app, "#plot")

    drive(journal, keys, (45, 20))


def test_the_clip_plays_and_leaving_meanwhile_hurts_nobody(tmp_path: Path) -> None:
    ring = ClipRing(Settings())
    writer = a_writer(tmp_path, ring=ring)
    for n in range(40):
        ring.add(Frame(n, MONO_NS + 8_000_000_000 + n * 100_000_000, np.full((90, 160, 3), 6 * n, np.uint8)))
        time.sleep(0.01)
    writer.near_miss(a_near_miss(10.0))
    assert writer.close(5)
    seen: list[str] = []

    async def keys(app: Review, pilot: object) -> None:
        await opened(app, pilot)
        await pilot.press("p")  # type: ignore[attr-defined]
        for _ in range(40):
            await pilot.pause(0.1)  # type: ignore[attr-defined]
            seen.append(shown(app, "#picture").splitlines()[0])
            if len(set(filter(lambda line: line.startswith("▶"), seen))) >= 3:
                break  # in the middle of it

    drive(tmp_path, keys)
    assert len({line for line in seen if line.startswith("▶")}) >= 3


def test_a_clip_that_is_no_clip_ends() -> None:
    assert jpegs(b"") == []
    assert jpegs(b"RIFFxxxxAVI movi00dc\xff\xff\xff\xff") == []
    whole = mux([to_jpeg(np.zeros((16, 16, 3), np.uint8))] * 3, 10.0, 16, 16)
    assert len(jpegs(whole)) == 3
    assert len(jpegs(whole[:-40])) <= 3
    assert list(thumbs(b"movi00dc\x04\x00\x00\x00junk", 8.0)) == []


def test_a_film_is_written_only_where_there_is_a_screen(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over ssh a coach may read and write nothing, not even a temporary file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    (tmp_path / "tmp").mkdir()
    told: list[str] = []

    async def keys(app: Review, pilot: object) -> None:
        await opened(app, pilot)
        monkeypatch.setattr(app, "notify", lambda text, **_: told.append(text))
        await pilot.press("o")  # type: ignore[attr-defined]
        await settle(pilot)

    drive(journal, keys)
    assert told == [f"no screen here: rearguard share {COUNT} writes a film"]
    assert list((tmp_path / "tmp").iterdir()) == []
