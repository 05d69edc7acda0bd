"""The pass table as one self-contained page: a bar of lead times for every cell."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rearguard.scenarios.grid import CellResult
from rearguard.scenarios.table import NEEDED_LEAD_S

_FULL_S = 4.0
_WIDTH = 240

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #8884; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.pass { color: #1a7f37; font-weight: 600; } .fail { color: #cf222e; font-weight: 600; }
svg { display: block; } .why { color: #8a6d00; font-size: .9em; }
"""


def page(cells: Sequence[CellResult]) -> str:
    """HTML that loads nothing and runs nothing."""
    passed = sum(c.passed for c in cells)
    rows = "".join(_row(c) for c in cells)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>rearguard scenarios</title>"
        f"<style>{_STYLE}</style><h1>Proving ground</h1>"
        f"<p>{passed} of {len(cells)} cells passed. The bar reaches from the 5th to the 50th percentile of the time "
        f"left when CRITICAL was felt; the line stands at the {NEEDED_LEAD_S:g} s that are needed.</p>"
        "<table><tr><th>scenario<th>speed<th>rate<th>noise<th>gait<th>how<th>runs<th>passed<th>time left"
        f"<th>nuisance<th>false warnings / h<th>CRITICAL / h</tr>{rows}</table></html>"
    )


def _row(c: CellResult) -> str:
    verdict = '<span class="pass">pass</span>' if c.passed else '<span class="fail">fail</span>'
    why = f'<div class="why">{escape(c.why)}</div>' if c.why else ""
    return (
        f"<tr><td>{escape(c.scenario)}{why}<td class=n>{c.speed_m_s:g} m/s<td class=n>{c.fps:g}<td class=n>"
        f"{c.noise:.0%}<td>{'on' if c.gait else 'off'}<td>{escape(c.fidelity)}<td class=n>{c.seeds}"
        f"<td>{verdict} {c.passed_share:.0%}<td>{_bar(c)}"
        f"<td class=n>{c.nuisance_share:.1%}<td class=n>{c.false_warnings_per_h:g}"
        f"<td class=n>{c.false_criticals_per_h:g}</tr>"
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
