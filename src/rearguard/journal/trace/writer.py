"""Writes an outing's trace beside the warning path: on a thread of its own, a block at a time, and never in the way.

Vision hands a frame over by putting three references into a queue. Whatever fails is told once and tried again with
the next block; what did not fit meanwhile is a gap in the numbers of the frames, and is counted.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rearguard.config.journal import Journal as Settings
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import RearguardError
from rearguard.journal.db.rows import OutingStart
from rearguard.journal.paths import FILE_MODE, make_folder, make_inner_folder, sync_folder
from rearguard.journal.telling import FaultTeller, OnFault
from rearguard.journal.trace.files import TRACES, trace_files, trace_name
from rearguard.journal.trace.format import BLOCK_S, Head, TraceFrame, frame_block, head_block
from rearguard.types import Fault, Observation, Verdict

_FILE_S = 600.0  # then a new file: what is fetched while it grows stays small
_MOST_FRAMES = 64  # in a block: of a file that is looked at faster than time goes
_WAITING = 1800  # frames kept while the disk does not take them: two minutes
_BREATH_S = 0.0005  # after each column, so that vision never waits for more than one
_SIZE_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class TraceWriter:
    """One outing's trace. No method blocks or raises; `close` waits at most as long as it is told."""

    def __init__(
        self,
        folder: Path,
        outing: OutingStart,
        lens: Pinhole,
        hfov_deg: float,
        on_fault: OnFault,
        *,
        settings: Settings,
        min_free_mb: int = 0,
    ) -> None:
        """`on_fault(fault, line)` is called on the writer's thread when nothing can be written, with None when it
        works again. Below `min_free_mb` of free disk nothing is written."""
        self._folder = folder
        self._most_bytes, self._min_free_mb = settings.trace_max_mb << 20, min_free_mb
        self._head = Head(
            outing_key=outing.key,
            device=outing.device,
            source=outing.source,
            origin_ns=outing.origin_ns,
            wall_s=outing.stamp.wall_s,
            version=outing.version,
            model=outing.model,
            model_digest=outing.model_digest,
            config=outing.config_json,
            width_px=lens.width_px,
            height_px=lens.height_px,
            hfov_deg=hfov_deg,
        )
        self._wake = threading.Condition()
        self._queue: deque[tuple[Observation, float, Verdict]] = deque()
        self._batch: list[tuple[Observation, float, Verdict]] = []  # the thread's: taken, not yet written
        self._closing = False
        self._faults = FaultTeller(on_fault)
        self._fd: int | None = None
        self._number = 0
        self._file_until_s = self._next_size_s = 0.0
        self._too_long = False
        self.lost = 0  # frames that no longer fitted into memory
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)
        self._thread.start()

    def add(self, seen: Observation, age_s: float, verdict: Verdict) -> None:
        """Take a judged frame; cheap, and never waits."""
        if len(self._queue) >= _WAITING:
            self._queue.popleft()
            self.lost += 1
        self._queue.append((seen, age_s, verdict))

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what waits; False when something was not written."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not (self._queue or self._batch or self.lost)

    # From here on: the trace's thread.

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # the vision loop goes first
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        due_s = time.monotonic() + BLOCK_S
        while not self._closing:
            with self._wake:
                if not self._closing:
                    self._wake.wait(min(0.2, max(0.0, due_s - time.monotonic())))
            if time.monotonic() >= due_s or len(self._queue) >= _MOST_FRAMES:
                due_s = time.monotonic() + BLOCK_S
                self._write(rest=self._rest)
        while (self._queue or self._batch) and self._write(rest=lambda: None):
            pass
        self._end_file()

    def _rest(self) -> None:
        if not self._closing:
            time.sleep(_BREATH_S)

    def _write(self, rest: Callable[[], None]) -> bool:
        """One block of what waits; False when it could not be written, and waits on."""
        while self._queue and len(self._batch) < _MOST_FRAMES:
            self._batch.append(self._queue.popleft())
        if not self._batch:
            return True
        try:
            if not self._room():
                return False
            frames = [TraceFrame.of(*item) for item in self._batch]
            self._append(frame_block(self._head.shape, frames, rest))
        except Exception as e:  # whatever it is, the thread lives on and tries again
            full = isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)
            self._faults.report_fault(
                Fault.DISK_FULL if full else Fault.JOURNAL_FAILED, f"the trace cannot be written: {e}"
            )
            self._end_file()
            return False
        self._batch = []
        self._faults.report_fault(None, "the trace is being written again")
        return True

    def _append(self, block: bytes) -> None:
        """Add a block; what a failed write left of it is cut off, or the file ends there."""
        if self._fd is None or time.monotonic() >= self._file_until_s:
            self._end_file()
            self._begin_file()
        assert self._fd is not None
        view = memoryview(block)
        while view:
            view = view[os.write(self._fd, view) :]
        os.fdatasync(self._fd)

    def _begin_file(self) -> None:
        make_folder(self._folder)
        traces = self._folder / TRACES
        make_inner_folder(traces)
        self._number += 1
        name = traces / trace_name(self._head.outing_key, self._number)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(name, flags, FILE_MODE)
        os.fchmod(self._fd, FILE_MODE)
        os.write(self._fd, head_block(self._head))
        sync_folder(traces)
        self._file_until_s = time.monotonic() + _FILE_S

    def _end_file(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = None

    def _room(self) -> bool:
        """Whether there is room, on the disk and in what a trace may take; the journal's expiry deletes older ones."""
        if time.monotonic() < self._next_size_s:
            return True
        with contextlib.suppress(RearguardError):  # told when the file is begun
            make_folder(self._folder)
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < self._min_free_mb << 20:
            self._faults.report_fault(
                Fault.DISK_FULL, f"{self._folder}: less than {self._min_free_mb} MB free; no more trace"
            )
            return False
        if sum(f.bytes for f in trace_files(self._folder, self._head.outing_key)) > self._most_bytes:
            if not self._too_long:
                _log.warning("this outing's trace alone is larger than journal.trace_max_mb; it ends here")
            self._too_long = True
            return False
        self._next_size_s = time.monotonic() + _SIZE_EVERY_S
        return True
