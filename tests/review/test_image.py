"""Pictures and curves in the terminal: what the terminal can do is asked, and what is drawn is right."""

from __future__ import annotations

import base64
import os
import pty
import re
import select
import subprocess
import sys
import time
import zlib

import pytest

from rearguard.journal.media.thumbnails import Thumb
from rearguard.review.image import ascii_art, half_blocks, kitty, sixel
from rearguard.review.plot import Event, Sample, plot

# Upper half red, lower half blue.
THUMB = Thumb(40, 20, 0.0, b"\xff\x00\x00" * 400 + b"\x00\x00\xff" * 400)


def ask_as(answer: bytes, **env: str) -> tuple[str, float]:
    """`best_way` in a terminal that answers queries so; and how long it took."""
    ours, theirs = pty.openpty()
    script = "from rearguard.review.image import best_way; import sys; sys.stderr.write(best_way())"
    clean = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
        env={**clean, "TERM": "xterm-256color", **env},
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    asked_at = 0.0
    while process.poll() is None:
        if select.select([ours], [], [], 0.05)[0]:
            try:
                seen += os.read(ours, 1024)
            except OSError:
                break
            if answer and seen.endswith(b"\x1b[c") and not asked_at:
                asked_at = time.monotonic()
                os.write(ours, answer)
    took_s = time.monotonic() - asked_at if asked_at else 0.0
    _, said = process.communicate(timeout=20)
    os.close(ours)
    return said.decode(), took_s


@pytest.mark.parametrize(
    ("answer", "way"),
    [
        (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "kitty"),
        (b"\x1b[?62;4;22c", "sixel"),
        (b"\x1b[?62;22c", "blocks"),
        (b"\x1b[?64;14;44c", "blocks"),
        (b"", "blocks"),
    ],
)
def test_the_terminal_is_asked(answer: bytes, way: str) -> None:
    assert ask_as(answer)[0] == way


def test_where_there_is_nothing_to_ask() -> None:
    assert ask_as(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", TMUX="/tmp/tmux")[0] == "blocks"
    assert ask_as(b"", NO_COLOR="1")[0] == "ascii"
    assert ask_as(b"", TERM="dumb")[0] == "none"


def test_kitty_gets_the_pixels_as_they_are() -> None:
    text = kitty(THUMB, 80, 24)
    chunks = re.findall(r"\x1b_G(.*?);(.*?)\x1b\\", text)
    assert chunks[0][0].startswith("a=T,q=2,f=24,o=z,s=40,v=20,")
    assert chunks[-1][0].endswith("m=0")
    assert zlib.decompress(base64.b64decode("".join(data for _, data in chunks))) == THUMB.rgb


def decode_sixel(text: str, width: int, height: int) -> list[list[int]]:
    """Which colour register each pixel got; a small decoder of the format, for this test only."""
    body = text[text.index("q") + 1 : text.index("\x1b\\")]
    picture = [[-1] * width for _ in range(height)]
    colour = x = band = 0
    for token in re.findall(r'"[\d;]+|#\d+;2;\d+;\d+;\d+|#\d+|!\d+[?-~]|[?-~]|\$|-', body):
        if token == "$":
            x = 0
        elif token == "-":
            x, band = 0, band + 6
        elif token.startswith("#"):
            if ";" not in token:
                colour = int(token[1:])
        elif not token.startswith('"'):
            count = int(token[1:-1]) if token.startswith("!") else 1
            bits = ord(token[-1]) - 63
            for row in range(6):
                if bits >> row & 1:
                    picture[band + row][x : x + count] = [colour] * count
            x += count
    return picture


def test_sixel_draws_every_pixel_in_its_colour() -> None:
    picture = decode_sixel(sixel(THUMB), 40, 20)
    red, blue = 5 * 36, 5
    assert picture == [[red] * 40] * 10 + [[blue] * 40] * 10


def test_half_blocks_keep_the_shape_and_the_colours() -> None:
    lines = half_blocks(THUMB, 20, 24, true_colour=True).splitlines()
    assert len(lines) == 5
    assert lines[0].count("▀") == 20
    assert "38;2;255;0;0;48;2;255;0;0" in lines[0]
    assert "38;2;0;0;255;48;2;0;0;255" in lines[-1]
    assert "38;5;196;48;5;196" in half_blocks(THUMB, 20, 24, true_colour=False)


def test_letters_for_terminals_without_colour() -> None:
    lines = ascii_art(Thumb(20, 12, 0.0, b"\xff" * 360 + b"\x00" * 360), 20, 10).splitlines()
    assert lines == ["@" * 20] * 3 + [" " * 20] * 3


def test_the_curve_falls_to_the_least_and_its_line_is_named() -> None:
    samples = [Sample(t / 10 - 2, 4.0 - t / 10, 0 if t < 10 else 2 if t < 20 else 3) for t in range(31)]
    lines = [
        line.plain
        for line in plot(samples, [("CAUTION", 3.0), ("CRITICAL", 2.0)], [Event(-1.0, "CAUTION")], 66)
    ]
    drawn = {
        c: r for r, line in enumerate(lines[:12]) for c, ch in enumerate(line) if 0x2801 <= ord(ch) <= 0x28FF
    }
    columns = sorted(drawn)
    assert [drawn[c] for c in columns] == sorted(drawn[c] for c in columns), (
        "TTC falls, so the curve goes down"
    )
    assert drawn[columns[-1]] - drawn[columns[0]] >= 7
    assert "CAUTION" in lines[3]
    assert "CRITICAL" in lines[6]
    assert lines[0].startswith(" 4.2") or lines[0].startswith(" 4.5")
    assert lines[12].startswith("level")
    assert lines[12].index("▅") < lines[12].index("█")
    assert lines[14].startswith("felt")
    arrow = lines[14].index("↑")
    assert abs(arrow - (6 + 60 / 3)) <= 1, "one second into three"


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [Sample(0.0, None, 0)],
        [Sample(0.0, 2.0, 3)],
        [Sample(0.0, 1e9, 2), Sample(0.1, 0.0, 3), Sample(0.2, -1.0, 9)],
        [Sample(t, None, 2) for t in range(3)],
    ],
)
def test_odd_traces_are_drawn_all_the_same(samples: list[Sample]) -> None:
    for width in (20, 40, 200):
        lines = plot(samples, [], [Event(0.0, "A VERY LONG NAME INDEED")], width, 8)
        assert all(len(line.plain) <= max(width, 60) for line in lines)
