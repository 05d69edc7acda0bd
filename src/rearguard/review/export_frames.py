"""Traces as a table: one row a frame, with lists of what was seen in it.

The columns follow from the type of a frame, so that what a later version sees is exported without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rearguard.errors import BadInput, NotFound
from rearguard.journal.db.rows import Filter, OutingRow
from rearguard.journal.db.store import Journal
from rearguard.journal.trace.arrow import plain
from rearguard.journal.trace.columns import Shape, shape_of
from rearguard.journal.trace.format import TraceFrame
from rearguard.journal.trace.reader import trace_of
from rearguard.review.columns import Row
from rearguard.review.text import iso
from rearguard.types import Observation

_ALL = 1_000_000
_OUTING: dict[str, Shape] = {"outing_key": "str", "device": "str", "t_s": "float"}


def shapes() -> dict[str, Shape]:
    """The columns after `when`, in order, each with its shape (see `journal.trace.columns`)."""
    frame = dict(shape_of(TraceFrame)["struct"])
    del frame["seen"]
    return {**_OUTING, **shape_of(Observation)["struct"], **frame}


def outings(journal: Journal, wanted: Filter) -> list[OutingRow]:
    """The outings whose frames are wanted. Raises `BadInput` for a filter of near misses."""
    if wanted.label is not None or wanted.level is not None:
        raise BadInput("frames: has no label or level to filter by")
    return [
        row
        for row in sorted(journal.outings(limit=_ALL), key=lambda row: (row.wall_s, row.id))
        if (wanted.outing is None or row.id == wanted.outing)
        and (wanted.device is None or row.device == wanted.device)
        and (wanted.until_s is None or row.wall_s < wanted.until_s)
        and (wanted.since_s is None or row.wall_s + row.worn_s + 60 >= wanted.since_s)
    ]


def count(journal: Journal, wanted: Filter) -> int:
    """About how many rows there will be."""
    return sum(row.frames for row in outings(journal, wanted))


def rows(journal: Journal, wanted: Filter) -> Iterator[Row]:
    """Every traced frame, outing by outing, one at a time. Raises `BadInput` for a filter that does not fit."""
    found = outings(journal, wanted)
    return (row for outing in found for row in _rows(journal, outing, wanted))


def _rows(journal: Journal, outing: OutingRow, wanted: Filter) -> Iterator[Row]:
    try:
        trace = trace_of(journal.folder, outing.key)
    except NotFound:
        return
    for frame in trace.frames():
        t_s = (frame.seen.captured_ns - outing.origin_ns) / 1e9
        wall_s = outing.wall_s + t_s
        if (wanted.since_s is not None and wall_s < wanted.since_s) or (
            wanted.until_s is not None and wall_s >= wanted.until_s
        ):
            continue
        told = {name: plain(value) for name, value in msgspec.structs.asdict(frame).items() if name != "seen"}
        seen = plain(frame.seen)
        about = {"outing_key": outing.key, "device": outing.device, "t_s": t_s}
        yield {"when": iso(wall_s), **about, **seen, **told}
