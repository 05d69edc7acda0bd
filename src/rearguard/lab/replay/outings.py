"""Every outing again: from its trace where there is one, else from the traces of its near misses.

`before` is what was judged then, or, where settings to compare with are given, what they make of it. How the camera
was worn is a fact of an outing and no rule, so that [camera] is always the outing's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from rearguard.config import Config
from rearguard.cue.ledger import CueLine
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, NotFound
from rearguard.journal.db.rows import OutingRow
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import DATABASE
from rearguard.journal.trace.files import files_in, trace_files
from rearguard.journal.trace.format import Head, TraceFrame, check
from rearguard.journal.trace.reader import Trace, trace_of, traces
from rearguard.lab.replay import from_journal, recording
from rearguard.lab.replay.compare import Change, changes
from rearguard.lab.replay.rejudge import Replayed, felt, replay
from rearguard.lab.tasks.parts import task_key
from rearguard.lab.tasks.pool import Task
from rearguard.types import Box, Reason, ReasonCode, Threat, Verdict
from rearguard.vision.rules import Rules

_NOWHERE = Box(0, 0, 0, 0)
_ALL = 1_000_000


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to judge again. `place` is a journal's folder, or the file; `outing` its number there."""

    kind: Literal["trace", "near misses", "detections"]
    place: str
    name: str
    key: str = ""
    outing: int | None = None
    wall_s: float | None = None
    device: str = ""
    source: str = ""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """An item, the settings to try, and those to compare with (None: as it was judged then)."""

    item: Item
    after: Config
    before: Config | None


class OutingChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one outing.

    `changes` holds the rows that differ, `same` counts the others. `identical` is the share of frames that get the
    verdict they got then, to the last bit (None where that is not known). `missing`: one line for each thing that
    could not be read.
    """

    item: Item
    frames: int
    duration_s: float
    before: int
    after: int
    same: int
    changes: list[Change]
    identical: float | None = None
    missing: list[str] = []


def find_items(folder: Path) -> list[Item]:
    """All there is to judge again in a journal, or in a folder of traces or files of detections. Raises `NotFound`."""
    found = [_of_trace(folder, t.head) for t in traces(folder)]
    if (folder / DATABASE).exists():
        found = list(_of_journal(folder, {item.key: item for item in found}))
    for path in sorted(folder.glob("*.jsonl")):
        with contextlib.suppress(BadInput):
            head = recording.read_header(path)
            found.append(Item(kind="detections", place=str(path), name=path.name, source=head.source))
    if not found:
        raise NotFound(f"{folder}: no outing, trace or file of detections in it to judge again")
    return found


def _of_trace(folder: Path, head: Head) -> Item:
    return Item(
        kind="trace",
        place=str(folder),
        name=head.outing_key[:6],
        key=head.outing_key,
        wall_s=head.wall_s,
        device=head.device,
        source=head.source,
    )


def _of_journal(folder: Path, traced: dict[str, Item]) -> Iterator[Item]:
    with Journal.open(folder, readonly=True) as journal:
        rows = sorted(journal.outings(limit=_ALL), key=lambda row: (row.wall_s, row.id))
    for row in rows:
        item = traced.pop(row.key, None)
        if item is None:
            item = Item(kind="near misses", place=str(folder), name="", key=row.key, source=row.source)
        yield _numbered(item, row)
    yield from traced.values()  # of outings that the database does not know (any more)


def _numbered(item: Item, row: OutingRow) -> Item:
    """An item with what the journal's database knows of it."""
    return replace(item, name=str(row.id), outing=row.id, wall_s=row.wall_s, device=row.device)


def rejudge_outing(
    folder: Path, row: OutingRow, after: Config, before: Config | None
) -> OutingChanges | None:
    """One outing of a journal from its trace; None where it has none. Raises `BadInput` for one that is damaged."""
    if not trace_files(folder, row.key):
        return None
    item = _numbered(_of_trace(folder, trace_of(folder, row.key).head), row)
    return _from_trace(Work(item=item, after=after, before=before))


def tasks(items: Iterable[Item], after: Config, before: Config | None) -> list[Task[Work]]:
    """One task for each item."""
    work = [Work(item=item, after=after, before=before) for item in items]
    return [Task(task_key("replay", w, _content(w.item)), f"{w.item.kind} {w.item.name}", w) for w in work]


def _content(item: Item) -> list[tuple[str, int, float]]:
    """What an item's result depends on besides: the size and time of its files."""
    place = Path(item.place)
    if item.kind == "trace":
        files = trace_files(place, item.key) or files_in(place, item.key)
        return [(f.path.name, f.bytes, f.changed_s) for f in files]
    file = place / DATABASE if item.kind == "near misses" else place
    about = file.stat()
    return [(file.name, about.st_size, about.st_mtime)]


