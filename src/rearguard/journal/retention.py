"""How long things are kept: pictures by age and size, numbers by age; and purging, for good.

A device without a clock of its own lives in the past until the network tells it the time. Numbers are only
deleted by a clock that is right. Pictures go by a doubtful one too: it is late rather than early, so that the
difference of two of its times is never too long. What a wrong clock dated would seem too old to a right one;
the age of such rows counts from when a right clock first saw them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rearguard.config.journal import Journal as Settings
from rearguard.journal.place import CLIPS, is_clip_name, sync_folder
from rearguard.journal.store import Journal

_BATCH = 500
_DATED = "(o.clock_synced OR o.wall_corrected)"


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
    if synced:
        with journal.transaction(durable=False) as db:
            db.execute(
                """UPDATE outing SET kept_from_s = ?
                   WHERE kept_from_s IS NULL AND NOT clock_synced AND NOT wall_corrected""",
                (now_s,),
            )
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
    return Gone(near_misses, outings, files)


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
    if pictures_only:
        gone = Gone(files=drop_media(journal, ids, "purged"))
    else:
        near_misses, files = _delete(journal, ids)
        gone = Gone(near_misses, 0, files)
    return Gone(gone.near_misses, 0, gone.files, _empty_log(journal))


def purge_outings(journal: Journal, outing_ids: Iterable[int]) -> Gone:
    """Delete whole outings: near misses, pictures, cues, faults and marks. Raises OSError or `sqlite3.Error`."""
    near_misses = files = outings = 0
    for outing_id in outing_ids:
        a, b = _delete(journal, _ids(journal, "SELECT id FROM near_miss WHERE outing = ?", outing_id))
        near_misses, files = near_misses + a, files + b
        outings += _delete_outings(journal, "SELECT id FROM outing WHERE id = ?", outing_id)
    return Gone(near_misses, outings, files, _empty_log(journal))


def drop_media(journal: Journal, near_miss_ids: list[int], why: str) -> int:
    """Delete the pictures of near misses and remember why; the number of files deleted."""
    files = 0
    for batch in _batches(near_miss_ids):
        marks = ",".join("?" * len(batch))
        names = [
            n for (n,) in journal.db.execute(f"SELECT file FROM media WHERE near_miss IN ({marks})", batch)
        ]
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
        marks = ",".join("?" * len(batch))
        names = [
            n for (n,) in journal.db.execute(f"SELECT file FROM media WHERE near_miss IN ({marks})", batch)
        ]
        with journal.transaction(durable=True) as db:
            near_misses += db.execute(f"DELETE FROM near_miss WHERE id IN ({marks})", batch).rowcount
        files += _unlink(journal, names)
    return near_misses, files


def _delete_outings(journal: Journal, which: str, value: float) -> int:
    outings = 0
    for batch in _batches(_ids(journal, which, value)):
        with journal.transaction(durable=True) as db:
            marks = ",".join("?" * len(batch))
            outings += db.execute(f"DELETE FROM outing WHERE id IN ({marks})", batch).rowcount
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
