"""The pass table as one self-contained page: a bar of lead times for every cell."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from rearguard.lab.scenarios.accuracy import add_up
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
    """How often what was said to come into the corridor did, by what was said: on the line is calibrated."""
    sums = add_up(c.accuracy for c in cells)
    points, rows = "", ""
    for said, so, sum_said in zip(sums.said, sums.so, sums.sum_said, strict=True):
        if not said:
            continue
        x, y = sum_said / said, so / said
        radius = min(9.0, 2.0 + math.log10(said))
        points += f'<circle cx="{_PLOT * x:.1f}" cy="{_PLOT * (1 - y):.1f}" r="{radius:.1f}" fill="#0969da"/>'
        rows += f"<tr><td class=n>{x:.0%}<td class=n>{y:.0%}<td class=n>{said}</tr>"
    if not rows:
        return ""
    return (
        "<h2>Is a probability what it says?</h2><p>Of a thing with less than 6 s left: the probability told that it "
        "comes into the corridor, and how often it did; each dot a tenth of what can be said, larger with more.</p>"
        f'<svg width="{_PLOT}" height="{_PLOT}" viewBox="-12 -12 {_PLOT + 24} {_PLOT + 24}" role="img" '
        f'aria-label="calibration"><rect width="{_PLOT}" height="{_PLOT}" fill="none" stroke="#8888"/>'
        f'<line x1="0" y1="{_PLOT}" x2="{_PLOT}" y2="0" stroke="#8888"/>{points}</svg>'
        f"<table style='width:auto'><tr><th>told<th>so<th>frames</tr>{rows}</table>"
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
