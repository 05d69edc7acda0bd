"""A picture right in the terminal: Kitty graphics, Sixel, or half blocks, without any picture library."""

from __future__ import annotations

import base64
import os
import re
import select
import sys
import zlib
from typing import Literal

from rearguard.journal.media.thumbnails import Thumb
from rearguard.plain import draws

Pixel = tuple[int, int, int]
Way = Literal["kitty", "sixel", "blocks", "ascii", "none"]

_RAMP = " .:-=+*#%@"
_ANSWER_S = 1.0  # long enough for a slow link; a terminal that never answers costs it once
_KITTY_QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ATTRIBUTES_QUERY = "\x1b[c"  # every terminal answers it, so that the wait ends early


def best_way() -> Way:
    """How pictures can be shown on standard output: asks the terminal, except in a pipe or in tmux."""
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return "none"
    if "NO_COLOR" in os.environ:
        return "ascii"
    if not os.environ.get("TMUX") and sys.stdin.isatty():
        answer = _query_terminal(_KITTY_QUERY + _ATTRIBUTES_QUERY)
        if "_Gi=31;OK" in answer:
            return "kitty"
        attributes = re.search(r"\x1b\[\?([\d;]*)c", answer)
        if attributes and "4" in attributes[1].split(";"):
            return "sixel"
    return "blocks" if draws(sys.stdout) else "ascii"


def draw(thumb: Thumb, way: Way, columns: int, rows: int = 24) -> str:
    """The picture as text to print, at most `columns` x `rows` characters; empty for `none`."""
    if way == "kitty":
        return kitty(thumb, columns, rows)
    if way == "sixel":
        return sixel(thumb)
    if way == "blocks":
        return half_blocks(thumb, columns, rows, true_colour=true_colour())
    return ascii_art(thumb, columns, rows) if way == "ascii" else ""


def true_colour() -> bool:
    """Whether the terminal says that it knows 24-bit colour."""
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit") or "direct" in os.environ.get("TERM", "")


