"""One labelled recording through the whole pipeline, and what it comes to: warned, missed, false, and how far off."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import msgspec
from msgspec.structs import replace

from rearguard.camera.catalogue import open_source
from rearguard.config import Config
from rearguard.detect.detector import Detector
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, CutShort
from rearguard.journal.media.jpeg import to_jpeg
from rearguard.lab.replay.record import WatchedPipeline, recording_extent
from rearguard.lab.score.labels import Interval, Labelled, Labels
from rearguard.lab.score.truth import TrueTtc, read_truth
from rearguard.lab.tasks.parts import model_digest, task_key
from rearguard.lab.tasks.pool import Task
from rearguard.sense.source import GyroSense
from rearguard.text import explain
from rearguard.types import Box, Image, Level, Side, Track, Verdict
from rearguard.vision.pipeline import FrameResult

IN_TIME_S = 1.0  # a due warning is one that leaves as much
EARLY_S = 1.0  # what is felt so soon before it is due is no false warning
_SAME_S = 1.0  # a level that drops for less than this is one warning
_WINDOW_S = 2.0  # of an average precision: what was most urgent in so long a time
_SAME_THING_IOU = 0.3
_AHEAD_S = (0.5, 1.0, 1.5)
_STRIP_S = (-1.0, -0.5, 0.0, 0.5, 1.0)
_WIDTH_PX = 256


class FrameScore(msgspec.Struct, frozen=True):
    """A judged frame, as far as a score needs it. `why` is the number that caused the level."""

    t_s: float
    level: Level
    side: Side
    urgency: float
    label: str
    why: str


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that was due. `lead_s`: seconds from CAUTION or more to contact, None without either."""

    what: str
    from_s: float
    to_s: float
    warned_s: float | None
    critical_s: float | None
    contact_s: float | None
    lead_s: float | None
    in_time: bool
    least: str  # what came nearest to a warning, where none came
    strip: list[str]


class FalseAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """A warning where none was due."""

    t_s: float
    lasted_s: float
    level: Level
    side: Side
    label: str
    why: str
    strip: list[str]


class Estimate(msgspec.Struct, frozen=True):
    """A true time to collision and the one that was told, None where none was."""

    true_s: float
    told_s: float | None


class Window(msgspec.Struct, frozen=True):
    """A stretch for the average precision `ahead_s` before contact (None: nothing was due in it)."""

    ahead_s: float | None
    urgency: float


class RecordingScore(msgspec.Struct, frozen=True, kw_only=True):
    """All of one recording. Hours are of the time in which a level would be false; `cut` tells of a file that ends
    before its end, of which this is what there is."""

    name: str
    frames: int
    duration_s: float
    caution_hours: float
    critical_hours: float
    due: list[Due]
    false_alarms: list[FalseAlarm]
    estimates: list[Estimate]
    windows: list[Window]
    cut: str = ""


class ScoreWork(msgspec.Struct, frozen=True, kw_only=True):
    """A recording to score under these settings; `strips`: with small pictures."""

    entry: Labelled
    config: Config
    strips: bool = False


def score_tasks(entries: Iterable[Labelled], config: Config, *, strips: bool) -> list[Task[ScoreWork]]:
    """One task for each recording; its key names the program, the model, the settings, labels and recording."""
    work = [ScoreWork(entry=entry, config=config, strips=strips) for entry in entries]
    model = model_digest(config.detect)
    return [
        Task(task_key("score", model, w, recording_extent(w.entry.source)), w.entry.name, w) for w in work
    ]


def score_recording(work: ScoreWork) -> list[RecordingScore]:
    """Look at a recording and compare with its labels. Raises `BadInput` for one that cannot be read."""
    entry, labels = work.entry, work.entry.labels
    source, config = open_labelled(entry, work.config)
    fps = labels.fps or source.info.fps
    truth = read_truth(Path(entry.folder), labels.truth, fps) if labels.truth else {}
    frames: list[FrameScore] = []
    estimates: list[Estimate] = []
    stills: list[bytes] = []
    numbers: list[int] = []
    cut = ""
    try:
        gyro = GyroSense.beside(source, config.gyro, live=False, film="" if labels.fps else entry.source)
        for number, step in judged_frames(source, config, labels, gyro):
            frames.append(_frame(step.verdict))
            numbers.append(number)
            estimates += [_estimate(true, step.tracks) for true in truth.get(number, ())]
            if work.strips:
                stills.append(_still(step.frame.image, step.verdict))
    except CutShort as e:
        cut = str(e)
    finally:
        source.close()
    if not frames:
        raise BadInput(f"{entry.source}: no picture in it")
    scored = Scored(labels, frames, numbers, stills)
    score = RecordingScore(
        name=entry.name,
        frames=len(frames),
        duration_s=round(frames[-1].t_s - frames[0].t_s, 3),
        caution_hours=scored.hours(("clear",)),
        critical_hours=scored.hours(("clear", "lateral")),
        due=[scored.due(interval) for interval in labels.interval if interval.is_ == "due"],
        false_alarms=scored.false_alarms(),
        estimates=estimates,
        windows=scored.windows(),
        cut=cut,
    )
    return [score]


