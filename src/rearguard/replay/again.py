"""The rules once more: tracker, judge and the warden's own cue player over what was seen, on the source's time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.arbiter import Situation, Start
from rearguard.cue.motors import Motors
from rearguard.cue.table import Kind
from rearguard.detect.classes import heights
from rearguard.ego.geometry import Pinhole
from rearguard.judge.judge import Memory, judge
from rearguard.replay.recording import Found, Look, Recording
from rearguard.track.growth import Growth
from rearguard.track.tracker import Tracker
from rearguard.warden.feel import Feeler
from rearguard.words import Box, CueName, EgoMotion, Level, Verdict


class Cue(msgspec.Struct, kw_only=True):
    """One line of a cue ledger: a threat or fault cue as it began, and how often it went on at once."""

    t_s: float
    cue: str
    side: str
    track: int | None
    label: str | None
    ttc_s: float | None
    reason: str
    repeats: int = 0

    @property
    def line(self) -> str:
        """`3.862 CAUTION left #2`."""
        about = "" if self.track is None else f" #{self.track}"
        return f"{self.t_s:.3f} {self.cue} {self.side}{about}"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What one configuration made of a recording. `levels`: frames judged at each level, by name."""

    frames: int
    duration_s: float
    cues: list[Cue]
    levels: dict[str, int]


def replay(recording: Recording, config: Config) -> Replayed:
    """The cues the wearer would have felt under `config`."""
    return felt(verdicts(recording, config), config)


def verdicts(recording: Recording, config: Config) -> Iterator[Verdict]:
    """Every frame's verdict under `config`, on the source's own time; no frame is late."""
    head = recording.header
    lens = Pinhole.from_fov(head.width_px, head.height_px, head.hfov_deg)
    known = heights(config.detect.ignore, config.detect.heights_m)
    tracker = Tracker(config.track, lens, known, min_score=config.detect.min_score)
    memory = Memory()
    before: list[Found] = []
    for look in recording.looks:
        ego = look.turn.ego
        growth = _growth(tracker, ego, before, look)
        before = look.found
        tracks = tracker.step(look.captured_ns, [f.detection for f in look.found], ego, growth)
        memory, verdict = judge(
            memory,
            (*tracks, *(loom.track(look.captured_ns) for loom in look.loomed)),
            config.judge,
            seq=look.seq,
            captured_ns=look.captured_ns,
            mount=config.camera.mount,
            troubles=look.troubles,
        )
        yield verdict


def _growth(tracker: Tracker, ego: EgoMotion, before: list[Found], look: Look) -> Mapping[int, Growth]:
    """What was measured of a detection holds for the track that it continued."""
    grown: dict[Box, Growth] = {
        before[g.index].detection.box: Growth(g.ln_scale, g.sd) for g in look.grown if g.index < len(before)
    }
    then, _ = tracker.expect(ego)
    return {id_: grown[box] for id_, box in then.items() if box in grown}


def felt(stream: Iterable[Verdict], config: Config) -> Replayed:
    """What the warden would have made of these verdicts, felt on their own time."""
    cues: list[Cue] = []
    labels: dict[int, str] = {}
    levels = dict.fromkeys((level.name for level in Level), 0)
    first_ns = last_ns = frames = 0

    def note(start: Start) -> None:
        if start.row.kind is Kind.INFO:
            return
        if start.repeat and cues and cues[-1].cue == start.cue:
            cues[-1].repeats += 1
            return
        label = labels.get(start.track) if start.track is not None else None
        t_s = round((start.at_ns - first_ns) / NS_PER_S, 3)
        ttc_s = None if start.ttc_s is None else round(start.ttc_s, 2)
        cues.append(
            Cue(
                t_s=t_s,
                cue=start.cue.value,
                side=start.side.value,
                track=start.track,
                label=label,
                ttc_s=ttc_s,
                reason=start.reason,
            )
        )

    nowhere = Motors([SimpleNamespace(value=0.0)], absent="a replay is not felt")
    feeler = Feeler(config, nowhere, note, None, realtime=False)
    situation = Situation()
    for verdict in stream:
        if frames == 0:
            first_ns = verdict.captured_ns
        feeler.run_to(verdict.captured_ns, situation)
        if frames == 0:
            feeler.announce(CueName.READY, "armed")
        labels |= {t.track: t.label for t in verdict.threats}
        situation = _situation(verdict)
        feeler.act(situation)
        levels[verdict.level.name] += 1
        frames += 1
        last_ns = verdict.captured_ns
    return Replayed(
        frames=frames, duration_s=round((last_ns - first_ns) / NS_PER_S, 3), cues=cues, levels=levels
    )


def _situation(verdict: Verdict) -> Situation:
    worst = verdict.worst
    return Situation(
        verdict.level,
        verdict.side,
        worst.track if worst else None,
        worst.ttc_s if worst else None,
        "; ".join(worst.reasons) if worst else "",
        verdict.seq,
        frozenset(verdict.troubles),
        watching=True,
    )
