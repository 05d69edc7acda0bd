"""How long things are kept: pictures by age and size, numbers by age; and purging, for good.

A device without a clock of its own lives in the past until the network tells it the time. Numbers are only
deleted by a clock that is right. Pictures go by a doubtful one too: it is late rather than early, so that the
difference of two of its times is never too long. What a wrong clock dated would seem too old to a right one;
the age of such rows counts from when a right clock first saw them. A clock that leaps ahead while the machine runs, or
comes back from the time before any outing, was wrong before and counts as right for that.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rearguard.clock import stamp
from rearguard.config.journal import Journal as Settings
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import CLIPS, is_clip_name, sync_folder
from rearguard.journal.trace.files import by_outing, delete_traces, too_much, trace_files

_BATCH = 500
_DATED = "(o.clock_synced OR o.wall_corrected)"
_UNDATED = "kept_from_s IS NULL AND NOT clock_synced AND NOT wall_corrected"
_NO_OUTING_BEFORE_S = 1_577_836_800.0  # 2020: older than this program
_LEAP_S = 3600.0  # more than any clock drifts in a boot


@dataclass(frozen=True, slots=True)
class Gone:
    """What was deleted. `traceless`: nothing of it is left in the database or its write-ahead log."""

    near_misses: int = 0
    outings: int = 0
    files: int = 0
    traceless: bool = True


def expire(
    journal: Journal, settings: Settings, now_s: float, *, synced: bool, fetched_too: bool = False
) -> Gone:
    """Delete what is older or larger than the settings say; flagged near misses are kept, as far as they fit.

    `now_s` is the wall time, `synced` whether it is to be believed. Outings that were fetched from another
    device were fetched to be kept; only `fetched_too` deletes them by age. Raises OSError or `sqlite3.Error`.
    """
    which = _wrongly_dated(journal, now_s, synced=synced)
    with journal.transaction(durable=False) as db:
        db.execute(f"UPDATE outing SET kept_from_s = ? WHERE {_UNDATED} AND {which}", (now_s,))
    age_from = f"CASE WHEN {_DATED} THEN n.wall_s ELSE coalesce(o.kept_from_s, n.wall_s) END"
    ours = "1" if fetched_too else "NOT EXISTS (SELECT 1 FROM pulled p WHERE p.outing_key = o.key)"
    old = (
        f"FROM near_miss n JOIN outing o ON o.id = n.outing WHERE {ours} AND NOT n.flagged AND {age_from} < ?"
    )
    near_misses = outings = files = 0
    if synced:
        numbers_s = now_s - settings.numbers_keep_days * 86400
        near_misses, files = _delete(journal, _ids(journal, f"SELECT n.id {old}", numbers_s))
        outings = _delete_outings(
            journal,
            f"""SELECT o.id FROM outing o WHERE {ours} AND o.ended IS NOT NULL
                AND CASE WHEN {_DATED} THEN o.wall_s ELSE o.kept_from_s END < ?
                AND NOT EXISTS (SELECT 1 FROM near_miss n WHERE n.outing = o.id)""",
            numbers_s,
        )
    pictures_s = now_s - settings.pictures_keep_h * 3600
    with_files = "AND EXISTS (SELECT 1 FROM media m WHERE m.near_miss = n.id)"
    files += drop_media(journal, _ids(journal, f"SELECT n.id {old} {with_files}", pictures_s), "expired")
    files += drop_media(journal, _too_much(journal, settings.pictures_max_mb << 20), "expired")
    files += _expire_traces(journal, settings, now_s, synced=synced, fetched_too=fetched_too)
    return Gone(near_misses, outings, files)


def _wrongly_dated(journal: Journal, now_s: float, *, synced: bool) -> str:
    """Which outings not yet dated had a clock that was wrong, as seen from the present one: SQL."""
    if synced:
        return "1"
    if now_s < _NO_OUTING_BEFORE_S:
        return "0"
    now = stamp()
    leapt = journal.db.execute(
        f"""SELECT 1 FROM outing WHERE {_UNDATED} AND boot_id = ?
            AND ? - wall_s - (? - mono_ns) / 1e9 > {_LEAP_S} LIMIT 1""",
        (now.boot_id, now_s, now.mono_ns),
    ).fetchone()
    return "1" if leapt else f"wall_s < {_NO_OUTING_BEFORE_S}"


def _expire_traces(
    journal: Journal, settings: Settings, now_s: float, *, synced: bool, fetched_too: bool
) -> int:
    """Delete traces that are too old, by a clock that is right, or too much; the number of files deleted.

    A trace whose outing is not in the database (it was damaged and moved aside) ages by its files' own time.
    """
    files = trace_files(journal.folder)
    if not files:
        return 0
    rows = journal.select(
        f"""SELECT key, ended, CASE WHEN {_DATED} THEN wall_s ELSE kept_from_s END AS dated_s,
            EXISTS (SELECT 1 FROM pulled p WHERE p.outing_key = o.key) AS fetched FROM outing o""",
        [],
    )
    known = {row["key"]: row for row in rows}
    keep = {k for k, row in known.items() if row["ended"] is None or (row["fetched"] and not fetched_too)}
    before_s = now_s - settings.trace_keep_days * 86400
    old = set()
    for key, of_outing in by_outing(files).items() if synced else ():
        dated_s = known[key]["dated_s"] if key in known else max(f.changed_s for f in of_outing)
        if key not in keep and dated_s is not None and dated_s < before_s:
            old.add(key)
    left = [f for f in files if f.key not in old]
    return delete_traces(journal.folder, old | too_much(left, settings.trace_max_mb << 20, keep))


def outings(journal: Journal) -> list[int]:
    """The ids of all outings. No more than ids: what cannot be read must still be deletable."""
    return [row["id"] for row in journal.select("SELECT id FROM outing", [])]


def has_outing(journal: Journal, id_: int) -> bool:
    """Whether there is such an outing, readable or not."""
    return bool(journal.select("SELECT id FROM outing WHERE id = ?", [id_]))


def has_near_miss(journal: Journal, id_: int) -> bool:
    """Whether there is such a near miss, readable or not."""
    return bool(journal.select("SELECT id FROM near_miss WHERE id = ?", [id_]))


def near_misses_before(journal: Journal, wall_s: float) -> list[int]:
    """The ids of all near misses before a moment."""
    return [row["id"] for row in journal.select("SELECT id FROM near_miss WHERE wall_s < ?", [wall_s])]


def purge(journal: Journal, near_miss_ids: Iterable[int], *, pictures_only: bool = False) -> Gone:
    """Delete near misses, or only their pictures, so that no byte of them stays in the database or its log.

    Raises OSError or `sqlite3.Error`.
    """
    ids = list(near_miss_ids)
    near_misses, files = (0, drop_media(journal, ids, "purged")) if pictures_only else _delete(journal, ids)
    return Gone(near_misses, 0, files, _empty_log(journal))


def purge_outings(journal: Journal, outing_ids: Iterable[int]) -> Gone:
    """Delete whole outings: near misses, pictures, cues, faults, marks and traces.

    Raises OSError or `sqlite3.Error`.
    """
    near_misses = files = outings = 0
    for outing_id in outing_ids:
        keys = [row["key"] for row in journal.select("SELECT key FROM outing WHERE id = ?", [outing_id])]
        a, b = _delete(journal, _ids(journal, "SELECT id FROM near_miss WHERE outing = ?", outing_id))
        near_misses, files = near_misses + a, files + b
        outings += _delete_outings(journal, "SELECT id FROM outing WHERE id = ?", outing_id)
        files += delete_traces(journal.folder, keys)
    return Gone(near_misses, outings, files, _empty_log(journal))


def drop_media(journal: Journal, near_miss_ids: list[int], why: str) -> int:
    """Delete the pictures of near misses and remember why; the number of files deleted."""
    files = 0
    for batch in _batches(near_miss_ids):
        marks, names = _marks(batch), _files_of(journal, batch)
        if not names:
            continue
        with journal.transaction(durable=True) as db:
            db.execute(
                f"""UPDATE near_miss SET media_gone = ? WHERE id IN ({marks})
                    AND EXISTS (SELECT 1 FROM media m WHERE m.near_miss = near_miss.id)""",
                [why, *batch],
            )
            db.execute(f"DELETE FROM media WHERE near_miss IN ({marks})", batch)
        files += _unlink(journal, names)
    return files


def _delete(journal: Journal, ids: list[int]) -> tuple[int, int]:
    """Delete near misses with trace and files, some hundred at a time so that a writer never waits long."""
    near_misses = files = 0
    for batch in _batches(ids):
        names = _files_of(journal, batch)
        with journal.transaction(durable=True) as db:
            near_misses += db.execute(f"DELETE FROM near_miss WHERE id IN ({_marks(batch)})", batch).rowcount
        files += _unlink(journal, names)
    return near_misses, files


def _delete_outings(journal: Journal, which: str, value: float) -> int:
    outings = 0
    for batch in _batches(_ids(journal, which, value)):
        with journal.transaction(durable=True) as db:
            outings += db.execute(f"DELETE FROM outing WHERE id IN ({_marks(batch)})", batch).rowcount
    return outings


def _too_much(journal: Journal, most_bytes: int) -> list[int]:
    """The near misses whose pictures must go so that the rest fits: oldest first, flagged ones last."""
    total = int(journal.db.execute("SELECT coalesce(sum(bytes), 0) FROM media").fetchone()[0])
    ids: list[int] = []
    if total <= most_bytes:
        return ids
    oldest = """SELECT n.id, sum(m.bytes) FROM media m JOIN near_miss n ON n.id = m.near_miss
                GROUP BY n.id ORDER BY n.flagged, n.wall_s, n.id"""
    for near_miss_id, size in journal.db.execute(oldest):
        if total <= most_bytes:
            break
        ids.append(near_miss_id)
        total -= size
    return ids


def _marks(batch: list[int]) -> str:
    return ",".join("?" * len(batch))


def _files_of(journal: Journal, near_miss_ids: list[int]) -> list[str]:
    found = journal.db.execute(
        f"SELECT file FROM media WHERE near_miss IN ({_marks(near_miss_ids)})", near_miss_ids
    )
    return [name for (name,) in found]


def _ids(journal: Journal, sql: str, *values: float) -> list[int]:
    return [row[0] for row in journal.db.execute(sql, values)]


def _batches(ids: list[int]) -> Iterable[list[int]]:
    return (ids[i : i + _BATCH] for i in range(0, len(ids), _BATCH))


def _unlink(journal: Journal, names: list[str]) -> int:
    """Delete files of the clip folder; one that is gone already is no error, one elsewhere is not touched."""
    folder, count = journal.folder / CLIPS, 0
    for name in filter(is_clip_name, names):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
            count += 1
    if count:
        sync_folder(folder)
    return count


def _empty_log(journal: Journal) -> bool:
    """Fold the write-ahead log into the file and cut it to nothing; False while a reader is in the way."""
    for _ in range(20):
        with contextlib.suppress(sqlite3.OperationalError):
            if journal.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                return True
        time.sleep(0.1)
    return False
