"""One outing from start to end: frames in, verdicts to the warden, what is kept to the recorder."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import ExitStack
from typing import Any

import msgspec

from rearguard import ipc
from rearguard.camera.catalogue import open_source
from rearguard.camera.latest import Feed, feed
from rearguard.camera.source import SourceInfo
from rearguard.clock import NS_PER_S
from rearguard.config import digest
from rearguard.cue.table import FAULTS, Kind
from rearguard.detect.detector import Detector
from rearguard.detect.fit import keep_up
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, CameraLost, CutShort, RearguardError
from rearguard.health.machine import MachineWatch
from rearguard.health.picture import PictureWatch
from rearguard.health.selftest import SelfTest
from rearguard.ipc import Job
from rearguard.sense.source import GyroSense
from rearguard.types import CueName, Fault, Frame, MarkKind
from rearguard.vision.live_view import LastFelt, Screen
from rearguard.vision.load_adaptation import Adapter
from rearguard.vision.pipeline import FrameResult, Pipeline, age_of_file, age_of_live
from rearguard.vision.recorder import Recorder
from rearguard.vision.summary import ModelLine, OutingLedger, Summary

_FRAME_TIMEOUT_S = 0.3  # sooner than the warden would take vision itself for dead
_STATS_EVERY = 15  # frames
_FELT_WAIT_S = 1.0
_CLOSE_S = 1.0  # after that, a camera that hangs is left open
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The warden asked vision to leave, or is gone."""


