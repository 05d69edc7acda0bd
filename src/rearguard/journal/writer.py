"""The journal's own thread: takes what happened, never makes the warning wait, and never gives up.

Near misses are on the disk before they count as committed; cues, faults and marks go with the next flush.
Whatever fails (disk full, read-only, I/O error, a lock) is told once, kept in memory as far as it fits,
and tried again.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rearguard.clock import Stamp, clock_synced, stamp
from rearguard.config.journal import Journal as Settings
from rearguard.errors import PartFailed, RearguardError
from rearguard.journal import retention
from rearguard.journal.db import insert
from rearguard.journal.db.rows import MediaKind, OutingStart, OutingStats
from rearguard.journal.db.store import Journal, closed_on_error, damaged
from rearguard.journal.housekeeping import WriterLock, sweep, tidy
from rearguard.journal.media.clips import ClipRing, Cut
from rearguard.journal.media.files import clip_files, picture_files, store
from rearguard.journal.media.snapshot import Snapshot, encode
from rearguard.journal.telling import FaultTeller, OnFault
from rearguard.types import Cue, Fault, FaultSpan, MarkKind, NearMiss, Passage

_MAX_ROWS = 4096  # an hour of frequent cues; the oldest are dropped first, and counted
_MAX_NEAR_MISSES = 512
_MAX_PICTURES = 8  # full frames kept waiting: 2.8 MB each at 1280x720
_MAX_CLIPS = 8
_BATCH = 256
_RETRY_S = 1.0
_STATS_EVERY_S = 5.0
_CLOCK_EVERY_S = 10.0
_EXPIRY_EVERY_S = 600.0
_FACES_S, _FACES_LAST_S = 3.0, 0.3  # to look for faces in a clip; at the end of an outing there is less time
_DEFAULTS = Settings()
_log = logging.getLogger(__name__)


_Row = Callable[[sqlite3.Connection, int], None]  # stores a cue, fault or mark of an outing


@dataclass(eq=False)
class _Seen:
    """A near miss on its way, with its picture and clip until they are stored or given up."""

    number: int
    near_miss: NearMiss
    snapshot: Snapshot | None
    cut: Cut | None = None
    pictured: bool = False
    committed: Future[int] = field(default_factory=Future)


class JournalWriter:
    """Writes one outing. No method blocks or raises; `close` waits at most as long as it is told."""

    def __init__(
        self,
        folder: Path,
        outing: OutingStart,
        on_fault: OnFault,
        *,
        settings: Settings = _DEFAULTS,
        min_free_mb: int = 0,
        ring: ClipRing | None = None,
        true_clock: Callable[[], Stamp | None] | None = None,
    ) -> None:
        """`on_fault(fault, line)` is called on the writer's thread when the journal fails, and with None
        when it works again. Below `min_free_mb` of free disk no pictures are written. Near misses get a clip from
        `ring`, if there is one. `true_clock` gives the present moment once the wall clock is synchronised,
        None before (by default systemd says so).
        """
        self._folder, self._outing = folder, outing
        self._settings, self._min_free_mb = settings, min_free_mb
        self._ring = ring
        self._true_clock = true_clock or (lambda: stamp() if clock_synced() else None)
        self._wake = threading.Condition()
        self._near_misses: deque[_Seen] = deque()
        self._rows: deque[_Row] = deque()
        self._clips: deque[_Seen] = deque()  # the journal thread's: committed, clip still to come
        self._stats, self._stats_due = OutingStats(), True
        self._numbers = 0
        self._closing = False
        self._faults = FaultTeller(on_fault)
        self.dropped = 0  # rows that no longer fitted into memory
        self._journal: Journal | None = None
        self._lock: WriterLock | None = None
        self._outing_id = 0
        self._suspect = False
        self._next_stats_s = self._next_clock_s = self._next_expiry_s = 0.0
        self._dated = outing.stamp.clock_synced
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def near_miss(self, seen: NearMiss, snapshot: Snapshot | None = None) -> Future[int]:
        """Log a near miss; the future gives its id once it is on the disk, or the error when it never will be."""
        cut = self._ring.cut(seen.worst_ns) if self._ring is not None else None
        with self._wake:
            self._numbers += 1
            item = _Seen(self._numbers, seen, snapshot, cut)
            self._near_misses.append(item)
            waiting = [s for s in self._near_misses if s.snapshot is not None]
            for old in waiting[:-_MAX_PICTURES]:
                old.snapshot = None
            for old in [s for s in self._near_misses if s.cut is not None][:-_MAX_CLIPS]:
                old.cut = None
            if len(self._near_misses) > _MAX_NEAR_MISSES:
                self._give_up(self._near_misses.popleft(), "too many near misses wait for the disk")
            self._wake.notify()
        return item.committed

    def cue(self, felt: Cue) -> None:
        """Log a cue that was felt."""
        self._put(lambda db, outing: insert.cue(db, outing, felt))

    def passage(self, seen: Passage) -> None:
        """Log what passed, warned of or not."""
        self._put(lambda db, outing: insert.passage(db, outing, seen))

    def fault(self, fault: Fault, began_ns: int, ended_ns: int | None = None) -> None:
        """Log that a fault began (`ended_ns` None) or, with the same beginning, that it ended."""
        span = FaultSpan(fault=fault, began_ns=began_ns, ended_ns=ended_ns)
        self._put(lambda db, outing: insert.fault(db, outing, span))

    def mark(self, at_ns: int, kind: MarkKind = MarkKind.BUTTON) -> None:
        """Log that the wearer pressed the button, or fell."""
        self._put(lambda db, outing: insert.mark(db, outing, at_ns, kind))

    def stats(self, now: OutingStats) -> None:
        """Tell how the outing goes; cheap, call as often as you like."""
        with self._wake:
            self._stats, self._stats_due = now, True

    def close(self, timeout_s: float = 5.0) -> bool:
        """End the outing and wait until everything is written; False when something was not."""
        if self._ring is not None:
            self._ring.finish(min(1.0, timeout_s / 2))
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._faults.told is None and not self.dropped

    def _put(self, store: _Row) -> None:
        with self._wake:
            if len(self._rows) >= _MAX_ROWS:
                self._rows.popleft()
                self.dropped += 1
            self._rows.append(store)
            self._wake.notify()

    # From here on: the journal's thread.

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the vision loop goes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while True:
            with self._wake:
                if not (self._near_misses or self._rows or self._closing):
                    self._wake.wait(_RETRY_S)
                last = self._closing
            worked = self._turn(last)
            if last and not (worked and (self._near_misses or self._rows)):
                break
            if not worked:
                self._pause()
        self._finish()

    def _turn(self, last: bool) -> bool:
        """Write what waits; False, with the fault told, when that did not work."""
        try:
            journal = self._opened()
            while self._near_misses:
                item = self._near_misses[0]
                self._write_near_miss(journal, item)
                with self._wake:
                    if self._near_misses[0] is item:
                        self._near_misses.popleft()
            self._write_rows(journal)
            self._write_clips(journal, last)
            self._write_stats(journal, last)
            self._correct_clock(journal)
            self._expire(journal)
        except Exception as e:  # whatever it is, the thread lives on and tries again
            self._suspect = isinstance(e, sqlite3.Error) and damaged(e)
            self._faults.report_fault(_which(e), f"the journal cannot be written: {e}")
            self._drop_connection()
            return False
        if self._faults.told is Fault.JOURNAL_FAILED or (self._faults.told and self._room()):
            self._faults.report_fault(None, "the journal is being written again")
        return True

    def _opened(self) -> Journal:
        if self._journal is None:
            journal = Journal.open(self._folder, thorough=self._suspect)
            with closed_on_error(journal):
                if self._lock is None:
                    self._lock = WriterLock(self._folder)
                    with self._lock.alone() as alone:
                        if alone:
                            tidy(journal)
                else:  # after a failure
                    sweep(journal, self._outing.key)
                with journal.transaction(durable=True) as db:
                    self._outing_id = insert.outing(db, self._outing)
            self._journal = journal
        return self._journal

    def _write_near_miss(self, journal: Journal, item: _Seen) -> None:
        if not item.committed.done():
            try:
                with journal.transaction(durable=True) as db:
                    self._outing_id = insert.outing(db, self._outing)  # it may have been purged
                    found = insert.near_miss(db, self._outing_id, item.number, self._outing, item.near_miss)
            except Exception as e:
                if not _hopeless(e):
                    raise
                self._give_up(item, f"a near miss cannot be stored: {e}")
                return
            item.committed.set_result(found)
        snapshot, item.snapshot = item.snapshot, None
        if item.cut is not None:
            self._clips.append(item)
            while len(self._clips) > _MAX_CLIPS:
                self._clips.popleft()
        if snapshot is not None and self._settings.clips != "off":
            self._store(journal, item, "", partial(self._picture, item, snapshot))

    def _picture(self, item: _Seen, snapshot: Snapshot) -> dict[MediaKind, bytes]:
        encoded = encode(snapshot, self._settings.clips)
        item.pictured = encoded is not None
        return picture_files(encoded) if encoded is not None else {}

    def _write_clips(self, journal: Journal, last: bool) -> None:
        """Clips whose last picture has come; at the end, those that there are."""
        while self._clips and self._clips[0].cut is not None and (self._clips[0].cut.complete or last):
            item = self._clips.popleft()
            cut, item.cut = item.cut, None
            if cut is not None:
                faces_s = None if self._settings.clips == "full" else _FACES_LAST_S if last else _FACES_S
                made = partial(clip_files, cut, with_picture=not item.pictured, faces_s=faces_s)
                self._store(journal, item, "c", made)

    def _store(
        self, journal: Journal, item: _Seen, mark: str, made: Callable[[], dict[MediaKind, bytes]]
    ) -> None:
        """Write the files that `made` makes. What cannot be encoded costs only itself."""
        if not self._room():
            return
        try:
            files = made()
            if files:
                stem = f"{self._outing.key}-{item.number}{mark}"
                redacted = self._settings.clips != "full"
                store(journal, item.committed.result(), stem, files, redacted=redacted)
        except Exception as e:
            if not _hopeless(e):
                raise
            _log.warning("no picture of near miss %d: %s", item.number, e)

    def _write_rows(self, journal: Journal) -> None:
        while batch := list(self._rows)[:_BATCH]:
            try:
                with journal.transaction(durable=False) as db:
                    self._outing_id = insert.outing(db, self._outing)
                    for row in batch:
                        row(db, self._outing_id)
            except Exception as e:
                if not _hopeless(e):
                    raise
                self._write_one_by_one(journal, batch)
            written = set(map(id, batch))
            with self._wake:
                while self._rows and id(self._rows[0]) in written:
                    self._rows.popleft()

    def _write_one_by_one(self, journal: Journal, batch: list[_Row]) -> None:
        """Write rows one by one: a row that the database refuses must not hold up the others."""
        for row in batch:
            try:
                with journal.transaction(durable=False) as db:
                    row(db, self._outing_id)
            except Exception as e:
                if not _hopeless(e):
                    raise
                self.dropped += 1
                _log.warning("a row cannot be stored: %s", e)

    def _write_stats(self, journal: Journal, last: bool) -> None:
        if not last and (not self._stats_due or time.monotonic() < self._next_stats_s):
            return
        with self._wake:
            now, self._stats_due = self._stats, False
        with journal.transaction(durable=last) as db:
            insert.stats(db, self._outing_id, now, "stopped" if last else None)
        self._next_stats_s = time.monotonic() + _STATS_EVERY_S

    def _correct_clock(self, journal: Journal) -> None:
        if self._dated or time.monotonic() < self._next_clock_s:
            return
        self._next_clock_s = time.monotonic() + _CLOCK_EVERY_S
        true = self._true_clock()
        if true is not None:
            with journal.transaction(durable=False) as db:
                insert.correct_clock(db, true)
            self._dated = True

    def _expire(self, journal: Journal) -> None:
        if time.monotonic() < self._next_expiry_s or self._near_misses:
            return
        self._next_expiry_s = time.monotonic() + _EXPIRY_EVERY_S
        true = self._true_clock()
        retention.expire(
            journal, self._settings, true.wall_s if true else time.time(), synced=true is not None
        )

    def _room(self) -> bool:
        """Whether pictures may still be written."""
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize >= self._min_free_mb << 20:
            return True
        self._faults.report_fault(
            Fault.DISK_FULL, f"{self._folder}: less than {self._min_free_mb} MB free; no more pictures"
        )
        return False

    def _give_up(self, item: _Seen, why: str) -> None:
        self.dropped += 1
        item.snapshot = None
        if not item.committed.done():
            item.committed.set_exception(PartFailed(why))

    def _pause(self) -> None:
        until_s = time.monotonic() + _RETRY_S
        with self._wake:
            while not self._closing and (left_s := until_s - time.monotonic()) > 0:
                self._wake.wait(left_s)

    def _drop_connection(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _finish(self) -> None:
        with self._wake:
            while self._near_misses:
                self._give_up(self._near_misses.popleft(), "the journal could not be written before the end")
            self.dropped += len(self._rows)
            self._rows.clear()
        self._clips.clear()
        self._drop_connection()
        if self._lock is not None:
            self._lock.release()


def _hopeless(error: Exception) -> bool:
    """Whether trying again is useless, because the row itself is at fault and not the disk."""
    row = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError)
    return isinstance(error, row) or not isinstance(error, (sqlite3.Error, OSError, RearguardError))


def _which(error: Exception) -> Fault:
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    code = getattr(error, "sqlite_errorcode", None)
    if full or (code is not None and code & 0xFF == sqlite3.SQLITE_FULL):
        return Fault.DISK_FULL
    cause = error.__cause__
    return _which(cause) if isinstance(cause, Exception) else Fault.JOURNAL_FAILED
