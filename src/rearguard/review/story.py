"""One near miss, read whole: what the story, the plot and the page are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rearguard.errors import NotFound
from rearguard.journal.columns import plain_json
from rearguard.journal.place import read_clip
from rearguard.journal.rows import CueRow, MediaRow, NearMissRow, OutingRow, TraceRow
from rearguard.journal.store import Journal
from rearguard.journal.strip import Thumb, unpack
from rearguard.review.plot import Event, Sample

_LONGEST_S = 1e6
_SIGNS = ("ALIVE", "READY")
_AROUND_NS = 1_000_000_000  # cues this long before and after the episode belong to the story


@dataclass(frozen=True)
class Story:
    """A near miss with its outing, trace, cues felt and files."""

    folder: Path
    row: NearMissRow
    outing: OutingRow
    trace: list[TraceRow]
    cues: list[CueRow]
    media: dict[str, MediaRow]

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that judged it; empty when it cannot be read."""
        config = plain_json(self.outing.config)
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
        """The trace for a plot."""
        worst = self.row.worst_ns
        return [Sample((p.t_ns - worst) / 1e9, p.ttc_s, p.level) for p in self.trace]

    @property
    def events(self) -> list[Event]:
        """What was felt, for a plot, but for the signs that all is well."""
        worst = self.row.worst_ns
        return [Event((c.at_ns - worst) / 1e9, c.cue) for c in self.cues if c.cue not in _SIGNS]

    def reasons(self) -> list[tuple[float, int, tuple[str, ...]]]:
        """Each change of level or reasons, as (seconds from the worst moment, level, reasons)."""
        found: list[tuple[float, int, tuple[str, ...]]] = []
        for p in self.trace:
            if not found or (p.level, p.reasons) != found[-1][1:]:
                found.append(((p.t_ns - self.row.worst_ns) / 1e9, p.level, p.reasons))
        return found

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
    )