def kitty(thumb: Thumb, columns: int, rows: int) -> str:
    """Kitty's graphics protocol: zlib-compressed RGB in chunks of 4096 characters."""
    data = base64.b64encode(zlib.compress(thumb.rgb)).decode()
    wide, high = _fit(thumb, columns, rows)
    chunks = [data[i : i + 4096] for i in range(0, len(data), 4096)]
    out = []
    for n, chunk in enumerate(chunks):
        about = "" if n else f"a=T,q=2,f=24,o=z,s={thumb.width_px},v={thumb.height_px},c={wide},r={high},"
        out.append(f"\x1b_G{about}m={int(n < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(out) + "\n"


def sixel(thumb: Thumb) -> str:
    """Sixel in a fixed cube of 216 colours, run-length encoded."""
    width, rgb = thumb.width_px, thumb.rgb
    level = [min(5, (v + 25) // 51) for v in range(256)]
    out = [f'\x1bPq"1;1;{width};{thumb.height_px}']
    out += [
        f"#{r * 36 + g * 6 + b};2;{r * 20};{g * 20};{b * 20}"
        for r in range(6) for g in range(6) for b in range(6)
    ]  # fmt: skip
    for top in range(0, thumb.height_px, 6):
        band: dict[int, bytearray] = {}
        for y in range(top, min(top + 6, thumb.height_px)):
            bit, at = 1 << (y - top), y * width * 3
            for x in range(width):
                i = at + 3 * x
                colour = level[rgb[i]] * 36 + level[rgb[i + 1]] * 6 + level[rgb[i + 2]]
                if colour not in band:
                    band[colour] = bytearray(width)
                band[colour][x] |= bit
        out.append("$".join(f"#{colour}{_runs(bits)}" for colour, bits in band.items()) + "-")
    return "".join(out) + "\x1b\\\n"


def _runs(bits: bytearray) -> str:
    out, at = [], 0
    while at < len(bits):
        end = at
        while end < len(bits) and bits[end] == bits[at]:
            end += 1
        char = chr(63 + bits[at])
        out.append(f"!{end - at}{char}" if end - at > 3 else char * (end - at))
        at = end
    return "".join(out)


def half_blocks(thumb: Thumb, columns: int, rows: int, *, true_colour: bool) -> str:
    """Two pixels per character: the upper half block in the upper pixel's colour on the lower one's."""
    lines = []
    for row in block_pixels(thumb, columns, rows):
        last, line = "", []
        for up, down in row:
            code = _colours(up, down, true_colour)
            line.append(f"{code if code != last else ''}▀")
            last = code
        lines.append("".join(line) + "\x1b[0m\n")
    return "".join(lines)


def block_pixels(thumb: Thumb, columns: int, rows: int) -> list[list[tuple[Pixel, Pixel]]]:
    """The picture as rows of half blocks, each its upper and lower pixel."""
    wide, high = _fit(thumb, columns, rows)
    pixels = _resize(thumb, wide, high * 2)
    return [list(zip(pixels[y], pixels[y + 1], strict=True)) for y in range(0, high * 2, 2)]


def ascii_art(thumb: Thumb, columns: int, rows: int) -> str:
    """Brightness as characters, for terminals without colour."""
    wide, high = _fit(thumb, columns, rows)
    lines = [
        "".join(_RAMP[(r * 3 + g * 6 + b) // 10 * (len(_RAMP) - 1) // 255] for r, g, b in row)
        for row in _resize(thumb, wide, high)
    ]
    return "\n".join(lines) + "\n"


def _fit(thumb: Thumb, columns: int, rows: int) -> tuple[int, int]:
    """Characters across and down; a character is about twice as tall as wide."""
    wide = max(1, min(columns, thumb.width_px, round(2 * rows * thumb.width_px / thumb.height_px)))
    return wide, max(1, min(rows, round(wide * thumb.height_px / thumb.width_px / 2)))


def _resize(thumb: Thumb, wide: int, high: int) -> list[list[Pixel]]:
    """Box-filtered to `wide` x `high` pixels."""
    rgb, width = thumb.rgb, thumb.width_px
    xs = [x * width // wide for x in range(wide + 1)]
    ys = [y * thumb.height_px // high for y in range(high + 1)]
    out = []
    for y in range(high):
        y0, y1 = ys[y], max(ys[y] + 1, ys[y + 1])
        row = []
        for x in range(wide):
            x0, x1 = xs[x], max(xs[x] + 1, xs[x + 1])
            bands = [rgb[3 * (r * width + x0) : 3 * (r * width + x1)] for r in range(y0, y1)]
            count = (y1 - y0) * (x1 - x0)
            red, green, blue = (sum(sum(b[c::3]) for b in bands) // count for c in range(3))
            row.append((red, green, blue))
        out.append(row)
    return out


def _colours(up: Pixel, down: Pixel, true_colour: bool) -> str:
    if true_colour:
        return f"\x1b[38;2;{up[0]};{up[1]};{up[2]};48;2;{down[0]};{down[1]};{down[2]}m"
    return f"\x1b[38;5;{_colour_256(up)};48;5;{_colour_256(down)}m"


def _colour_256(pixel: Pixel) -> int:
    """The nearest of xterm's 6x6x6 cube, or of its grey ramp where the pixel is nearly grey."""
    r, g, b = pixel
    if max(pixel) - min(pixel) < 12:
        grey = (r + g + b) // 3
        return 16 if grey < 8 else 231 if grey > 247 else 232 + (grey - 8) * 24 // 240
    return 16 + 36 * _cube(r) + 6 * _cube(g) + _cube(b)


def _cube(value: int) -> int:
    return 0 if value < 48 else 1 if value < 115 else (value - 35) // 40


def _query_terminal(query: str) -> str:
    """What the terminal answers to a query, read raw; empty when it does not."""
    import termios
    import tty

    fd = sys.stdin.fileno()
    try:
        before = termios.tcgetattr(fd)
    except termios.error:
        return ""
    answer = b""
    try:
        tty.setcbreak(fd, termios.TCSANOW)
        sys.stdout.write(query)
        sys.stdout.flush()
        while select.select([fd], [], [], _ANSWER_S)[0]:
            answer += os.read(fd, 256)
            if re.search(rb"\x1b\[\?[\d;]*c", answer) or len(answer) > 4096:
                break
    except OSError:
        return ""
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    return answer.decode("ascii", "replace")
