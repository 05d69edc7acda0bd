"""All outings judged again as one self-contained page, with a picture of each changed moment where there is one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rearguard.cue.ledger import CueLine
from rearguard.journal.db.rows import Filter
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import DATABASE, read_clip
from rearguard.lab.replay.compare import Change
from rearguard.lab.replay.outings import OutingChanges
from rearguard.lab.replay.totals import Totals
from rearguard.lab.style import STYLE
from rearguard.text import clean

_NEAR_S = 1.5  # a near miss whose worst moment is no further from a cue shows what the cue is about
_MOST_PICTURES = 400
_ALL = 1_000_000
_COLOUR = {"gone": "bad", "later": "bad", "new": "good", "earlier": "good"}

_STYLE = f"""{STYLE}
body {{ max-width: 72rem; }} h2 {{ font-size: 1.1rem; margin: 1.6rem 0 .2rem; }}
img {{ max-width: 20rem; max-height: 12rem; display: block; }}
"""


def page(found: Sequence[OutingChanges], sums: Totals, about: str) -> str:
    """HTML that loads nothing and runs nothing; `about` says what was compared."""
    changed = [o for o in found if o.changes]
    pictures = _Pictures()
    outings = "".join(_outing(o, pictures) for o in changed)
    known = sums.identical is not None
    same = f" {sums.identical:.2%} of frames get the verdict of then, to the last bit." if known else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>rearguard: outings judged again</title>"
        f"<style>{_STYLE}</style><h1>Outings judged again</h1><p>{escape(about)}</p>"
        f"<p>{sums.outings} outings, {sums.hours:.2f} hours, {sums.frames} frames: {sums.before} cues before, "
        f"{sums.after} after; {sums.changed} outings changed.{same}</p>{_totals(sums)}"
        f"{outings or '<p>Nothing changed.'}</html>"
    )


def _totals(sums: Totals) -> str:
    if not sums.cues:
        return ""
    rows = "".join(
        f"<tr><td>{escape(c.cue)}<td class=n>{c.gained}<td class=n>{c.lost}<td class=n>{_moved(c.earlier, c.earlier_s)}"
        f"<td class=n>{_moved(c.later, c.later_s)}<td class=n>{c.other_side}</tr>"
        for c in sums.cues
    )
    head = "".join(f"<th class=n>{name}" for name in ("gained", "lost", "earlier", "later", "other side"))
    return f"<table><tr><th>cue{head}</tr>{rows}</table>"


def _moved(count: int, mean_s: float | None) -> str:
    return str(count) if mean_s is None else f"{count} by {mean_s:.2f} s"


def _outing(o: OutingChanges, pictures: _Pictures) -> str:
    about = clean(f"{o.item.device} {o.item.source}".strip(), 200)
    missing = "".join(f"<div class=dim>{escape(line)}</div>" for line in o.missing)
    rows = "".join(
        f"<tr><td>{_cue(c.before)}<td>{_cue(c.after)}<td class={_COLOUR.get(c.what, 'dim')}>{_what(c)}"
        f"<td>{pictures.of(o, c)}</tr>"
        for c in o.changes
    )
    return (
        f"<h2>{escape(f'outing {o.item.name}' if o.item.outing else o.item.name)} "
        f"<span class=dim>{escape(about)}, {o.duration_s:.0f} s</span></h2>"
        f"{missing}<table><tr><th>before<th>after<th><th>picture</tr>{rows}</table>"
    )


def _cue(cue: CueLine | None) -> str:
    return "–" if cue is None else escape(cue.told)


def _what(change: Change) -> str:
    named = {"gone": "lost", "new": "gained", "side": "other side"}
    if change.what in named:
        return named[change.what]
    return f"{change.what} by {abs(change.moved_s or 0.0):.2f} s"


class _Pictures:
    """The journal's pictures of near misses, found by the time of a cue."""

    def __init__(self) -> None:
        self._left = _MOST_PICTURES
        self._of: dict[tuple[str, int], list[tuple[float, str]]] = {}

    def of(self, o: OutingChanges, change: Change) -> str:
        """An img, or nothing."""
        if o.item.outing is None or self._left <= 0:
            return ""
        key = o.item.place, o.item.outing
        if key not in self._of:
            self._of[key] = _find(Path(o.item.place), o.item.outing)
        cues = [c.t_s for c in (change.before, change.after) if c is not None]
        near = [(abs(at_s - t_s), file) for at_s, file in self._of[key] for t_s in cues]
        best = min(near, default=(_NEAR_S + 1, ""))
        data = read_clip(Path(o.item.place), best[1]) if best[0] <= _NEAR_S else None
        if data is None:
            return ""
        self._left -= 1
        return f'<img alt="near miss" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def _find(folder: Path, outing: int) -> list[tuple[float, str]]:
    if not (folder / DATABASE).exists():
        return []
    with Journal.open(folder, readonly=True) as journal:
        row = journal.outing(outing)
        found = journal.near_misses(Filter(outing=outing), limit=_ALL)
        files = [(n, journal.media(n.id).get("picture")) for n in found]
    origin_ns = row.origin_ns if row else 0
    return [((n.worst_ns - origin_ns) / 1e9, media.file) for n, media in files if media is not None]
