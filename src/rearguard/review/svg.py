"""Curves and timelines as SVG, for the page that is handed on. Plain strings; nothing from the journal but numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rearguard.review.plot import Event, Sample, drawable
from rearguard.types import Level

COLOUR = {Level.CLEAR: "#4a9", Level.NOTICE: "#39c", Level.CAUTION: "#d90", Level.CRITICAL: "#d33"}
_W, _H = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 44
_GAP_S = 0.5
_LONGEST_S = 1e6
_LETTER = 7.5  # of a name in capitals, at the page's size of text in a drawing

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a timeline: seconds from its beginning, and what it was."""

    from_s: float
    to_s: float
    name: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A moment on a timeline, with the near miss it leads to."""

    at_s: float
    level: int
    href: str
    name: str


def curve(samples: Sequence[Sample], thresholds: Sequence[tuple[str, float]], events: Sequence[Event]) -> str:
    """TTC over time, coloured by level, with thresholds and what was felt."""
    samples, thresholds, events = drawable(samples, thresholds, events)
    if not samples:
        return "<p>No frames were kept.</p>"
    times = [s.t_s for s in samples] + [e.t_s for e in events]
    t0, t1 = min(times), max(max(times), min(times) + 0.1)
    limit = max([value for _, value in thresholds], default=4.0)
    most = max([s.ttc_s for s in samples if s.ttc_s is not None], default=1.0)
    top = max(1.1 * limit, min(1.05 * most, 1.6 * limit))

    def x(t_s: float) -> float:
        return _LEFT + (t_s - t0) / (t1 - t0) * (_W - _LEFT - _RIGHT)

    def y(ttc_s: float) -> float:
        return _TOP + (1 - min(ttc_s, top) / top) * (_H - _TOP - _BOTTOM)

    parts = [f'<svg viewBox="0 0 {_W} {_H}" role="img" aria-label="time to collision over time">']
    for name, value in thresholds:
        parts.append(
            f'<line class="at" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(
            f'<text x="{_W - _RIGHT}" y="{y(value) - 3:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(f'<text x="{_LEFT - 4}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g} s</text>')
    if t0 < 0 < t1:
        parts.append(f'<line class="worst" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{_TOP}" y2="{_H - _BOTTOM}"/>')
    parts += _segments(samples, x, y)
    bar_y = _H - _BOTTOM + 4
    for n, s in enumerate(samples):
        end_s = samples[n + 1].t_s if n + 1 < len(samples) else s.t_s
        width = max(0.5, x(end_s) - x(s.t_s))
        colour = COLOUR[Level(min(3, max(0, s.level)))]
        parts.append(f'<rect x="{x(s.t_s):.1f}" y="{bar_y}" width="{width:.1f}" height="6" fill="{colour}"/>')
    parts += _cues(events, x, bar_y)
    parts.append("</svg>")
    return "".join(parts)


def _cues(events: Sequence[Event], x: Scale, bar_y: float) -> list[str]:
    """A line at each cue, and its name where that is another one than before and covers none, in one of two rows."""
    parts = []
    taken_to, before = [0.0, 0.0], ""
    for event in sorted(events, key=lambda e: e.t_s):
        at = x(event.t_s)
        name = escape(event.name)
        parts.append(
            f'<line class="cue" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bar_y}"><title>{name}</title></line>'
        )
        wide = _LETTER * len(event.name)
        anchor, left = ("end", at - wide) if at > _W - 90 else ("start", at)
        row = next((n for n, end in enumerate(taken_to) if left >= end), None)
        if row is not None and event.name != before:
            taken_to[row], before = left + wide, event.name
            y = bar_y + 18 + 12 * row
            parts.append(f'<text x="{at:.1f}" y="{y}" text-anchor="{anchor}">{name}</text>')
    return parts


def _segments(samples: Sequence[Sample], x: Scale, y: Scale) -> list[str]:
    """The curve, a line for each pair of frames so that each has its level's colour."""
    parts = []
    known = [s for s in samples if s.ttc_s is not None]
    for a, b in pairwise(known):
        if b.t_s - a.t_s > _GAP_S or a.ttc_s is None or b.ttc_s is None:
            continue
        colour = COLOUR[Level(min(3, max(0, b.level)))]
        parts.append(
            f'<line class="ttc" x1="{x(a.t_s):.1f}" y1="{y(a.ttc_s):.1f}" x2="{x(b.t_s):.1f}" '
            f'y2="{y(b.ttc_s):.1f}" stroke="{colour}"/>'
        )
    return parts


def timeline(length_s: float, faults: Sequence[Span], dots: Sequence[Dot]) -> str:
    """An outing as a bar: faults on it, near misses as dots that lead to them."""
    length = length_s if 1.0 < length_s < _LONGEST_S else 1.0
    faults = [f for f in faults if f.from_s == f.from_s and f.to_s == f.to_s]  # what is no number is nowhere
    dots = [d for d in dots if d.at_s == d.at_s]

    def x(s: float) -> float:
        return 4 + min(1.0, max(0.0, s / length)) * (_W - 8)

    parts = [f'<svg viewBox="0 0 {_W} 40" role="img" aria-label="timeline of the outing">']
    parts.append(f'<rect class="worn" x="4" y="16" width="{_W - 8}" height="8"/>')
    for span in faults:
        width = max(1.0, x(span.to_s) - x(span.from_s))
        parts.append(
            f'<rect class="fault" x="{x(span.from_s):.1f}" y="12" width="{width:.1f}" height="16">'
            f"<title>{escape(span.name)}</title></rect>"
        )
    for dot in dots:
        colour = COLOUR[Level(min(3, max(0, dot.level)))]
        parts.append(
            f'<a href="{escape(dot.href)}"><circle cx="{x(dot.at_s):.1f}" cy="20" r="5" fill="{colour}">'
            f"<title>{escape(dot.name)}</title></circle></a>"
        )
    parts.append("</svg>")
    return "".join(parts)


def bars(columns: Sequence[tuple[str, int, int]]) -> str:
    """Counts as bars: (name, all, of these critical), with the names of the first and the last below."""
    high, most = 120, max((count for _, count, _ in columns), default=1) or 1
    step = (_W - _LEFT - _RIGHT) / max(1, len(columns))
    parts = [f'<svg viewBox="0 0 {_W} {high + 24}" role="img" aria-label="near misses by week">']
    for n, (name, count, critical) in enumerate(columns):
        x, width = _LEFT + n * step + 1, max(1.0, step - 2)
        for value, colour in ((count, COLOUR[Level.CAUTION]), (critical, COLOUR[Level.CRITICAL])):
            tall = value / most * (high - 16)
            parts.append(
                f'<rect x="{x:.1f}" y="{high - tall:.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{colour}">'
                f"<title>{escape(name)}: {count}, {critical} critical</title></rect>"
            )
    parts.append(f'<text x="{_LEFT - 4}" y="14" text-anchor="end">{most}</text>')
    parts.append(f'<text x="{_LEFT}" y="{high + 16}">{escape(columns[0][0]) if columns else ""}</text>')
    if len(columns) > 1:
        parts.append(
            f'<text x="{_W - _RIGHT}" y="{high + 16}" text-anchor="end">{escape(columns[-1][0])}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)
