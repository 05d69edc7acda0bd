"""How well trackers keep identities: rearguard's own beside general ones, on the same detections.

A recording goes through the whole pipeline once. Its tracks are rearguard's; the others are told the detections of
each frame as the rules were. IDF1 (Ristani et al. 2016), MOTA (Bernardin and Stiefelhagen 2008), identity switches,
fragmentations, recall and precision are those of `motmetrics` at IoU 0.5.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rearguard.config import Config
from rearguard.errors import BadInput, PartFailed
from rearguard.lab.score.identities import Owned, read_identities
from rearguard.lab.score.labels import Identities, Labelled
from rearguard.lab.score.other_trackers import OtherTracker, make
from rearguard.lab.score.run import judged_frames, open_labelled
from rearguard.types import Box, Track

OWN = "rearguard"
_IOU = 0.5
_METRICS = ("idf1", "mota", "num_switches", "num_fragmentations", "recall", "precision")

Progress = Callable[[int, int | None], None]


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """In `frame` the thing `who` was given another track than it had before."""

    frame: int
    who: str
    before: int
    after: int


class TrackingScore(msgspec.Struct, frozen=True, kw_only=True):
    """One tracker on one recording. `fragmentations`: how often a thing was lost and found again."""

    recording: str
    tracker: str
    frames: int
    idf1: float
    mota: float
    switches: int
    fragmentations: int
    recall: float
    precision: float
    switched: list[Switch]


def compare_trackers(
    entry: Labelled, config: Config, others: Sequence[str], on_frame: Progress | None = None
) -> list[TrackingScore]:
    """rearguard's tracking and `others` (names of `other_trackers`) on one recording with `identities`.

    `on_frame(done, of)` hears of each frame. Raises `BadInput` for labels or a recording that cannot be read, and
    `PartFailed` where a package is missing.
    """
    of = entry.labels.identities
    if of is None:
        raise BadInput(f"{entry.file}: does not say whose box is whose: it has no [identities]")
    truth = read_identities(Path(entry.folder), of)
    source, config = open_labelled(entry, config)
    runs: dict[str, _Run] = {}
    made: dict[str, OtherTracker] = {}
    total = source.info.frames if of.frames is None else min(of.frames, source.info.frames or of.frames)
    done = 0
    try:
        fps = (entry.labels.fps or source.info.fps) / entry.labels.every
        made = {name: make(name, fps, config.detect.min_score) for name in others}
        runs = {name: _Run(of) for name in (OWN, *made)}
        for number, step in judged_frames(source, config, entry.labels):
            if of.frames is not None and number >= of.frames:
                break
            there = truth.get(number, [])
            runs[OWN].add(number, there, _seen(step.tracks, of.label))
            alike = [d for d in step.seen.detections if d.label == of.label]
            for name, tracker in made.items():
                runs[name].add(number, there, tracker.update(alike))
            done = number + 1
            if on_frame is not None:
                on_frame(done, total)
    finally:
        source.close()
    if not done:
        raise BadInput(f"{entry.source}: no picture in it")
    return [run.score(entry.name, name) for name, run in runs.items()]


def _seen(tracks: Sequence[Track], label: str) -> list[tuple[int, Box]]:
    """The tracks of things that were seen in their frame; what is only expected in it is not compared."""
    seen = (t for t in tracks if t.label == label and t.seen_ns == t.at_ns and t.kind == "detected")
    return [(t.id, t.box) for t in seen]


class _Run:
    """One tracker's frames beside the truth."""

    def __init__(self, of: Identities) -> None:
        self._least_px = of.least_height_px
        self._numbers: dict[str, int] = {}
        self._frames: list[int] = []
        self._metrics, accumulator = _motmetrics()
        self._events: Any = accumulator(auto_id=True)

    def add(self, number: int, truth: Sequence[Owned], told: Sequence[tuple[int, Box]]) -> None:
        """What a tracker told of a frame."""
        overlaps = np.array([[o.box.iou(box) for _, box in told] for o in truth])
        overlaps = overlaps.reshape(len(truth), len(told))
        best = overlaps.max(axis=0, initial=0.0)
        counts = [n for n, (_, box) in enumerate(told) if box.height >= self._least_px or best[n] >= _IOU]
        distances = 1.0 - overlaps[:, counts]
        distances[distances > 1.0 - _IOU] = np.nan
        # It wants numbers for names.
        who = [self._numbers.setdefault(o.who, len(self._numbers)) for o in truth]
        self._events.update(who, [told[n][0] for n in counts], distances)
        self._frames.append(number)

    def score(self, recording: str, tracker: str) -> TrackingScore:
        """What it comes to."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its words with pandas are not ours
            metrics = self._metrics.create()
            found = metrics.compute(self._events, metrics=list(_METRICS), return_dataframe=False)
            events = self._events.mot_events
        return TrackingScore(
            recording=recording,
            tracker=tracker,
            frames=len(self._frames),
            idf1=_rounded(found["idf1"]),
            mota=_rounded(found["mota"]),
            switches=int(found["num_switches"]),
            fragmentations=int(found["num_fragmentations"]),
            recall=_rounded(found["recall"]),
            precision=_rounded(found["precision"]),
            switched=self._switched(events),
        )

    def _switched(self, events: Any) -> list[Switch]:
        names = {number: who for who, number in self._numbers.items()}
        last: dict[int, int] = {}
        found = []
        places = events.index.get_level_values(0)
        for place, kind, thing, track in zip(
            places, events["Type"], events["OId"], events["HId"], strict=True
        ):
            if kind == "SWITCH":
                frame, who = self._frames[int(place)], names[int(thing)]
                found.append(Switch(frame=frame, who=who, before=last[int(thing)], after=int(track)))
            if kind in ("MATCH", "SWITCH"):
                last[int(thing)] = int(track)
        return found


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _motmetrics() -> tuple[Any, Any]:
    """Its metrics and its accumulator."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import motmetrics
    except ImportError as e:
        raise PartFailed("motmetrics is not installed; pip install 'rearguard[bench]'") from e
    return motmetrics.metrics, motmetrics.MOTAccumulator
