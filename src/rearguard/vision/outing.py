"""One outing, seen through: frames in, verdicts to the warden, near misses to the journal."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import msgspec

from rearguard.camera.catalogue import open_source
from rearguard.camera.newest import Feed, feed
from rearguard.clock import NS_PER_S
from rearguard.config import digest
from rearguard.detect.detector import Detector
from rearguard.detect.fit import keep_up
from rearguard.ego.geometry import Pinhole
from rearguard.errors import BadInput, CameraLost, PartFailed, RearguardError
from rearguard.journal.clips import ClipRing
from rearguard.journal.picture import Snapshot
from rearguard.journal.place import journal_folder
from rearguard.journal.rows import OutingStats, outing_start
from rearguard.journal.writer import JournalWriter
from rearguard.judge.episodes import Episodes
from rearguard.vision.health import PictureWatch
from rearguard.vision.job import Job
from rearguard.vision.machine import MachineWatch
from rearguard.vision.pace import Adapter
from rearguard.vision.pipeline import Pipeline, Step, age_of_file, age_of_live
from rearguard.vision.screen import LastFelt, Screen
from rearguard.vision.selftest import SelfTest
from rearguard.vision.summary import Ledger, ModelLine, NearMissLine, Summary
from rearguard.warden import link
from rearguard.words import Frame, NearMiss, Trouble

_FRAME_TIMEOUT_S = 0.3  # before the warden would take vision itself for dead
_STATS_EVERY = 15  # frames
_FELT_WAIT_S = 1.0
_COMMITS_S = 4.0  # for all near misses together: the warden waits no longer for the summary
_CLOSE_S = 1.0  # a camera that hangs is left behind
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The warden asked vision to leave, or is gone."""


