"""TTC and level over time as a plot of characters: braille dots, thresholds, and what was felt below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from rearguard.text import clean
from rearguard.types import Level

# Legible on black and on white: ANSI yellow and cyan are not.
STYLE = {
    Level.CLEAR: "green",
    Level.NOTICE: "dark_cyan",
    Level.CAUTION: "dark_orange3",
    Level.CRITICAL: "bold red",
}
_BAR = {Level.CLEAR: " ", Level.NOTICE: "▂", Level.CAUTION: "▅", Level.CRITICAL: "█"}
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # braille bit of (row, column) in a cell
_GAP_S = 0.5  # frames further apart are not joined: nothing is known of the time between
_LONGEST_S = 1e6
_AXIS = 6  # columns for the scale


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame: seconds from the worst moment, TTC in seconds or None, level."""

    t_s: float
    ttc_s: float | None
    level: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something felt at a moment: a cue's name."""

    t_s: float
    name: str


def drawable(
    samples: Sequence[Sample], thresholds: Sequence[tuple[str, float]], events: Sequence[Event]
) -> tuple[list[Sample], list[tuple[str, float]], list[Event]]:
    """What of these can be drawn: numbers that are none, or beyond all that an outing lasts, are left out.

    They come from a journal that anybody may have written.
    """
    drawn = [
        Sample(s.t_s, s.ttc_s if s.ttc_s is not None and abs(s.ttc_s) < _LONGEST_S else None, s.level)
        for s in samples
        if abs(s.t_s) < _LONGEST_S
    ]
    lines = [(clean(name, 20), value) for name, value in thresholds if 0 < value < _LONGEST_S]
    return drawn, lines, [Event(e.t_s, clean(e.name, 20)) for e in events if abs(e.t_s) < _LONGEST_S]


def plot(
    samples: list[Sample],
    thresholds: list[tuple[str, float]],
    events: list[Event],
    width: int,
    height: int = 12,
) -> list[Text]:
    """TTC over time in `width` x (`height` + 3 or 4) characters; `thresholds` are (name, TTC in s) lines.

    The lowest TTC of each dot column is drawn: what mattered is never averaged away.
    """
    samples, thresholds, events = drawable(samples, thresholds, events)
    if not samples:
        return [Text("no frames were kept of this near miss", "dim")]
    columns = max(10, width - _AXIS)
    t0, t1 = _span(samples, events)
    top_s = _top(samples, thresholds)
    cells, colours = _curve(samples, columns, height, t0, t1, top_s)
    lines = [_row(cells[r], colours, r, height, top_s, thresholds, columns) for r in range(height)]
    lines.append(_levels(samples, columns, t0, t1))
    lines.append(_time_axis(columns, t0, t1))
    lines += _events(events, columns, t0, t1)
    return lines


def _span(samples: list[Sample], events: list[Event]) -> tuple[float, float]:
    times = [s.t_s for s in samples]
    t0, t1 = min(times), max(times)
    inside = [e.t_s for e in events]
    t0, t1 = min([t0, *inside]), max([t1, *inside])
    return (t0, t1) if t1 - t0 > 1e-3 else (t0 - 0.5, t0 + 0.5)


def _top(samples: list[Sample], thresholds: list[tuple[str, float]]) -> float:
    """Top of the scale: above every threshold; TTCs far beyond them say nothing more and are cut."""
    most = max([s.ttc_s for s in samples if s.ttc_s is not None], default=1.0)
    limit = 1.5 * max([value for _, value in thresholds], default=4.0)
    lowest = 1.1 * max([value for _, value in thresholds], default=1.0)
    return max(0.5, lowest, min(most * 1.05, limit))


def _x(t_s: float, t0: float, t1: float, steps: int) -> int:
    return min(steps - 1, max(0, int((t_s - t0) / (t1 - t0) * steps)))