def rejudge(work: Work) -> list[OutingChanges]:
    """One item under both settings; nothing where nothing of it was kept."""
    judge_again = {"trace": _from_trace, "detections": _from_detections, "near misses": _from_near_misses}
    found = judge_again[work.item.kind](work)
    return [] if found is None else [found]


def _from_trace(work: Work) -> OutingChanges:
    trace = trace_of(Path(work.item.place), work.item.key)
    frames = list(trace.frames())
    after, identical = _judged(trace, frames, work.after)
    if work.before:
        return _told(work.item, _judged(trace, frames, work.before)[0], after, None, trace.damaged)
    return _told(work.item, felt(map(_as_recorded, frames), work.after), after, identical, trace.damaged)


def _judged(trace: Trace, frames: list[TraceFrame], config: Config) -> tuple[Replayed, float]:
    """What a configuration makes of a trace, and the share of frames that get the verdict that they got then."""
    head = trace.head
    with contextlib.suppress(msgspec.DecodeError):  # of another version: then as the camera is worn now
        config = replace(config, camera=msgspec.json.decode(head.config, type=Config).camera)
    rules = Rules(config, Pinhole.from_fov(head.width_px, head.height_px, head.hfov_deg))
    identical = 0

    def verdicts() -> Iterator[Verdict]:
        nonlocal identical
        for frame in frames:
            verdict = rules.judge_frame(frame.seen, frame.age_s)[1]
            identical += check(verdict) == frame.check
            yield verdict

    replayed = felt(verdicts(), config)
    return replayed, identical / max(1, len(frames))


def _as_recorded(frame: TraceFrame) -> Verdict:
    """The verdict as far as a cue needs it."""
    threats: tuple[Threat, ...] = ()
    if frame.track is not None:
        reason = Reason(code=ReasonCode.OLDER, ttc_s=frame.ttc_s, told="as it was judged then")
        label = frame.label or ""
        threats = (Threat(frame.track, label, "detected", frame.level, frame.side, _NOWHERE, reason),)
    seen = frame.seen
    return Verdict(seen.seq, seen.captured_ns, frame.level, frame.side, threats, seen.faults)


def _from_detections(work: Work) -> OutingChanges:
    seen = recording.read(Path(work.item.place))
    before, after = (replay(seen, config) for config in (work.before or Config(), work.after))
    return _told(work.item, before, after, None, [])


def _from_near_misses(work: Work) -> OutingChanges | None:
    assert work.item.outing is not None
    with Journal.open(Path(work.item.place), readonly=True) as journal:
        row, traced = from_journal.near_misses(journal, work.item.outing)
    if not traced:
        return None
    try:
        own = from_journal.recorded_config(row)
    except BadInput:
        own = work.before or work.after
    before = work.before or own
    again = [from_journal.again(row, near, trace, own, before, work.after) for near, trace in traced]
    begins_s = [(near.first_ns - row.origin_ns) / 1e9 for near, _ in traced]
    rows = [_moved(change, at_s) for at_s, a in zip(begins_s, again, strict=True) for change in a.changes]
    differ = [row for row in rows if row.what != "same"]
    return OutingChanges(
        item=work.item,
        frames=sum(near.frames for near in again),
        duration_s=round(sum(near.before.replayed.duration_s for near in again), 3),
        before=sum(len(near.before.replayed.cues) for near in again),
        after=sum(len(near.after.replayed.cues) for near in again),
        same=len(rows) - len(differ),
        changes=differ,
        missing=["no trace: judged from its near misses, each by itself"],
    )


def _moved(change: Change, at_s: float) -> Change:
    """A near miss's cues count from its own first frame; here from the outing's."""

    def cue(line: CueLine | None) -> CueLine | None:
        return None if line is None else replace(line, t_s=round(at_s + line.t_s, 3))

    return replace(change, before=cue(change.before), after=cue(change.after))


def _told(
    item: Item, before: Replayed, after: Replayed, identical: float | None, missing: list[str]
) -> OutingChanges:
    rows = changes(before.cues, after.cues)
    differ = [row for row in rows if row.what != "same"]
    return OutingChanges(
        item=item,
        frames=after.frames,
        duration_s=after.duration_s,
        before=len(before.cues),
        after=len(after.cues),
        same=len(rows) - len(differ),
        changes=differ,
        identical=None if identical is None else round(identical, 6),
        missing=list(missing),
    )
