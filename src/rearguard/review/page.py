"""`report --html`: one page with everything in it, to keep or hand on; it loads nothing and runs nothing."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import datetime
from html import escape
from itertools import groupby

from rearguard import __version__
from rearguard.journal.db.rows import Filter, NearMissRow, OutingRow
from rearguard.journal.db.store import Journal
from rearguard.journal.media.thumbnails import SMALL_WIDTH_PX, to_png
from rearguard.journal.paths import read_clip
from rearguard.journal.trends import Tally, per_hour, tallies
from rearguard.review.page_summary import contents, devices, trend
from rearguard.review.story import Story, read
from rearguard.review.svg import Dot, Span, curve, timeline
from rearguard.review.text import counted, local, metres, minutes, rate, seconds, sentence, when
from rearguard.text import clean

_PAGE = 500
_JPEG = b"\xff\xd8\xff"

_STYLE = """
:root { color-scheme: light dark; --soft: #8888; --faint: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid var(--faint); }
td.n, th.n { text-align: right; }
th, td.n, td.CRITICAL, td.CAUTION { white-space: nowrap; }
section { margin: 2.5rem 0; }
article { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid var(--soft); break-inside: avoid; }
img { max-width: 100%; border-radius: .3rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: currentColor; }
.at { stroke: var(--soft); stroke-dasharray: 3 4; } .worst { stroke: var(--soft); } .ttc { stroke-width: 2.5; }
.cue { stroke: currentColor; stroke-width: .7; } .worn { fill: var(--soft); } .fault { fill: #d33a; }
.CRITICAL { color: #d33; font-weight: bold; } .CAUTION { color: #b60; } .soft { opacity: .7; }
article { content-visibility: auto; contain-intrinsic-size: auto 30rem; }
nav ol { columns: 24rem; } .strip { width: 100%; height: auto; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; padding: 0 .5rem; font-size: 15px; }
  th, td { padding: .2rem .25rem; } .more { display: none; }
}
@media print {
  body { font-size: 9pt; line-height: 1.3; margin: 0; max-width: none; }
  h1 { font-size: 14pt; } h2 { font-size: 11pt; margin: .3rem 0; } h3 { margin: 0; grid-column: 1 / 3; }
  section { margin: .5rem 0; } p { margin: .15rem 0; } th, td { padding: .1rem .3rem; }
  article { content-visibility: visible; display: grid; grid-template-columns: 6.4cm 1fr; gap: 0 .4cm; margin: .2cm 0;
    padding-top: .15cm; max-height: 6.2cm; overflow: hidden; break-inside: avoid; }
  article img, article .none { grid-column: 1; grid-row: 2 / 5; max-height: 4.2cm; }
  article p, article svg { grid-column: 2; }
  article svg { max-height: 2.6cm; } .strip, nav { display: none; }
}
"""
_MOST_PICTURES = 200  # the most urgent ones have theirs in the page, which would else be too large to open
_MOST_STRIPS = 60


def page(journal: Journal, wanted: Filter, *, pictures: bool) -> Iterator[str]:
    """The page, piece by piece: summary, then outing by outing its timeline, table and near misses.

    All text from the journal is escaped; the page's own policy forbids scripts and anything from elsewhere.
    """
    rows = list(_all(journal, wanted))
    yield _head(rows, wanted)
    in_order = sorted(rows, key=lambda r: (-r.outing, r.wall_s))
    of = {outing_id: list(group) for outing_id, group in groupby(in_order, key=lambda r: r.outing)}
    counted = tallies(journal, of)
    found = [o for outing_id in of if (o := journal.outing(outing_id)) is not None]
    outings = [(outing, counted[outing.id]) for outing in found]
    yield trend(rows) + devices(rows, outings) + contents(outings, {k: len(v) for k, v in of.items()})
    urgent = sorted(rows, key=lambda r: (-r.level, math.inf if r.min_ttc_s is None else r.min_ttc_s))
    shown = frozenset(r.id for r in urgent[:_MOST_PICTURES]) if pictures else frozenset()
    if pictures and len(rows) > _MOST_PICTURES:
        yield f"<p>Pictures of the {_MOST_PICTURES} most urgent are in this page; --outing makes one of an outing.</p>"
    for outing, tally in outings:
        yield from _outing(journal, outing, tally, of[outing.id], shown, strips=len(rows) <= _MOST_STRIPS)
    yield f'<footer class="soft">rearguard {escape(__version__)}, {datetime.now().astimezone():%d %B %Y %H:%M}. '
    yield "An aid, not protective equipment.</footer></body></html>\n"


def _all(journal: Journal, wanted: Filter) -> Iterator[NearMissRow]:
    after: NearMissRow | None = None
    while batch := journal.near_misses(wanted, _PAGE, after):
        yield from batch
        after = batch[-1]


def _head(rows: list[NearMissRow], wanted: Filter) -> str:
    critical = sum(row.level_name == "CRITICAL" for row in rows)
    ttcs = [row.min_ttc_s for row in rows if row.min_ttc_s is not None]
    what = f"outing {wanted.outing}" if wanted.outing is not None else "near misses"
    span = ""
    if rows:
        first, last = local(rows[-1].wall_s), local(rows[0].wall_s)
        span = f"{first:%d %B %Y}" if first.date() == last.date() else f"{first:%d %B %Y} to {last:%d %B %Y}"
    return (
        f"{head(f'rearguard: {what}')}"
        f"<h1>{escape(what.capitalize())}</h1><p>{escape(span)}</p>"
        f"<p>{counted(len(rows), 'near miss')}, {critical} of them critical; "
        f"least time to collision {seconds(min(ttcs, default=None))}.</p>"
    )


def head(title: str) -> str:
    """The beginning of a page, up to its body; its policy forbids scripts and anything from elsewhere."""
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    )


def _outing(
    journal: Journal,
    outing: OutingRow,
    tally: Tally,
    rows: list[NearMissRow],
    shown: frozenset[int],
    *,
    strips: bool,
) -> Iterator[str]:
    faults = [
        Span(
            (f.began_ns - outing.origin_ns) / 1e9,
            outing.worn_s if f.ended_ns is None else (f.ended_ns - outing.origin_ns) / 1e9,
            clean(f.fault),
        )
        for f in journal.faults(outing.id)
    ]
    dots = [
        Dot((r.worst_ns - outing.origin_ns) / 1e9, r.level, f"#n{r.id}", f"{r.id}: {clean(r.label)}")
        for r in rows
    ]
    length_s = max([outing.worn_s, *(d.at_s for d in dots)])
    yield (
        f'<section id="o{outing.id}"><h2>Outing {outing.id}, {escape(when(outing))}</h2>'
        f'<p class="soft">{escape(clean(outing.device))}, {escape(clean(outing.source))}; '
        f"{_numbers(outing, tally, len(faults))}.</p>"
        f"{timeline(length_s, faults, dots)}"
    )
    yield (
        '<table><thead><tr><th class="n">id</th><th>when</th><th>what</th><th class="more">side</th><th>level</th>'
        '<th class="n">least TTC</th><th class="n more">range</th><th class="n more">passed</th>'
        '<th class="n more">lead</th><th class="more">said</th></tr></thead><tbody>'
    )
    for r in rows:
        said = f"{escape(clean(r.verdict, 8))} alarm" if r.verdict else ""
        yield (
            f'<tr><td class="n"><a href="#n{r.id}">{r.id}</a></td><td>{escape(when(r))}</td>'
            f'<td>{escape(clean(r.label))}</td><td class="more">{escape(clean(r.side))}</td>'
            f'<td class="{escape(r.level_name)}">{escape(r.level_name)}</td><td class="n">{seconds(r.min_ttc_s)}</td>'
            f'<td class="n more">{metres(r.range_m)}</td><td class="n more">{metres(r.pass_m)}</td>'
            f'<td class="n more">{seconds(r.lead_time_s)}</td><td class="more">{said}</td></tr>'
        )
    yield "</tbody></table>"
    for r in rows:
        yield _article(read(journal, r.id), r.id in shown, strips)
    yield "</section>"


def _numbers(outing: OutingRow, tally: Tally, faults: int) -> str:
    hourly = per_hour(tally.near_misses, outing.worn_s)
    told = [
        f"worn {minutes(outing.worn_s)}",
        "" if hourly is None else f"{rate(hourly)} near misses per hour",
        counted(tally.passages, "thing") + " passed near",
        counted(faults, "fault"),
    ]
    return ", ".join(filter(None, told))


def _article(story: Story, pictured: bool, strips: bool) -> str:
    row = story.row
    shown = picture(story) if pictured else ""
    turns = story.turns()
    why = next((t.why for t in turns if t.level == row.level), turns[-1].why if turns else "")
    note = f"<p><em>{escape(clean(row.note))}</em></p>" if row.note else ""
    return (
        f'<article id="n{row.id}"><h3>{row.id}: {escape(clean(row.label))}, '
        f'<span class="{escape(row.level_name)}">{escape(row.level_name)}</span></h3>'
        f"<p>{escape(sentence(row, story.mount))}</p>{note}{shown}"
        f"{curve(story.samples, story.thresholds, story.events)}{_strip(story) if pictured and strips else ''}"
        f'<p class="soft">Why: {escape(why) or "no reason given"}</p></article>'
    )


def _strip(story: Story) -> str:
    """The small pictures from before to after, in a row; nothing where there is only the one."""
    small = sorted(story.thumbs(), key=lambda t: t.offset_s)
    small = [t for t in small if t.width_px <= SMALL_WIDTH_PX]
    if len(small) < 2:
        return ""
    data = base64.b64encode(to_png(small)).decode()
    alt = f"{small[0].offset_s:+.1f} to {small[-1].offset_s:+.1f} s from the worst moment"
    return f'<img class="strip" loading="lazy" alt="{alt}" src="data:image/png;base64,{data}">'


def picture(story: Story) -> str:
    media = story.media.get("picture")
    data = read_clip(story.folder, media.file) if media else None
    if data is None or not data.startswith(_JPEG):
        return f'<p class="soft none">{"The picture has expired." if story.row.media_gone else "No picture."}</p>'
    alt = f"{clean(story.row.label)} at the worst moment{', heads pixelated' if media and media.redacted else ''}"
    return f'<img loading="lazy" alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
