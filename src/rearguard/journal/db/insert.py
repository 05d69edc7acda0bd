"""Rows going into the journal. Every function runs inside a transaction and may be repeated without harm."""

from __future__ import annotations

import json
import math
import sqlite3

from rearguard.clock import Stamp
from rearguard.journal.blindness import blindness, episodes
from rearguard.journal.rows import MediaRow, OutingStart, OutingStats
from rearguard.warden.link import Felt
from rearguard.words import NearMiss, Trouble

MAX_TEXT = 2000

_CORRECTION = """SET wall_s = ? + (mono_ns - ?) / 1e9, wall_corrected = 1
                 WHERE boot_id = ? AND clock_synced = 0 AND wall_corrected = 0"""


def outing(db: sqlite3.Connection, start: OutingStart) -> int:
    """The id of an outing, made unless it is there."""
    s = start.stamp
    db.execute(
        """INSERT INTO outing (key, device, source, realtime, origin_ns, mono_ns, boot_id, wall_s, clock_synced,
             model, model_digest, config_digest, config, version)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING""",
        (
            start.key, start.device[:MAX_TEXT], start.source[:MAX_TEXT], start.realtime, start.origin_ns,
            s.mono_ns, s.boot_id, s.wall_s, s.clock_synced,
            start.model[:MAX_TEXT], start.model_digest, start.config_digest, start.config_json, start.version,
        ),
    )  # fmt: skip
    return int(db.execute("SELECT id FROM outing WHERE key = ?", (start.key,)).fetchone()[0])


def near_miss(db: sqlite3.Connection, outing_id: int, number: int, start: OutingStart, seen: NearMiss) -> int:
    """Store a near miss with its trace and give its id."""
    mono_ns, wall_s = start.at(seen.worst_ns)
    correction = db.execute("SELECT wall_s, wall_corrected FROM outing WHERE id = ?", (outing_id,)).fetchone()
    wall_s += correction[0] - start.stamp.wall_s
    db.execute(
        """INSERT INTO near_miss (outing, number, track, label, kind, side, level, min_ttc_s, range_m,
             lead_time_s, first_ns, warned_ns, worst_ns, released_ns, worst_seq,
             mono_ns, boot_id, wall_s, clock_synced, wall_corrected)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (outing, number) DO NOTHING""",
        (
            outing_id, number, seen.track, seen.label[:MAX_TEXT], seen.kind[:MAX_TEXT], str(seen.side),
            int(seen.level), _finite(seen.min_ttc_s), _finite(seen.range_m), _finite(seen.lead_time_s),
            seen.first_ns, seen.warned_ns, seen.worst_ns, seen.released_ns, seen.worst_seq,
            mono_ns, start.stamp.boot_id, wall_s, start.stamp.clock_synced, correction[1],
        ),
    )  # fmt: skip
    found = db.execute("SELECT id FROM near_miss WHERE outing = ? AND number = ?", (outing_id, number))
    near_miss_id = int(found.fetchone()[0])
    db.executemany(
        "INSERT OR IGNORE INTO trace VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                near_miss_id, n, p.t_ns, p.seq, _edge(p.box.x0), _edge(p.box.y0), _edge(p.box.x1), _edge(p.box.y1),
                _finite(p.ttc_s), _finite(p.ttc_sd_s), _finite(p.range_m), _finite(p.miss_m), int(p.level),
                json.dumps(p.reasons),
            )
            for n, p in enumerate(seen.trace)
        ],
    )  # fmt: skip
    return near_miss_id


def media(db: sqlite3.Connection, near_miss_id: int, row: MediaRow) -> None:
    """Store that a file in the clip folder belongs to a near miss."""
    db.execute(
        """INSERT OR REPLACE INTO media (near_miss, kind, file, bytes, sha256, redacted)
           VALUES (?, ?, ?, ?, ?, ?)""",
        (near_miss_id, row.kind, row.file, row.bytes, row.sha256, row.redacted),
    )


def cue(db: sqlite3.Connection, outing_id: int, felt: Felt) -> None:
    """Store a cue that was felt."""
    db.execute(
        "INSERT INTO cue (outing, at_ns, cue, side, seq, track, ttc_s, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            outing_id, felt.at_ns, felt.cue[:MAX_TEXT], felt.side[:MAX_TEXT],
            felt.seq, felt.track, _finite(felt.ttc_s), felt.reason[:MAX_TEXT],
        ),
    )  # fmt: skip


def fault(
    db: sqlite3.Connection, outing_id: int, trouble: Trouble, began_ns: int, ended_ns: int | None
) -> None:
    """Store that a fault began, or, with the same beginning, that it ended."""
    db.execute(
        """INSERT INTO fault (outing, trouble, began_ns, ended_ns) VALUES (?, ?, ?, ?)
           ON CONFLICT (outing, trouble, began_ns) DO UPDATE SET ended_ns = excluded.ended_ns""",
        (outing_id, str(trouble), began_ns, ended_ns),
    )


def mark(db: sqlite3.Connection, outing_id: int, at_ns: int) -> None:
    """Store that the wearer pressed the button."""
    db.execute("INSERT OR IGNORE INTO mark (outing, at_ns) VALUES (?, ?)", (outing_id, at_ns))


def stats(db: sqlite3.Connection, outing_id: int, now: OutingStats, ended: str | None) -> None:
    """Store how the outing goes, and how it ended once it did; how long it was blind follows from its faults."""
    db.execute(
        "UPDATE outing SET frames = ?, late = ?, worn_s = ?, ended = ? WHERE id = ?",
        (now.frames, now.late, now.worn_s, ended, outing_id),
    )
    _, blind_s = blindness([outing_id], db.execute(episodes(1), [outing_id]))[outing_id]
    db.execute("UPDATE outing SET blind_s = ? WHERE id = ?", (blind_s, outing_id))


def say(
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
        """UPDATE near_miss SET verdict = CASE WHEN ?1 IS NULL THEN verdict ELSE nullif(?1, '') END,
             note = coalesce(?2, note), flagged = coalesce(?3, flagged) WHERE id = ?4""",
        (verdict, note[:MAX_TEXT] if note is not None else None, flagged, near_miss_id),
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


def _finite(value: float | None) -> float | None:
    """The number, or None for what no number should be: one odd value must not cost the whole row."""
    return value if value is not None and math.isfinite(value) else None


def _edge(value: float) -> float:
    return _finite(value) or 0.0