def open_labelled(entry: Labelled, config: Config) -> tuple[Any, Config]:
    """A labelled recording's source, and the settings with what its labels say of the mount. Raises `BadInput`."""
    labels = entry.labels
    if labels.mount is not None:
        config = replace(config, camera=replace(config.camera, mount=labels.mount))
    return open_source(entry.source, config.camera, fps=labels.fps, hfov_deg=labels.hfov_deg), config


def judged_frames(
    source: Any, config: Config, labels: Labels, gyro: GyroSense | None = None
) -> Iterator[tuple[int, FrameResult]]:
    """The frames as an outing would see them, each with its number; that counts those that are passed over, too."""
    watched: WatchedPipeline | None = None
    for number, frame in enumerate(source.frames()):
        if number % labels.every:
            continue
        if watched is None:
            height, width = frame.image.shape[:2]
            lens = Pinhole.from_fov(width, height, source.info.hfov_deg)
            watched = WatchedPipeline(config, lens, Detector(config.detect), gyro)
        yield number, watched.process_frame(frame)


def _frame(verdict: Verdict) -> FrameScore:
    worst = verdict.worst
    most = max(
        (t.level + (1 / (1 + max(0.0, t.ttc_s)) if t.ttc_s is not None else 0.0) for t in verdict.threats),
        default=0.0,
    )
    told = worst or (verdict.threats[0] if verdict.threats else None)
    return FrameScore(
        verdict.captured_ns / 1e9,
        verdict.level,
        verdict.side,
        most,
        told.label if told else "",
        explain(told.reason) if told else "nothing is followed",
    )


def _estimate(true: TrueTtc, tracks: tuple[Track, ...]) -> Estimate:
    """What was told of the thing in the true box, or of the most urgent one where there is no box."""
    if true.box is None:
        told = [t.ttc_s for t in tracks if t.ttc_s is not None]
        return Estimate(true.ttc_s, min(told, default=None))
    overlap, best = max(((t.box.iou(true.box), n) for n, t in enumerate(tracks)), default=(0.0, 0))
    return Estimate(true.ttc_s, tracks[best].ttc_s if overlap >= _SAME_THING_IOU else None)


def _still(image: Image, verdict: Verdict) -> bytes:
    """A small picture with the box of the worst threat."""
    scale = _WIDTH_PX / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    box: Box | None = verdict.worst.box if verdict.worst else None
    if box is not None:
        corners = [round(scale * v) for v in (box.x0, box.y0, box.x1, box.y1)]
        colour = (0, 0, 255) if verdict.level is Level.CRITICAL else (0, 190, 255)
        cv2.rectangle(small, (corners[0], corners[1]), (corners[2], corners[3]), colour, 2)
    return to_jpeg(small, 70)


