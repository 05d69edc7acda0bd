"""A score as one self-contained page: a strip of pictures for each miss and each false alarm, with its cause."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rearguard.lab.score.figures import Figures, Rate
from rearguard.lab.score.run import RecordingScore
from rearguard.lab.style import STYLE
from rearguard.text import clean

_STYLE = f"""{STYLE}
body {{ max-width: 84rem; }} h2 {{ font-size: 1.15rem; margin: 1.8rem 0 .2rem; }}
.strip {{ display: flex; gap: 4px; margin: .3rem 0 1rem; }} .strip img {{ width: 20%; }}
"""


def page(found: Sequence[RecordingScore], sums: Figures, missing: Sequence[str]) -> str:
    """HTML that loads nothing and runs nothing."""
    lead = "" if sums.lead_median_s is None else f", {sums.lead_median_s:.1f} s ahead in the middle"
    absent = "".join(f"<p class=dim>{escape(line)}</p>" for line in missing)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>rearguard: score</title>"
        f"<style>{_STYLE}</style><h1>Score</h1><p>{sums.recordings} recordings, {sums.hours * 60:.1f} minutes: "
        f"{sums.in_time} of {sums.due} due warnings in time{lead}; "
        f"false CAUTION {rate_text(sums.caution)}; false CRITICAL {rate_text(sums.critical)}.</p>{absent}"
        f"{_ttc(sums)}{_precision(sums)}{''.join(_recording(r) for r in found)}</html>"
    )


def rate_text(r: Rate) -> str:
    """`7, 3.2 an hour (1.3 to 6.6)`."""
    if r.hours <= 0:
        return f"{r.count}, no time to say how often"
    return f"{r.count} in {r.hours * 60:.1f} min, {r.per_hour:.1f} an hour ({r.low:.1f} to {r.high:.1f})"


def _ttc(sums: Figures) -> str:
    rows = "".join(
        f"<tr><td>{b.from_s:g} to {b.to_s:g} s<td class=n>{b.frames}<td class=n>{_n(b.mid)}<td class=n>"
        f"{_p(b.error_median)}<td class=n>{_p(b.error_p90)}<td class=n>{_p(b.bias, '+')}<td class=n>{_p(b.failed)}</tr>"
        for b in sums.ttc
    )
    head = "".join(
        f"<th class=n>{name}" for name in ("frames", "MiD", "error, median", "p90", "bias", "no time told")
    )
    return f"<table><tr><th>true TTC{head}</tr>{rows}</table>"


def _precision(sums: Figures) -> str:
    if not sums.ap:
        return ""
    told = ", ".join(
        f"{a.ahead_s:g} s before contact {'–' if a.ap is None else f'{a.ap:.2f}'} ({a.positives} of "
        f"{a.positives + a.negatives})"
        for a in sums.ap
    )
    return f"<p>Average precision: {told}.</p>"


def _recording(r: RecordingScore) -> str:
    body = ""
    for d in r.due:
        when = f"{d.from_s:.1f} to {d.to_s:.1f} s {escape(clean(d.what, 200))}"
        if d.warned_s is None:
            body += (
                f"<p><span class=bad>missed</span> {when}: {escape(clean(d.least, 300))}</p>{_strip(d.strip)}"
            )
        else:
            lead = "" if d.lead_s is None else f", {d.lead_s:.1f} s ahead"
            word = "<span class=good>warned</span>" if d.in_time else "<span class=bad>late</span>"
            body += f"<p>{word} {when}: at {d.warned_s:.1f} s{lead}</p>"
    for a in r.false_alarms:
        body += (
            f"<p><span class=bad>false {a.level.name}</span> at {a.t_s:.1f} s for {a.lasted_s:.1f} s, {a.side.value}: "
            f"{escape(clean(a.label))}: {escape(clean(a.why, 300))}</p>{_strip(a.strip)}"
        )
    head = f"<h2>{escape(r.name)} <span class=dim>{r.frames} frames, {r.duration_s:.0f} s</span></h2>"
    return head + (body or "<p>Nothing to tell.</p>")


def _strip(pictures: Sequence[str]) -> str:
    images = "".join(f'<img alt="" src="data:image/jpeg;base64,{p}">' for p in pictures)
    return f"<div class=strip>{images}</div>" if images else ""


def _n(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _p(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.0%}"
