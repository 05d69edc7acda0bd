"""The pass table as one self-contained page: a bar of lead times for every cell."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from rearguard.lab.scenarios.accuracy import add_up, by_tenth
from rearguard.lab.scenarios.grid import CellResult
from rearguard.lab.scenarios.table import NEEDED_LEAD_S
from rearguard.lab.score.mid import BINS_S

_FULL_S = 4.0
_WIDTH = 240
_PLOT = 320

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 92rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .5rem; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.pass { color: #1a7f37; font-weight: 600; } .fail { color: #cf222e; font-weight: 600; }
svg { display: block; } img { display: block; width: 20rem; } code { font-size: .9em; }
.why { color: #8a6d00; font-size: .9em; }
"""


def page(cells: Sequence[CellResult], pictures: Mapping[tuple[int, int], bytes] | None = None) -> str:
    """HTML that loads nothing and runs nothing; `pictures` are JPEGs of failing runs by the places of cell and run."""
    passed = sum(c.passed for c in cells)
    of_cell: dict[int, dict[int, bytes]] = {}
    for (place, run), data in (pictures or {}).items():
        of_cell.setdefault(place, {})[run] = data
    rows = "".join(_row(c, of_cell.get(place, {})) for place, c in enumerate(cells))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>rearguard scenarios</title>"
        f"<style>{_STYLE}</style><h1>Proving ground</h1>"
        f"<p>{passed} of {len(cells)} cells passed. The bar reaches from the 5th to the 50th percentile of the time "
        f"left when CRITICAL was felt; the line stands at the {NEEDED_LEAD_S:g} s that are needed.</p>"
        "<table><tr><th>scenario<th>speed<th>rate<th>noise<th>gait<th>how<th>runs<th>passed<th>time left"
        f"<th>nuisance<th>false warnings / h<th>CRITICAL / h<th>MiD, bias at {_bin(0)}<th>at {_bin(1)}</tr>"
        f"{rows}</table>"
        f"{calibration(cells)}</html>"
    )


def _bin(place: int) -> str:
    low, high = BINS_S[place]
    return f"{low:g}–{high:g} s"


def _off(c: CellResult, place: int) -> str:
    """MiD and mean relative error of a bin, with the share of frames without a time."""
    if not c.mid or c.mid[place] is None or c.error[place] is None:
        return "–"
    return f"{c.mid[place]:.0f},&nbsp;{c.error[place]:+.0%}<br>none told {c.untold_share[place]:.0%}"


def _failing(c: CellResult, pictures: Mapping[int, bytes]) -> str:
    """Each failing run that is named: how to run it again, and what it looked like."""
    told = ""
    for place, run in enumerate(c.failing):
        when = "" if run.moment_s is None else f" at {run.moment_s:.1f} s"
        told += f"<div class=why>seed {run.seed}{when}: <code>{escape(run.command)}</code></div>"
        if place in pictures:
            told += f'<img alt="" src="data:image/jpeg;base64,{b64encode(pictures[place]).decode()}">'
    return told


def calibration(cells: Sequence[CellResult]) -> str:
    """How often contact came, by the probability of it that was told: on the line is calibrated."""
    tenths = by_tenth(add_up(c.accuracy for c in cells))
    if not tenths:
        return ""
    points, rows = "", ""
    for t in tenths:
        radius = min(9.0, 2.0 + math.log10(t.frames))
        x, y = _PLOT * t.told, _PLOT * (1 - t.observed)
        name = f"told {t.told:.1%}, observed {t.observed:.1%}, {t.frames} frames"
        points += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0969da"><title>{name}</title></circle>'
        rows += (
            f"<tr><td class=n>{t.tenth * 10}–{t.tenth * 10 + 10}%<td class=n>{t.told:.1%}<td class=n>{t.observed:.1%}"
            f"<td class=n>{100 * (t.observed - t.told):+.1f}<td class=n>{t.frames}<td class=n>{t.runs}</tr>"
        )
    return (
        "<h2>Is a probability what it says?</h2><p>Of every thing in sight in every frame: the probability told of "
        "contact within a time, and how often, at the speeds of that moment, there is contact within that time. Each "
        "dot is a tenth of what can be told, larger with more frames; above the line more comes than was told.</p>"
        f'<svg width="{_PLOT + 80}" height="{_PLOT + 70}" viewBox="-60 -12 {_PLOT + 80} {_PLOT + 70}" role="img" '
        f'aria-label="calibration" font-size="12" fill="currentColor">{_axes()}{points}</svg>'
        "<table style='width:auto'><tr><th>tenth<th>told, mean<th>observed<th>difference, points<th>frames<th>of runs"
        f"</tr>{rows}</table>"
    )