class Scored:
    """Frames beside their labels, on the recording's own time."""

    def __init__(
        self, labels: Labels, frames: list[FrameScore], numbers: list[int], stills: list[bytes]
    ) -> None:
        self.labels, self._frames, self._numbers, self._stills = labels, frames, numbers, stills
        self._by_number = dict(zip(numbers, frames, strict=True))
        self._is = [self._label(n, f.t_s) for n, f in zip(numbers, frames, strict=True)]

    def _time(self, frame: int | None, seconds: float | None) -> float | None:
        """A moment of the labels in seconds; a frame that was passed over or lies behind the end counts on."""
        if frame is None:
            return None if seconds is None else self._frames[0].t_s + seconds
        if frame in self._by_number:
            return self._by_number[frame].t_s
        first, last = self._frames[0].t_s, self._frames[-1].t_s
        step_s = (last - first) / max(1, self._numbers[-1] - self._numbers[0])
        return first + (frame - self._numbers[0]) * step_s

    def _span(self, interval: Interval) -> tuple[float, float]:
        began = self._time(interval.from_frame, interval.from_s)
        ended = self._time(interval.to_frame, interval.to_s)
        assert began is not None
        assert ended is not None
        return began, ended

    def _label(self, number: int, t_s: float) -> str:
        for interval in self.labels.interval:
            if interval.from_frame is not None and interval.to_frame is not None:
                inside = interval.from_frame <= number <= interval.to_frame
            else:
                began, ended = self._span(interval)
                inside = began <= t_s <= ended
            if inside:
                return interval.is_
        return self.labels.otherwise

    def hours(self, which: tuple[str, ...]) -> float:
        """Hours with these labels."""
        steps = zip(self._frames, self._frames[1:], self._is, strict=False)
        return sum(b.t_s - a.t_s for a, b, is_ in steps if is_ in which) / 3600

    def due(self, interval: Interval) -> Due:
        """Whether and when the warning came."""
        began, ended = self._span(interval)
        inside = [n for n, f in enumerate(self._frames) if began - EARLY_S <= f.t_s <= ended]
        contact = self._time(interval.contact_frame, interval.contact_s)

        def first(level: Level) -> float | None:
            return next((self._frames[n].t_s for n in inside if self._frames[n].level >= level), None)

        warned = first(Level.CAUTION)
        lead = None if warned is None or contact is None else round(contact - warned, 3)
        nearest = max(inside, key=lambda n: self._frames[n].urgency, default=0)
        return Due(
            what=interval.what,
            from_s=round(began, 3),
            to_s=round(ended, 3),
            warned_s=warned,
            critical_s=first(Level.CRITICAL),
            contact_s=contact,
            lead_s=lead,
            in_time=warned is not None and (lead is None or lead >= IN_TIME_S),
            least="" if warned is not None else self._told(nearest),
            strip=self._strip(nearest) if warned is None else [],
        )

    def _told(self, n: int) -> str:
        f = self._frames[n]
        return f"{f.level.name} {f.label}: {f.why}".strip()

    def false_alarms(self) -> list[FalseAlarm]:
        """Warnings that begin where none is due: from CAUTION where it is clear, CRITICAL also where things pass."""
        due_s = [self._span(i)[0] for i in self.labels.interval if i.is_ == "due"]
        found: list[tuple[int, int]] = []  # first and last frame of each
        felt_s: dict[
            Level, tuple[float, bool]
        ] = {}  # when each level was felt last, and whether that was false
        for n, f in enumerate(self._frames):
            least = {"clear": Level.CAUTION, "lateral": Level.CRITICAL}.get(self._is[n], Level.CAUTION)
            if f.level < least:
                continue
            last_s, was_false = felt_s.get(least, (-_SAME_S - 1, False))
            goes_on = f.t_s - last_s <= _SAME_S
            soon_due = any(0 <= begins - f.t_s <= EARLY_S for begins in due_s)
            false = was_false if goes_on else self._is[n] in ("clear", "lateral") and not soon_due
            if false and goes_on:
                found[-1] = found[-1][0], n
            elif false:
                found.append((n, n))
            felt_s[least] = f.t_s, false
        return [self._false(first, last) for first, last in found]

    def _false(self, first: int, last: int) -> FalseAlarm:
        worst = max(range(first, last + 1), key=lambda n: (self._frames[n].level, -n))
        f = self._frames[worst]
        return FalseAlarm(
            t_s=round(self._frames[first].t_s, 3),
            lasted_s=round(self._frames[last].t_s - self._frames[first].t_s, 3),
            level=f.level,
            side=f.side,
            label=f.label,
            why=f.why,
            strip=self._strip(worst),
        )

    def windows(self) -> list[Window]:
        """For the average precision: how urgent the time just before was, where something was due and where not."""
        found = []
        for interval in self.labels.interval:
            contact = self._time(interval.contact_frame, interval.contact_s)
            if interval.is_ == "due" and contact is not None:
                ends = [(a, contact - a) for a in _AHEAD_S if contact - a > self._frames[0].t_s]
                found += [Window(ahead, self._most(until_s)) for ahead, until_s in ends]
        since: float | None = None
        for f, is_ in zip(self._frames, self._is, strict=True):
            since = None if is_ != "clear" else f.t_s if since is None else since
            if since is not None and f.t_s - since >= _WINDOW_S:
                found.append(Window(None, self._most(f.t_s)))
                since = f.t_s
        return found

    def _most(self, until_s: float) -> float:
        return max((f.urgency for f in self._frames if until_s - _WINDOW_S <= f.t_s <= until_s), default=0.0)

    def _strip(self, at: int) -> list[str]:
        """Small pictures around a frame, base64."""
        if not self._stills:
            return []
        found = []
        for away_s in _STRIP_S:
            wanted = self._frames[at].t_s + away_s
            nearest = min(range(len(self._frames)), key=lambda n: abs(self._frames[n].t_s - wanted))
            found.append(base64.b64encode(self._stills[nearest]).decode())
        return found
