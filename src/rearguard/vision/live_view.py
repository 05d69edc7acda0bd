"""The outing live in the terminal: the picture in half blocks, boxes, TTC bars, what is felt.

Each character cell shows two pixels, one above the other (U+2580 with its own fore- and background).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import cv2
from rich.color import Color
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rearguard.types import Image, Level, Side, Threat
from rearguard.vision.pipeline import FrameResult

_COLOURS = {Level.CLEAR: "green", Level.NOTICE: "cyan", Level.CAUTION: "yellow", Level.CRITICAL: "red"}
_BGR = {Level.CLEAR: (90, 190, 90), Level.NOTICE: (220, 200, 60), Level.CAUTION: (0, 210, 255)} | {
    Level.CRITICAL: (40, 40, 255)
}
_BAR_FULL_S = 6.0
_FELT_FOR_S = 0.8


@dataclass(frozen=True, slots=True)
class LastFelt:
    """The cue that began last, on the source's clock."""

    cue: str
    side: str
    t_s: float


class HalfBlocks:
    """A picture as terminal cells, `columns` wide."""

    def __init__(self, image: Image, columns: int, rows: int) -> None:
        height, width = image.shape[:2]
        columns = max(8, min(columns, round(2 * rows * width / height)))
        lines = max(2, 2 * round(columns * height / width / 2))
        self._pixels = cv2.resize(image, (columns, lines), interpolation=cv2.INTER_AREA)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Quantised, so that equal cells share a style object and the terminal gets fewer bytes.
        pixels = (self._pixels & 0xF8).tolist()
        for top, bottom in zip(pixels[0::2], pixels[1::2], strict=True):
            for (b0, g0, r0), (b1, g1, r1) in zip(top, bottom, strict=True):
                yield Segment(
                    "▀", Style(color=Color.from_rgb(r0, g0, b0), bgcolor=Color.from_rgb(r1, g1, b1))
                )
            yield Segment.line()


def draw_boxes(step: FrameResult) -> Image:
    """The frame with a box and a label for every threat, coloured by level."""
    image: Image = step.frame.image.copy()
    unit = max(1, round(image.shape[1] / 320))
    for threat in reversed(step.verdict.threats):
        box, colour = threat.box, _BGR[threat.level]
        corners = (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1))
        cv2.rectangle(image, *corners, colour, unit + (threat.level > Level.NOTICE) * unit)
        label = threat.label if threat.ttc_s is None else f"{threat.label} {threat.ttc_s:.1f} s"
        at = (corners[0][0], max(10 * unit, corners[0][1] - 2 * unit))
        cv2.putText(image, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.25 * unit, colour, unit, cv2.LINE_AA)
    return image


class Screen:
    """Shows steps as they come; a context manager. Quiet where stdout is no terminal."""

    def __init__(self, title: str, frames: int | None) -> None:
        self._console = Console(file=sys.stdout)
        self._title = title
        self._frames = frames
        self._live = Live(console=self._console, refresh_per_second=12, transient=True)

    def __enter__(self) -> Screen:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # the terminal is gone; the wearer still runs
            self._live.__exit__(None, None, None)

    def show(self, step: FrameResult, t_s: float, felt: LastFelt | None) -> None:
        """Draw one step, with the cue felt last."""
        width, height = self._console.size
        parts: list[RenderableType] = [
            self._head(step, t_s),
            HalfBlocks(draw_boxes(step), width - 1, max(6, height - 10)),
            _felt_line(felt, t_s),
            _bars(step.verdict.threats, width),
        ]
        self._live.update(Group(*parts))

    def _head(self, step: FrameResult, t_s: float) -> Text:
        done = f"/{self._frames}" if self._frames else ""
        took = 1000 * sum(step.took_s.values())
        head = Text(f"{self._title}  {t_s:5.1f} s  frame {step.frame.seq + 1}{done}  {took:.0f} ms  ")
        level = step.verdict.level
        return head.append(level.name, style=f"bold {_COLOURS[level]}")


def _felt_line(felt: LastFelt | None, t_s: float) -> Text:
    """What the motors do now: left, centre and right as the wearer feels them."""
    line = Text("felt  ")
    recent = felt is not None and 0 <= t_s - felt.t_s < _FELT_FOR_S
    for side in Side:
        on = recent and felt is not None and felt.side in (side, Side.CENTRE)
        line.append(f" {side.value:^8} ", style="black on yellow" if on else "dim").append(" ")
    if felt is not None:
        line.append(f" {felt.cue} ({felt.side}) at {felt.t_s:.1f} s", style="bold" if recent else "dim")
    return line


def _bars(threats: tuple[Threat, ...], width: int) -> Table:
    """One bar a threat: the shorter, the less time is left."""
    table = Table.grid(padding=(0, 1))
    for threat in threats[:4]:
        table.add_row(*_bar(threat, max(10, width - 46)))
    for _ in range(4 - min(4, len(threats))):
        table.add_row("")
    return table


def _bar(threat: Threat, room: int) -> Iterator[Text]:
    colour = _COLOURS[threat.level]
    left = _BAR_FULL_S if threat.ttc_s is None else min(threat.ttc_s, _BAR_FULL_S)
    ttc = "  –  " if threat.ttc_s is None else f"{threat.ttc_s:4.1f}s"
    where = "" if threat.range_m is None else f"{threat.range_m:4.1f} m"
    yield Text(f"#{threat.track} {threat.label[:12]}", style=colour)
    yield Text(ttc, style=colour)
    yield Text("█" * round(room * left / _BAR_FULL_S), style=colour)
    yield Text(f"{where} {threat.side.value if threat.level else ''}", style="dim")
