"""`report --html`: one page with everything in it, to keep or hand on; it loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from html import escape
from itertools import groupby

from rearguard import __version__
from rearguard.journal.place import read_clip
from rearguard.journal.rows import Filter, NearMissRow, OutingRow
from rearguard.journal.store import Journal
from rearguard.journal.summary import per_hour, tallies
from rearguard.review.story import Story, read
from rearguard.review.svg import Dot, Span, curve, timeline
from rearguard.review.text import clean, local, metres, minutes, rate, seconds, sentence, when

_PAGE = 500
_JPEG = b"\xff\xd8\xff"

_STYLE = """
:root { color-scheme: light dark; --soft: #8888; --faint: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid var(--faint); }
td.n, th.n { text-align: right; }
section { margin: 2.5rem 0; }
article { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid var(--soft); break-inside: avoid; }
img { max-width: 100%; border-radius: .3rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: currentColor; }
.at { stroke: var(--soft); stroke-dasharray: 3 4; } .worst { stroke: var(--soft); } .ttc { stroke-width: 2.5; }
.cue { stroke: currentColor; stroke-width: .7; } .worn { fill: var(--soft); } .fault { fill: #d33a; }
.CRITICAL { color: #d33; font-weight: bold; } .CAUTION { color: #c80; } .soft { opacity: .7; }
"""


def page(journal: Journal, wanted: Filter, *, pictures: bool) -> Iterator[str]:
    """The page, piece by piece: summary, then outing by outing its timeline, table and near misses.

    All text from the journal is escaped; the page's own policy forbids scripts and anything from elsewhere.
    """
    rows = list(_all(journal, wanted))
    yield _head(rows, wanted)
    for outing_id, group in groupby(
        sorted(rows, key=lambda r: (-r.outing, r.wall_s)), key=lambda r: r.outing
    ):
        outing = journal.outing(outing_id)
        if outing is not None:
            yield from _outing(journal, outing, list(group), pictures)
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
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>rearguard: {escape(what)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(what.capitalize())}</h1><p>{escape(span)}</p>"
        f"<p>{len(rows)} near misses, {critical} of them critical; "
        f"least time to collision {seconds(min(ttcs, default=None))}.</p>"
    )


def _outing(journal: Journal, outing: OutingRow, rows: list[NearMissRow], pictures: bool) -> Iterator[str]:
    tally = tallies(journal, [outing.id])[outing.id]
    faults = [
        Span(
            (f.began_ns - outing.origin_ns) / 1e9,
            outing.worn_s if f.ended_ns is None else (f.ended_ns - outing.origin_ns) / 1e9,
            clean(f.trouble),
        )
        for f in journal.faults(outing.id)
    ]
    dots = [
        Dot((r.worst_ns - outing.origin_ns) / 1e9, r.level, f"#n{r.id}", f"{r.id}: {clean(r.label)}")
        for r in rows
    ]
    length_s = max([outing.worn_s, *(d.at_s for d in dots)])
    yield (
        f"<section><h2>Outing {outing.id}, {escape(when(outing))}</h2>"
        f'<p class="soft">{escape(clean(outing.device))}, {escape(clean(outing.source))}; '
        f"worn {minutes(outing.worn_s)}, "
        f"{rate(per_hour(tally.near_misses, outing.worn_s))} near misses per hour, {len(faults)} faults.</p>"
        f"{timeline(length_s, faults, dots)}"
    )
    yield (
        '<table><thead><tr><th class="n">id</th><th>when</th><th>what</th><th>side</th><th>level</th>'
        '<th class="n">least TTC</th><th class="n">range</th><th class="n">lead</th><th>said</th></tr></thead><tbody>'
    )
    for r in rows:
        said = f"{escape(clean(r.verdict, 8))} alarm" if r.verdict else ""
        yield (
            f'<tr><td class="n"><a href="#n{r.id}">{r.id}</a></td><td>{escape(when(r))}</td>'
            f"<td>{escape(clean(r.label))}</td><td>{escape(clean(r.side))}</td>"
            f'<td class="{escape(r.level_name)}">{escape(r.level_name)}</td><td class="n">{seconds(r.min_ttc_s)}</td>'
            f'<td class="n">{metres(r.range_m)}</td><td class="n">{seconds(r.lead_time_s)}</td><td>{said}</td></tr>'
        )
    yield "</tbody></table>"
    for r in rows:
        yield _article(read(journal, r.id), pictures)
    yield "</section>"


def _article(story: Story, pictures: bool) -> str:
    row = story.row
    picture = _picture(story) if pictures else ""
    changes = story.reasons()
    why = "; ".join(clean(reason) for reason in changes[-1][2]) if changes else ""
    worst = [reasons for _, level, reasons in changes if level == row.level]
    if worst:
        why = "; ".join(clean(reason) for reason in worst[0])
    note = f"<p><em>{escape(clean(row.note))}</em></p>" if row.note else ""
    return (
        f'<article id="n{row.id}"><h3>{row.id}: {escape(clean(row.label))}, '
        f'<span class="{escape(row.level_name)}">{escape(row.level_name)}</span></h3>'
        f"<p>{escape(sentence(row, story.mount))}</p>{note}{picture}"
        f"{curve(story.samples, story.thresholds, story.events)}"
        f'<p class="soft">Why: {escape(why) or "no reason given"}</p></article>'
    )


def _picture(story: Story) -> str:
    media = story.media.get("picture")
    data = read_clip(story.folder, media.file) if media else None
    if data is None or not data.startswith(_JPEG):
        return f'<p class="soft">{"The picture has expired." if story.row.media_gone else "No picture."}</p>'
    alt = f"{clean(story.row.label)} at the worst moment{', heads pixelated' if media and media.redacted else ''}"
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