class Outing:
    """Everything one outing needs, wired once."""

    def __init__(self, job: Job, wire: socket.socket) -> None:
        self._job = job
        self._wire = wire
        self._ledger = OutingLedger()
        self._age_s = 0.0  # of the frame that was judged last
        self._felt: LastFelt | None = None
        self._picture = PictureWatch(job.config.health, job.config.camera)
        self._machine: MachineWatch | None = None  # only a live source depends on the machine's health
        self._self_test: SelfTest | None = None
        self._last: FrameResult | None = None
        self._again = False  # vision was started anew in the middle of the outing
        self._untold: tuple[str, ...] | None = None  # what the self-test decided, until the warden has it
        self._armed = False
        self._dismissed = False  # told to stop: nothing more will be felt
        self._pipeline: Pipeline | None = None
        self._configured = job.config.detect
        self._adapter: Adapter | None = None
        self._size = (0, 0)

    def run(self) -> tuple[Summary, RearguardError | None]:
        """Process the source to its end, or until told to stop.

        Returns what happened and, when the source broke on the way, its error. Raises `RearguardError` when
        nothing could be seen at all.
        """
        job = self._job
        detector = Detector(job.config.detect)
        source = open_source(
            job.source,
            job.config.camera,
            fps=job.fps,
            hfov_deg=job.hfov_deg,
            lens=job.lens,
            realtime=job.realtime,
            seed=job.seed,
        )
        with ExitStack() as stack:
            frames = feed(source)
            stack.callback(frames.join, _CLOSE_S)
            stack.callback(frames.stop)
            detector = self._fit_detector(detector, frames.info)
            self._recorder = Recorder(self._job, frames.info, detector.model)
            stack.callback(self._recorder.close)
            if frames.info.live:
                self._machine = stack.enter_context(MachineWatch(job.config.health, self._recorder.folder))
            film = "" if job.fps else job.source
            self._gyro = GyroSense.beside(source, job.config.gyro, live=frames.info.live, film=film)
            stack.callback(self._gyro.close)
            screen = stack.enter_context(Screen(job.source, frames.info.frames)) if job.show else None
            began = time.perf_counter()
            failed: RearguardError | None = None
            try:
                self._process_frames(frames, detector, screen)
            except Stopped:
                self._dismissed = True
            except RearguardError as e:  # what was seen before the source broke is kept and told
                failed = e
            took_s = time.perf_counter() - began
            near_misses = self._finish(failed)
        return self._summary(detector, frames, took_s, near_misses, failed), failed

    def _fit_detector(self, detector: Detector, info: SourceInfo) -> Detector:
        """A detector that this machine can keep up with; what really runs is what the journal records."""
        if not adapts(self._job, live=info.live):
            return detector
        config, detector, told = keep_up(self._job.config, detector, info.width_px, info.height_px)
        self._job = msgspec.structs.replace(self._job, config=config)
        if told:
            _log.warning("%s", told)
        return detector

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────

    def _process_frames(self, frames: Feed, detector: Detector, screen: Screen | None) -> None:
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
            self._note_gap(frame)
            step = self._pipeline.process_frame(frame, self._health(frame))
            self._arm(frame)
            self._send_verdict(step)
            if self._adapter is not None:
                self._adapter.note_frame(step)
            self._ledger.note_frame(step)
            self._recorder.keep_frame(step, self._age_s)
            for at_ns in self._gyro.take_falls():
                self._recorder.journal.mark(at_ns, MarkKind.FALL)
            if self._ledger.frames % _STATS_EVERY == 0:
                self._recorder.keep_stats(self._ledger.frames, frames.dropped, self._ledger.duration_s)
            if screen is not None:
                screen.show(step, self._ledger.seconds(frame.captured_ns), self._felt)
        if self._ledger.frames == 0:
            raise BadInput(f"{self._job.source}: no picture in it")

    def _miss_frame(self, frames: Feed) -> None:
        """The camera has stopped giving pictures: the warden tells the wearer, the journal records it."""
        if frames.info.live and self._ledger.frames and not frames.ended:
            ipc.send(self._wire, ipc.NoFrame())
            self._recorder.note_faults(self._recorder.standing.keys() | {Fault.NO_FRAME}, time.monotonic_ns())

    def _note_gap(self, frame: Frame) -> None:
        """Record a gap in a file's times, which stands for a camera that stood still; the warden finds it by itself."""
        if self._machine is None and self._last is not None:
            silent_ns = self._last.frame.captured_ns + round(self._job.config.warden.heartbeat_s * NS_PER_S)
            if frame.captured_ns > silent_ns:
                self._recorder.note_faults(self._recorder.standing.keys() | {Fault.NO_FRAME}, silent_ns)

    def _make_pipeline(self, frames: Feed, detector: Detector, shape: tuple[int, ...]) -> Pipeline:
        height, width = shape[:2]
        self._size = (height, width)
        if frames.info.live:
            self._self_test = SelfTest(self._job.config, again=self._again)
            self._self_test.check_detector(detector.detect, (width, height))
        lens = Pinhole.from_fov(width, height, frames.info.hfov_deg)
        self._recorder.set_lens(lens)
        age = age_of_live if frames.info.live else age_of_file
        pipeline = Pipeline(
            self._job.config, lens, detector, lambda frame: self._noted_age(age(frame)), self._gyro.fusion
        )
        if adapts(self._job, live=frames.info.live):
            now, fps = self._job.config.detect, self._job.fps or self._job.config.camera.fps
            self._adapter = Adapter(pipeline, self._configured, now, fps, (width, height))
        return pipeline

    def _noted_age(self, age_s: float) -> float:
        """How old a frame is, to the precision that is stored: what is judged live and again are the same numbers."""
        self._age_s = round(age_s, 6)
        return self._age_s

    def _health(self, frame: Frame) -> tuple[Fault, ...]:
        """What is wrong with the picture, the machine and the journal."""
        last, live = self._last, self._machine is not None
        ego = last.seen.ego if last else None
        detect_s = last.took_s["detect"] if last and live else None
        found = {*self._picture.check_picture(frame, ego, detect_s), *self._recorder.faults}
        if self._machine is not None:
            found |= set(self._machine.check_machine(time.monotonic_ns()))
        if self._pipeline is not None and self._pipeline.untextured:
            found.add(Fault.NO_TEXTURE)
        if self._gyro.failed:
            found.add(Fault.GYRO_FAILED)
        self._recorder.note_faults(found, frame.captured_ns)
        return tuple(sorted(found))

    def _arm(self, frame: Frame) -> None:
        """Say whether the self-test passed, once it has; a file needs none."""
        if self._armed:
            return
        problems: tuple[str, ...] | None = ()
        if self._self_test is not None and self._machine is not None and self._picture.stats is not None:
            problems = self._self_test.check_frame(
                frame, self._picture.stats, self._machine.readings, self._no_sight()
            )
        self._untold = problems if problems is not None else self._untold
        if self._untold is not None and ipc.send(self._wire, ipc.Armed(self._untold)):
            self._armed = not self._untold
            self._untold = None

    def _no_sight(self) -> str:
        """Why the picture is no sight, in words; empty while it is."""
        blind = (FAULTS[fault] for fault in self._recorder.standing if FAULTS[fault].cue is CueName.BLIND)
        return next((row.meaning for row in blind), "")

    def _send_verdict(self, step: FrameResult) -> None:
        """The verdict goes out before anything else is done with the frame."""
        message = ipc.Judged.of(step.verdict)
        self._last = step
        # A camera goes on whatever happens; of a file, no frame may be lost.
        live = self._machine is not None
        sent = ipc.send(self._wire, message) if live else ipc.send_waiting(self._wire, message, _FELT_WAIT_S)
        if not sent:
            _log.warning("the warden did not take frame %d", message.seq)

    def _listen(self) -> None:
        """Hear what the warden says; leave when it is gone."""
        messages = ipc.receive_from_warden(self._wire)
        if messages is None:
            raise Stopped
        for message in messages:
            match message:
                case ipc.Felt(cue=cue):
                    self._ledger.note_cue(cue)
                    self._recorder.journal.cue(cue)
                    self._felt = LastFelt(cue.cue, cue.side, self._ledger.seconds(cue.at_ns))
                case ipc.Mark():
                    self._recorder.journal.mark(message.at_ns, MarkKind.BUTTON)
                case ipc.Stop():
                    raise Stopped
                case ipc.Hello(start=start, last_fault=Fault() as fault, down_s=down_s):
                    self._again = start > 0
                    # The vision process before this one died and could not record it.
                    now_ns = time.monotonic_ns()
                    self._recorder.journal.fault(fault, now_ns - round(down_s * NS_PER_S), now_ns)
                case ipc.Hello(start=start):
                    self._again = start > 0

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, failed: RearguardError | None) -> list[dict[str, Any]]:
        """Close what is open, wait for the last cues, and for the journal."""
        at_ns = round(self._ledger.duration_s * NS_PER_S)
        first_ns = round(-self._ledger.seconds(0) * NS_PER_S)
        self._recorder.end_near_misses(first_ns + at_ns)
        deadline = time.monotonic() + (0.0 if self._dismissed else _FELT_WAIT_S)
        lost = Fault.CAMERA_LOST if isinstance(failed, CameraLost) else None
        ipc.send(self._wire, ipc.Ended(failed.exit_code if failed else 0, lost))
        try:
            while time.monotonic() < deadline:
                self._listen()
                time.sleep(0.01)
        except Stopped:
            pass
        return [self._ledger.near_miss(seen, id_) for seen, id_ in self._recorder.near_misses()]

    def _summary(
        self,
        detector: Detector,
        frames: Feed,
        took_s: float,
        near_misses: list[dict[str, Any]],
        failed: RearguardError | None,
    ) -> Summary:
        model = detector.model
        return Summary(
            source=self._job.source,
            assumed=frames.info.assumed,
            cut=str(failed) if isinstance(failed, CutShort) else None,
            frames=self._ledger.frames,
            fps=round(self._ledger.frames / took_s, 2) if took_s > 0 else 0.0,
            duration_s=round(self._ledger.duration_s, 3),
            dropped=frames.dropped,
            cues=self._ledger.felt[Kind.THREAT],
            near_misses=near_misses,
            own_parts=self._picture.own_parts.regions,
            faults=self._ledger.felt[Kind.FAULT],
            signs=self._ledger.felt[Kind.INFO],
            model=ModelLine(name=model.name, digest=model.digest, runtime=model.runtime),
            config=digest(self._job.config),
            took_ms=self._ledger.took_ms,
        )


def adapts(job: Job, *, live: bool) -> bool:
    """Whether the detector's input adapts to the load. Not for a simulated world, which the same cores render."""
    return live and job.config.detect.adapt and not job.source.startswith("sim:")
