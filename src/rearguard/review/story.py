"""One near miss, read whole: what the story, the plot and the page are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rearguard.errors import NotFound
from rearguard.journal.db.rows import Mark, MediaRecord, NearMissRow, OutingRow, TraceRecord
from rearguard.journal.db.store import Journal
from rearguard.journal.db.tables import parse_json
from rearguard.journal.media.thumbnails import Thumb, unpack
from rearguard.journal.paths import read_clip
from rearguard.review.plot import Event, Sample
from rearguard.text import explain
from rearguard.types import Cue, Level

_LONGEST_S = 1e6
_SIGNS = ("ALIVE", "READY")
_AROUND_NS = 1_000_000_000  # cues this long before and after the episode belong to the story


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of why: seconds from the worst moment, the level from there on, what moment this is, and why."""

    t_s: float
    level: Level
    moment: str
    why: str

    @property
    def words(self) -> str:
        return ": ".join(filter(None, (self.moment, self.why))) or "no reason given"


@dataclass(frozen=True)
class Story:
    """A near miss with its outing, trace, cues felt, files, and the moments that were marked next to it."""

    folder: Path
    row: NearMissRow
    outing: OutingRow
    trace: list[TraceRecord]
    cues: list[Cue]
    media: dict[str, MediaRecord]
    marks: list[Mark]

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that judged it; empty when it cannot be read."""
        config = parse_json(self.outing.config)
        return config if isinstance(config, dict) else {}

    @property
    def mount(self) -> str:
        """Where the camera sat: back or front."""
        camera = self.config.get("camera")
        return str(camera.get("mount", "back")) if isinstance(camera, dict) else "back"

    @property
    def thresholds(self) -> list[tuple[str, float]]:
        """The TTC of each level in that configuration, as (name, seconds)."""
        judge = self.config.get("judge")
        if not isinstance(judge, dict):
            return []
        found = [(name, judge.get(f"{name.lower()}_ttc_s")) for name in ("NOTICE", "CAUTION", "CRITICAL")]
        return [
            (name, float(value))
            for name, value in found
            if isinstance(value, int | float) and 0 < value < _LONGEST_S  # what anybody wrote may be infinite
        ]

    @property
    def samples(self) -> list[Sample]:
        """The trace for a plot; of frames in which it was only expected, the level alone."""
        return [Sample(self._t_s(p.t_ns), p.reason.ttc_s if p.seen else None, p.level) for p in self.trace]

    @property
    def events(self) -> list[Event]:
        """What was felt of this one, for a plot: no cue of another near miss, nor the signs that all is well."""
        return [Event(self._t_s(c.at_ns), c.cue) for c in self.felt]

    @property
    def felt(self) -> list[Cue]:
        """The cues that answered this encounter, and faults felt meanwhile."""
        own = {self.row.track, *self.row.tracks}
        return [c for c in self.cues if c.cue not in _SIGNS and (c.track is None or c.track in own)]

    def turns(self) -> list[Turn]:
        """What decided, told where it changed: the first frame of each level, the worst moment, the end."""
        found: list[Turn] = []
        level: Level | None = None
        for p in self.trace:
            worst = p.t_ns == self.row.worst_ns
            if p.level != level or worst:
                moment = "worst moment" if worst else ""
                found.append(Turn(self._t_s(p.t_ns), p.level, moment, explain(p.reason)))
            level = p.level
        if self.trace and self.row.released_ns >= self.trace[-1].t_ns:
            lasted_s = (self.row.released_ns - self.row.warned_ns) / 1e9
            told = f"{lasted_s:.1f} s after the first warning"
            found.append(Turn(self._t_s(self.row.released_ns), Level.CLEAR, "over", told))
        return found

    @property
    def marked(self) -> str:
        """What the wearer did next to it, in a sentence each; empty when nothing."""
        told = ((m.kind.did, self._t_s(m.at_ns)) for m in self.marks)
        return " ".join(
            f"You {did} {abs(t_s):.0f} s {'after' if t_s >= 0 else 'before'} the worst moment."
            for did, t_s in told
        )

    def _t_s(self, at_ns: int) -> float:
        return (at_ns - self.row.worst_ns) / 1e9

    def thumbs(self) -> list[Thumb]:
        """The small pictures for the terminal; empty when none were kept or they have expired."""
        strip = self.media.get("strip")
        data = read_clip(self.folder, strip.file) if strip else None
        return unpack(data) if data else []


def read(journal: Journal, near_miss_id: int) -> Story:
    """The story of a near miss. Raises `NotFound`."""
    row = journal.near_miss(near_miss_id)
    outing = journal.outing(row.outing) if row else None
    if row is None or outing is None:
        raise NotFound(
            f"no near miss {near_miss_id} in {journal.folder}; `rearguard log` lists those there are"
        )
    return Story(
        journal.folder,
        row,
        outing,
        journal.trace(near_miss_id),
        journal.cues(row.outing, row.first_ns - _AROUND_NS, row.released_ns + _AROUND_NS),
        journal.media(near_miss_id),
        [mark for mark in journal.marks(row.outing) if mark.near_miss == near_miss_id],
    )