def _axes() -> str:
    """The frame of the calibration plot, its diagonal, a tick each fifth, and what the axes are."""
    ticks = "".join(
        f'<text x="{_PLOT * n / 5:.0f}" y="{_PLOT + 16}" text-anchor="middle">{n / 5:.0%}</text>'
        f'<text x="-6" y="{_PLOT * (1 - n / 5) + 4:.0f}" text-anchor="end">{n / 5:.0%}</text>'
        for n in range(6)
    )
    return (
        f'<rect width="{_PLOT}" height="{_PLOT}" fill="none" stroke="#8888"/>'
        f'<line x1="0" y1="{_PLOT}" x2="{_PLOT}" y2="0" stroke="#8888"/>{ticks}'
        f'<text x="{_PLOT // 2}" y="{_PLOT + 38}" text-anchor="middle">probability of contact told</text>'
        f'<text transform="translate(-46 {_PLOT // 2}) rotate(-90)" text-anchor="middle">observed share</text>'
    )


def _row(c: CellResult, pictures: Mapping[int, bytes]) -> str:
    verdict = '<span class="pass">pass</span>' if c.passed else '<span class="fail">fail</span>'
    why = f'<div class="why">{escape(c.why)}</div>' if c.why else ""
    return (
        f"<tr><td>{escape(c.scenario)}{why}{_failing(c, pictures)}"
        f"<td class=n>{c.speed_m_s:g} m/s<td class=n>{c.fps:g}<td class=n>"
        f"{f'{c.noise:.0%}' if c.noise else 'own'}<td>{'on' if c.gait else 'off'}<td>{escape(c.fidelity)}"
        f"<td class=n>{c.seeds}"
        f"<td>{verdict} {c.passed_share:.0%}<td>{_bar(c)}"
        f"<td class=n>{c.nuisance_share:.1%}<td class=n>{c.false_warnings_per_h:g}"
        f"<td class=n>{c.false_criticals_per_h:g}<td class=n>{_off(c, 0)}<td class=n>{_off(c, 1)}</tr>"
    )


def _bar(c: CellResult) -> str:
    if not c.must_warn or c.lead_p50_s is None:
        return "–"
    low = 0.0 if c.lead_p5_s is None else c.lead_p5_s
    x0, x1 = (_WIDTH * min(v, _FULL_S) / _FULL_S for v in (low, c.lead_p50_s))
    need = _WIDTH * NEEDED_LEAD_S / _FULL_S
    colour = "#1a7f37" if c.passed else "#cf222e"
    return (
        f'<svg width="{_WIDTH + 60}" height="18" role="img" aria-label="{low:g} to {c.lead_p50_s:g} s">'
        f'<rect x="{x0:.0f}" y="4" width="{max(x1 - x0, 2):.0f}" height="10" fill="{colour}"/>'
        f'<line x1="{need:.0f}" x2="{need:.0f}" y1="0" y2="18" stroke="currentColor"/>'
        f'<text x="{x1 + 6:.0f}" y="14" font-size="12" fill="currentColor">{c.lead_p50_s:.1f} s</text></svg>'
    )
