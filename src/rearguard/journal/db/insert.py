"""Rows going into the journal. Every function runs inside a transaction and may be repeated without harm."""

from __future__ import annotations

import sqlite3
from typing import Any

from rearguard.clock import Stamp
from rearguard.journal.blindness import blindness, episodes
from rearguard.journal.db.rows import MediaRecord, OutingStart, OutingStats
from rearguard.journal.db.tables import named
from rearguard.types import Cue, FaultSpan, MarkKind, NearMiss, Passage

MAX_TEXT = 2000

_CORRECTION = """SET wall_s = ? + (mono_ns - ?) / 1e9, wall_corrected = 1
                 WHERE boot_id = ? AND clock_synced = 0 AND wall_corrected = 0"""


def outing(db: sqlite3.Connection, start: OutingStart) -> int:
    """The id of an outing, made unless it is there."""
    s = start.stamp
    db.execute(
        """INSERT INTO outing (key, device, source, realtime, origin_ns, mono_ns, boot_id, wall_s, clock_synced,
             model, model_digest, config_digest, config, version, assumed)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING""",
        (
            start.key, start.device[:MAX_TEXT], start.source[:MAX_TEXT], start.realtime, start.origin_ns,
            s.mono_ns, s.boot_id, s.wall_s, s.clock_synced,
            start.model[:MAX_TEXT], start.model_digest, start.config_digest, start.config_json, start.version,
            start.assumed[:MAX_TEXT],
        ),
    )  # fmt: skip
    return int(db.execute("SELECT id FROM outing WHERE key = ?", (start.key,)).fetchone()[0])


def near_miss(db: sqlite3.Connection, outing_id: int, number: int, start: OutingStart, seen: NearMiss) -> int:
    """Store a near miss with its trace and give its id."""
    mono_ns, wall_s = start.at(seen.worst_ns)
    correction = db.execute("SELECT wall_s, wall_corrected FROM outing WHERE id = ?", (outing_id,)).fetchone()
    wall_s += correction[0] - start.stamp.wall_s
    stamped = {
        "outing": outing_id,
        "number": number,
        "mono_ns": mono_ns,
        "boot_id": start.stamp.boot_id,
        "wall_s": wall_s,
        "clock_synced": start.stamp.clock_synced,
        "wall_corrected": correction[1],
    }
    row(db, "near_miss", {**stamped, **named(seen)}, "ON CONFLICT (outing, number) DO NOTHING")
    found = db.execute("SELECT id FROM near_miss WHERE outing = ? AND number = ?", (outing_id, number))
    near_miss_id = int(found.fetchone()[0])
    for n, point in enumerate(seen.trace):
        row(db, "trace", {"near_miss": near_miss_id, "n": n, **named(point)}, "ON CONFLICT DO NOTHING")
    return near_miss_id


def media(db: sqlite3.Connection, near_miss_id: int, file: MediaRecord) -> None:
    """Store that a file in the clip folder belongs to a near miss."""
    db.execute(
        "DELETE FROM media WHERE (near_miss, kind) = (?, ?) OR file = ?", (near_miss_id, file.kind, file.file)
    )
    row(db, "media", {"near_miss": near_miss_id, **named(file)})


def cue(db: sqlite3.Connection, outing_id: int, felt: Cue) -> None:
    """Store a cue that was felt."""
    row(db, "cue", {"outing": outing_id, **named(felt)})


def passage(db: sqlite3.Connection, outing_id: int, seen: Passage) -> None:
    """Store what passed."""
    row(db, "passage", {"outing": outing_id, **named(seen)})


def fault(db: sqlite3.Connection, outing_id: int, span: FaultSpan) -> None:
    """Store that a fault began, or, with the same beginning, that it ended."""
    once = "ON CONFLICT (outing, fault, began_ns) DO UPDATE SET ended_ns = excluded.ended_ns"
    row(db, "fault", {"outing": outing_id, **named(span)}, once)


def mark(db: sqlite3.Connection, outing_id: int, at_ns: int, kind: MarkKind) -> None:
    """Store that the wearer pressed the button, or fell."""
    db.execute("INSERT OR IGNORE INTO mark (outing, at_ns, kind) VALUES (?, ?, ?)", (outing_id, at_ns, kind))


def stats(db: sqlite3.Connection, outing_id: int, now: OutingStats, ended: str | None) -> None:
    """Store how the outing goes, and how it ended once it did; how long it was blind follows from its faults."""
    db.execute(
        "UPDATE outing SET frames = ?, late = ?, worn_s = ?, ended = ? WHERE id = ?",
        (now.frames, now.late, now.worn_s, ended, outing_id),
    )
    _, blind_s = blindness([outing_id], db.execute(episodes(1), [outing_id]))[outing_id]
    db.execute("UPDATE outing SET blind_s = ? WHERE id = ?", (blind_s, outing_id))


def store_opinion(
    db: sqlite3.Connection,
    near_miss_id: int,
    *,
    verdict: str | None = None,
    note: str | None = None,
    flagged: bool | None = None,
) -> bool:
    """Store what the wearer says: verdict 'true' or 'false' ('' takes it back), a note, a flag; None leaves it.

    False when there is no such near miss.
    """
    done = db.execute(
        """UPDATE near_miss SET verdict = CASE WHEN :verdict IS NULL THEN verdict ELSE nullif(:verdict, '') END,
             note = coalesce(:note, note), flagged = coalesce(:flagged, flagged) WHERE id = :id""",
        {"verdict": verdict, "note": note and note[:MAX_TEXT], "flagged": flagged, "id": near_miss_id},
    )
    return done.rowcount == 1


def correct_clock(db: sqlite3.Connection, true: Stamp) -> int:
    """Correct the wall times of this boot that were written before its clock was synchronised.

    Monotonic time goes on through a boot, so one true moment dates all others. The rows keep
    `clock_synced` 0 and get `wall_corrected` 1. Gives the number of outings corrected.
    """
    values = (true.wall_s, true.mono_ns, true.boot_id)
    changed = db.execute(f"UPDATE outing {_CORRECTION}", values).rowcount
    db.execute(f"UPDATE near_miss {_CORRECTION}", values)
    return changed


def row(db: sqlite3.Connection, table: str, values: dict[str, Any], conflict: str = "") -> None:
    """Insert a row whose keys are column names of ours, never anybody's text."""
    marks = ", ".join("?" * len(values))
    db.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) {conflict}", tuple(values.values())
    )
