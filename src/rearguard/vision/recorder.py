"""What is kept of an outing: near misses with their pictures, passages, faults, every frame as numbers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from rearguard.camera.source import SourceInfo
from rearguard.detect.model import Model
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, PartFailed
from rearguard.ipc import Job
from rearguard.journal.db.rows import OutingStats, outing_start
from rearguard.journal.media.clips import ClipRing
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import journal_folder
from rearguard.journal.trace.writer import TraceWriter
from rearguard.journal.writer import JournalWriter
from rearguard.judge.episodes import Episodes
from rearguard.types import Fault, NearMiss
from rearguard.vision.bystanders import Bystanders
from rearguard.vision.pipeline import FrameResult

_COMMITS_S = 4.0  # for all near misses together: the warden does not wait longer for the summary
_log = logging.getLogger(__name__)


class Recorder:
    """The journal and the trace of one outing; both are written on threads of their own, and may fail.

    `folder` is the journal's, `journal` takes what needs nothing else: cues, marks and statistics. `standing` are the
    faults written down that have not ended, with the time each began.
    """

    def __init__(self, job: Job, info: SourceInfo, model: Model) -> None:
        self._config = job.config
        self._hfov_deg = info.hfov_deg
        self._start = outing_start(
            job.config,
            job.source,
            realtime=info.live,
            model=model.name,
            model_digest=model.digest,
            assumed=info.assumed,
        )
        self.folder = Path(job.journal) if job.journal else journal_folder(job.config.journal)
        self._ring = ClipRing(job.config.journal)
        self.journal = JournalWriter(
            self.folder,
            self._start,
            self._note_journal_fault,
            settings=job.config.journal,
            min_free_mb=job.config.health.min_disk_mb,
            ring=self._ring,
        )
        self.standing: dict[Fault, int] = {}
        self._trace: TraceWriter | None = None
        self._bystanders: Bystanders | None = None
        self._episodes = Episodes()
        self._logged: list[tuple[NearMiss, Future[int]]] = []
        self._worst: dict[int, Snapshot] = {}  # frame → its picture, while it is a near miss's worst moment
        self._journal_faults: frozenset[Fault] = frozenset()
        self._trace_faults: frozenset[Fault] = frozenset()

    def set_lens(self, lens: Pinhole) -> None:
        """Say what the pictures are seen through; from now on frames can be kept."""
        self._bystanders = Bystanders(lens)
        if self._config.journal.trace:
            self._trace = TraceWriter(
                self.folder,
                self._start,
                lens,
                self._hfov_deg,
                self._note_trace_fault,
                settings=self._config.journal,
                min_free_mb=self._config.health.min_disk_mb,
            )

    @property
    def faults(self) -> frozenset[Fault]:
        """What keeps the journal and the trace from being written."""
        return self._journal_faults | self._trace_faults

    def note_faults(self, found: set[Fault], now_ns: int) -> None:
        """Write down each fault as it begins and as it ends; `found` are all there are now."""
        for fault in found - self.standing.keys():
            self.standing[fault] = now_ns
            self.journal.fault(fault, now_ns)
        for fault in self.standing.keys() - found:
            self.journal.fault(fault, self.standing.pop(fault), now_ns)

    def keep_frame(self, step: FrameResult, age_s: float) -> None:
        """Keep what is to be kept of a judged frame that was `age_s` old."""
        if self._trace is not None:
            self._trace.add(step.seen, age_s, step.verdict)
        self._log(self._episodes.add_verdict(step.verdict, step.tracks))
        heads = self._bystanders.heads(step.seen, step.tracks) if self._bystanders else ()
        self._ring.add(step.frame, heads)
        worst = self._episodes.worst_seqs
        if step.frame.seq in worst:
            self._worst[step.frame.seq] = Snapshot(step.frame.image, heads)
        for seq in self._worst.keys() - worst:
            del self._worst[seq]

    def keep_stats(self, frames: int, late: int, worn_s: float) -> None:
        """Write down how the outing goes: frames judged, frames dropped for newer ones, seconds worn."""
        self.journal.stats(OutingStats(frames=frames, late=late, worn_s=worn_s))

    def end_near_misses(self, at_ns: int) -> None:
        """The last frame was at `at_ns`: whatever is still being met ends there."""
        self._log(self._episodes.finish(at_ns))

    def near_misses(self) -> Iterator[tuple[NearMiss, int | None]]:
        """Each near miss and its id, once it is on the disk; None where it does not get there."""
        until_s = time.monotonic() + _COMMITS_S
        for seen, committed in self._logged:
            yield seen, _id(committed, until_s)

    def close(self) -> None:
        """End the journal and the trace."""
        try:
            self.journal.close()
        finally:
            if self._trace is not None and not self._trace.close():
                _log.warning("the end of the trace could not be written")

    def _log(self, ended: list[NearMiss]) -> None:
        for seen in ended:
            committed = self.journal.near_miss(seen, self._worst.get(seen.worst_seq))
            self._logged.append((seen, committed))
        for passage in self._episodes.take_passages():
            self.journal.passage(passage)

    def _note_journal_fault(self, fault: Fault | None, line: str) -> None:
        """Called on the journal's thread; the next verdict carries the fault to the warden."""
        self._journal_faults = _told(fault, line)

    def _note_trace_fault(self, fault: Fault | None, line: str) -> None:
        """Called on the trace's thread."""
        self._trace_faults = _told(fault, line)


def _told(fault: Fault | None, line: str) -> frozenset[Fault]:
    """Tell a writer's fault in the log; gives it as a set, empty for one that works again."""
    if fault is None:
        return frozenset()
    _log.error("%s", line)
    return frozenset((fault,))


def _id(committed: Future[int], until_s: float) -> int | None:
    """The near miss's id once it is on the disk; None when it has not got there by that (monotonic) time."""
    try:
        return committed.result(timeout=max(0.0, until_s - time.monotonic()))
    except (PartFailed, BadInput, TimeoutError, OSError, RuntimeError) as e:
        _log.error("a near miss was not logged: %s", str(e) or "the journal did not answer")
        return None