def _curve(
    samples: list[Sample], columns: int, height: int, t0: float, t1: float, top_s: float
) -> tuple[list[list[int]], list[int]]:
    """Braille bits per cell, and the highest level per character column."""
    least: dict[int, float] = {}
    colours = [int(Level.CLEAR)] * columns
    for s in samples:
        x = _x(s.t_s, t0, t1, columns * 2)
        colours[x // 2] = max(colours[x // 2], s.level)
        if s.ttc_s is not None:
            least[x] = min(least.get(x, s.ttc_s), s.ttc_s)
    cells = [[0] * columns for _ in range(height)]
    rows = height * 4
    gap = max(8, round(_GAP_S / (t1 - t0) * columns * 2))
    previous: tuple[int, int] | None = None
    for x in sorted(least):
        y = rows - 1 - min(rows - 1, max(0, int(min(least[x], top_s) / top_s * (rows - 1))))
        if least[x] > top_s:
            previous = None
            continue
        for px, py in _between(previous, (x, y), gap):
            cells[py // 4][px // 2] |= _DOTS[py % 4][px % 2]
        previous = (x, y)
    return cells, colours


def _between(start: tuple[int, int] | None, end: tuple[int, int], gap: int) -> list[tuple[int, int]]:
    """Dots of a line, unless the gap is so long that nothing is known of it."""
    if start is None or end[0] - start[0] > gap:
        return [end]
    steps = max(end[0] - start[0], abs(end[1] - start[1]), 1)
    return [
        (round(start[0] + (end[0] - start[0]) * i / steps), round(start[1] + (end[1] - start[1]) * i / steps))
        for i in range(1, steps + 1)
    ]


def _row(
    cells: list[int],
    colours: list[int],
    row: int,
    height: int,
    top_s: float,
    thresholds: list[tuple[str, float]],
    columns: int,
) -> Text:
    here = {height - 1 - min(height - 1, int(v / top_s * height)): (name, v) for name, v in thresholds}
    edge = top_s if row == 0 else 0.0 if row == height - 1 else None
    name, scale = here.get(row, ("", edge))
    line = Text(f"{scale:4.1f} " if scale is not None else "     ", "dim")
    line.append("┤" if scale is not None else "│", "dim")
    label_at = columns - len(name) - 1
    if any(cells[max(0, label_at) : columns - 1]):  # the curve is there: it falls, so the other end is free
        label_at = 1
    for i, bits in enumerate(cells):
        if bits:
            line.append(chr(0x2800 + bits), STYLE.get(Level(min(3, max(0, colours[i]))), ""))
        elif name:
            char = name[i - label_at] if 0 <= i - label_at < len(name) else "┈"
            line.append(char, "dim")
        else:
            line.append(" ")
    return line


def _levels(samples: list[Sample], columns: int, t0: float, t1: float) -> Text:
    """The level over time, as a bar below the curve."""
    levels: dict[int, int] = {}
    for s in samples:
        x = _x(s.t_s, t0, t1, columns)
        levels[x] = max(levels.get(x, 0), min(3, max(0, s.level)))
    line = Text("level ", "dim")
    now = 0
    last = max(levels)
    for x in range(columns):
        now = levels.get(x, now) if x <= last else 0
        line.append(_BAR[Level(now)], STYLE[Level(now)])
    return line


def _time_axis(columns: int, t0: float, t1: float) -> Text:
    text = [" "] * columns
    marks = [(t0, f"{t0:+.1f} s"), (t1, f"{t1:+.1f} s")]
    if t0 < 0 < t1:
        marks.append((0.0, "worst"))
    for t, word in marks:
        at = min(max(0, _x(t, t0, t1, columns) - (len(word) // 2 if t == 0.0 else 0)), columns - len(word))
        if all(c == " " for c in text[max(0, at - 1) : at + len(word) + 1]):
            text[at : at + len(word)] = word
    return Text(" " * _AXIS + "".join(text), "dim")


def _events(events: list[Event], columns: int, t0: float, t1: float) -> list[Text]:
    """What was felt, below the moment it was felt; what does not fit into the first row goes to a second."""
    rows: list[list[str]] = []
    for e in sorted(events, key=lambda e: e.t_s):
        word = f"↑{e.name}"
        at = min(_x(e.t_s, t0, t1, columns), columns - len(word))
        for row in rows:
            if all(c == " " for c in row[max(0, at - 1) : at + len(word) + 1]):
                break
        else:
            if len(rows) == 3 or at < 0:
                continue
            row = [" "] * columns
            rows.append(row)
        row[at : at + len(word)] = word
    return [Text(("felt  " if n == 0 else " " * _AXIS) + "".join(row)) for n, row in enumerate(rows)]