class Outing:
    """Everything one outing needs, wired once."""

    def __init__(self, job: Job, wire: socket.socket) -> None:
        self._job = job
        self._wire = wire
        self._ledger = Ledger()
        self._episodes = Episodes()
        self._logged: list[tuple[NearMiss, Future[int]]] = []
        self._worst: dict[int, Snapshot] = {}
        self._troubles: dict[Trouble, str] = {}
        self._felt: LastFelt | None = None
        self._picture = PictureWatch(job.config.health)
        self._machine: MachineWatch | None = None  # only a live source depends on the machine's health
        self._self_test: SelfTest | None = None
        self._last: Step | None = None
        self._standing: dict[Trouble, int] = {}  # faults written down → since when
        self._again = False  # vision was started anew in the middle of the outing
        self._untold: tuple[str, ...] | None = None  # what the self-test decided, until the warden has it
        self._armed = False
        self._dismissed = False  # told to stop: no more will be felt
        self._pipeline: Pipeline | None = None
        self._configured = job.config.detect
        self._adapter: Adapter | None = None
        self._size = (0, 0)

    def run(self) -> tuple[Summary, RearguardError | None]:
        """See the source through to its end or until told to stop.

        Returns what happened and, when the source broke on the way, its error. Raises `RearguardError` when
        nothing could be seen at all.
        """
        job = self._job
        detector = Detector(job.config.detect)
        source = open_source(job.source, job.config.camera, fps=job.fps, realtime=job.realtime, seed=job.seed)
        with ExitStack() as stack:
            frames = feed(source)
            stack.callback(frames.join, _CLOSE_S)
            stack.callback(frames.stop)
            if adapts(job, live=frames.info.live):
                size = (frames.info.width_px, frames.info.height_px)
                config, detector, told = keep_up(job.config, detector, *size)
                self._job = job = msgspec.structs.replace(job, config=config)  # what runs is what is logged
                if told:
                    _log.warning("%s", told)
            start = outing_start(
                job.config,
                job.source,
                realtime=frames.info.live,
                model=detector.model.name,
                model_digest=detector.model.digest,
            )
            folder = Path(job.journal) if job.journal else journal_folder(job.config.journal)
            self._ring = ClipRing(job.config.journal)
            self._journal = JournalWriter(
                folder,
                start,
                self._journal_trouble,
                settings=job.config.journal,
                min_free_mb=job.config.health.min_disk_mb,
                ring=self._ring,
            )
            stack.callback(self._journal.close)
            if frames.info.live:
                self._machine = stack.enter_context(MachineWatch(job.config.health, folder))
            screen = stack.enter_context(Screen(job.source, frames.info.frames)) if job.show else None
            began = time.perf_counter()
            failed: RearguardError | None = None
            try:
                self._watch(frames, detector, screen)
            except Stopped:
                self._dismissed = True
            except RearguardError as e:
                # What was seen before the source broke is kept and told.
                failed = e
            took_s = time.perf_counter() - began
            near_misses = self._finish(failed)
        return self._summary(detector, frames, took_s, near_misses), failed

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, frames: Feed, detector: Detector, screen: Screen | None) -> None:
        while not frames.ended:
            self._listen()
            frame = frames.get(_FRAME_TIMEOUT_S)
            if frame is None:
                self._miss_frame(frames)
                continue
            if self._pipeline is None:
                self._pipeline = self._make_pipeline(frames, detector, frame.image.shape)
            elif self._size != frame.image.shape[:2]:
                raise BadInput(f"{self._job.source}: the picture changes size at frame {frame.seq}")
            step = self._pipeline.step(frame, self._health(frame))
            self._arm(frame)
            self._tell(step)
            if self._adapter is not None:
                self._adapter.step(step)
            self._keep(step, frames)
            if screen is not None:
                screen.show(step, self._ledger.seconds(frame.captured_ns), self._felt)
        if self._ledger.frames == 0:
            raise BadInput(f"{self._job.source}: no picture in it")

    def _miss_frame(self, frames: Feed) -> None:
        """The camera that gave pictures gives none; the warden tells the wearer, the journal keeps it."""
        if frames.info.live and self._ledger.frames and not frames.ended:
            link.send(self._wire, link.NoFrame())
            self._write_down(self._standing.keys() | {Trouble.NO_FRAME}, time.monotonic_ns())

    def _make_pipeline(self, frames: Feed, detector: Detector, shape: tuple[int, ...]) -> Pipeline:
        height, width = shape[:2]
        self._size = (height, width)
        if frames.info.live:
            self._self_test = SelfTest(self._job.config, again=self._again)
            self._self_test.check_detector(detector.detect, (width, height))
        lens = Pinhole.from_fov(width, height, frames.info.hfov_deg)
        age = age_of_live if frames.info.live else age_of_file
        pipeline = Pipeline(self._job.config, lens, detector, age)
        if adapts(self._job, live=frames.info.live):
            now, fps = self._job.config.detect, self._job.fps or self._job.config.camera.fps
            self._adapter = Adapter(pipeline, self._configured, now, fps, (width, height))
        return pipeline

    def _health(self, frame: Frame) -> tuple[Trouble, ...]:
        """What is wrong with the picture, the machine and the journal."""
        last, live = self._last, self._machine is not None
        ego = last.ego if last else None
        detect_s = last.took_s["detect"] if last and live else None
        found = set(self._picture.look(frame, ego, detect_s)) | self._troubles.keys()
        if self._machine is not None:
            found |= set(self._machine.look(time.monotonic_ns()))
        if self._pipeline is not None and self._pipeline.untextured:
            found.add(Trouble.NO_TEXTURE)
        self._write_down(found, frame.captured_ns)
        return tuple(sorted(found))

    def _write_down(self, found: set[Trouble], now_ns: int) -> None:
        """Log each fault as it begins and as it ends."""
        for trouble in found - self._standing.keys():
            self._standing[trouble] = now_ns
            self._journal.fault(trouble, now_ns)
        for trouble in self._standing.keys() - found:
            self._journal.fault(trouble, self._standing.pop(trouble), now_ns)

    def _arm(self, frame: Frame) -> None:
        """Say whether the self-test passed, once it has; a file needs none."""
        if self._armed:
            return
        problems: tuple[str, ...] | None = ()
        if self._self_test is not None and self._machine is not None and self._picture.stats is not None:
            problems = self._self_test.look(frame, self._picture.stats, self._machine.readings)
        self._untold = problems if problems is not None else self._untold
        if self._untold is not None and link.send(self._wire, link.Armed(self._untold)):
            self._armed = not self._untold
            self._untold = None

    def _tell(self, step: Step) -> None:
        """The verdict goes out before anything else is done with the frame."""
        verdict = step.verdict
        worst = verdict.worst
        message = link.Judged(
            seq=verdict.seq,
            captured_ns=verdict.captured_ns,
            level=int(verdict.level),
            side=verdict.side.value,
            track=worst.track if worst else None,
            ttc_s=worst.ttc_s if worst else None,
            reason="; ".join(worst.reasons) if worst else "",
            troubles=tuple(t.value for t in verdict.troubles),
        )
        self._last = step
        # A camera waits for nobody; of a file, no frame may be lost.
        live = self._machine is not None
        sent = (
            link.send(self._wire, message) if live else link.send_waiting(self._wire, message, _FELT_WAIT_S)
        )
        if not sent:
            _log.warning("the warden did not take frame %d", verdict.seq)

    def _listen(self) -> None:
        """Hear what the warden says; leave when it is gone."""
        messages = link.receive_from_warden(self._wire)
        if messages is None:
            raise Stopped
        for message in messages:
            match message:
                case link.Felt():
                    self._ledger.felt(message)
                    self._journal.cue(message)
                    self._felt = LastFelt(message.cue, message.side, self._ledger.seconds(message.at_ns))
                case link.Mark():
                    self._journal.mark(message.at_ns)
                case link.Stop():
                    raise Stopped
                case link.Hello(start=start, last_trouble=str(trouble), down_s=down_s):
                    self._again = start > 0
                    # The vision process before this one died; nobody was there to write it down.
                    now_ns = time.monotonic_ns()
                    self._journal.fault(Trouble(trouble), now_ns - round(down_s * NS_PER_S), now_ns)
                case link.Hello(start=start):
                    self._again = start > 0

    # ── what is kept ────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, step: Step, frames: Feed) -> None:
        self._ledger.step(step)
        for seen in self._episodes.step(step.verdict):
            self._log(seen)
        people = tuple(d.box for d in step.detections if d.label == "person")
        self._ring.add(step.frame, people)
        worst = self._episodes.worst_now
        if worst:
            snapshot = Snapshot(step.frame.image, people)
            for track in worst:
                self._worst[track] = snapshot
        if self._ledger.frames % _STATS_EVERY == 0:
            self._journal.stats(self._stats(frames))

    def _log(self, seen: NearMiss) -> None:
        committed = self._journal.near_miss(seen, self._worst.pop(seen.track, None))
        self._logged.append((seen, committed))

    def _stats(self, frames: Feed) -> OutingStats:
        return OutingStats(frames=self._ledger.frames, late=frames.dropped, worn_s=self._ledger.duration_s)

    def _journal_trouble(self, trouble: Trouble | None, line: str) -> None:
        """Called on the journal's thread; the next verdict carries the trouble to the warden."""
        if trouble is None:
            self._troubles = {}
        else:
            self._troubles = {trouble: line}
            _log.error("%s", line)

    def _finish(self, failed: RearguardError | None) -> list[NearMissLine]:
        """Close what is open, wait for the last cues, and for the journal."""
        at_ns = round(self._ledger.duration_s * NS_PER_S)
        first_ns = round(-self._ledger.seconds(0) * NS_PER_S)
        for seen in self._episodes.finish(first_ns + at_ns):
            self._log(seen)
        deadline = time.monotonic() + (0.0 if self._dismissed else _FELT_WAIT_S)
        lost = Trouble.CAMERA_LOST.value if isinstance(failed, CameraLost) else None
        link.send(self._wire, link.Ended(failed.exit_code if failed else 0, lost))
        try:
            while time.monotonic() < deadline:
                self._listen()
                time.sleep(0.01)
        except Stopped:
            pass
        until = time.monotonic() + _COMMITS_S
        return [self._ledger.near_miss(seen, _id(committed, until)) for seen, committed in self._logged]

    def _summary(
        self, detector: Detector, frames: Feed, took_s: float, near_misses: list[NearMissLine]
    ) -> Summary:
        model = detector.model
        return Summary(
            source=self._job.source,
            frames=self._ledger.frames,
            fps=round(self._ledger.frames / took_s, 2) if took_s > 0 else 0.0,
            duration_s=round(self._ledger.duration_s, 3),
            dropped=frames.dropped,
            cues=self._ledger.cues,
            near_misses=near_misses,
            faults=self._ledger.faults,
            signs=self._ledger.signs,
            model=ModelLine(name=model.name, digest=model.digest, runtime=model.runtime),
            config=digest(self._job.config),
            took_ms=self._ledger.took_ms,
        )


def adapts(job: Job, *, live: bool) -> bool:
    """Whether the detector's input follows the machine's pace: not for a world that is drawn by the same cores."""
    return live and job.config.detect.adapt and not job.source.startswith("sim:")


def _id(committed: Future[int], until_s: float) -> int | None:
    """The near miss's id once it is on the disk; None when it has not got there by that (monotonic) time."""
    try:
        return committed.result(timeout=max(0.0, until_s - time.monotonic()))
    except (PartFailed, BadInput, TimeoutError, OSError, RuntimeError) as e:
        _log.error("a near miss was not logged: %s", str(e) or "the journal did not answer")
        return None
