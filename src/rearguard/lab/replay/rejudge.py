"""A recording judged again: tracker, judge and the warden's own cue player, on the source's time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.arbiter import Situation
from rearguard.cue.haptics import HapticOutput
from rearguard.cue.ledger import CueLine
from rearguard.cue.motors import Motors
from rearguard.cue.table import CUES, Kind
from rearguard.ego.pinhole import Pinhole
from rearguard.ipc import Judged
from rearguard.lab.replay.recording import Recording
from rearguard.types import Cue, CueName, Level, Verdict
from rearguard.vision.rules import Rules
from rearguard.warden.situation import situation_of


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What one configuration made of a recording. `levels`: frames judged at each level, by name."""

    frames: int
    duration_s: float
    cues: list[CueLine]
    levels: dict[str, int]


def replay(recording: Recording, config: Config) -> Replayed:
    """The cues the wearer would have felt under `config`."""
    return felt(verdicts(recording, config), config)


def verdicts(recording: Recording, config: Config) -> Iterator[Verdict]:
    """Every frame's verdict under `config`, on the source's own time; no frame is late."""
    head = recording.header
    rules = Rules(config, Pinhole.from_fov(head.width_px, head.height_px, head.hfov_deg))
    for seen in recording.seen:
        yield rules.judge_frame(seen)[1]


def felt(stream: Iterable[Verdict], config: Config) -> Replayed:
    """What the warden would have made of these verdicts, felt on their own time."""
    cues: list[CueLine] = []
    labels: dict[int, str] = {}
    levels = dict.fromkeys((level.name for level in Level), 0)
    first_ns = last_ns = frames = 0

    def add_cue(cue: Cue) -> None:
        if CUES[cue.cue].kind is Kind.INFO:
            return
        if cue.repeat and cues and cues[-1].cue == cue.cue:
            cues[-1].repeats += 1
        else:
            cues.append(CueLine.of(cue, first_ns, labels.get(cue.track) if cue.track is not None else None))

    nowhere = Motors([SimpleNamespace(value=0.0)], absent="a replay is not felt")
    haptics = HapticOutput(config, nowhere, add_cue, None, realtime=False)
    situation = Situation()
    until_ns: int | None = None  # then something plays or ends, if all stays quiet
    for verdict in stream:
        if frames == 0:
            first_ns = verdict.captured_ns
        quiet = verdict.level is Level.CLEAR and not verdict.faults and verdict.drift is None
        idle = quiet and until_ns is not None and haptics.idle_to_frame(verdict.captured_ns, until_ns)
        if not idle and (haptics.run_to_frame(verdict.captured_ns, situation) or frames == 0):
            haptics.announce(CueName.READY)
        if verdict.threats:
            labels |= {t.track: t.label for t in verdict.threats}
        if not idle:
            situation = situation_of(Judged.of(verdict), frozenset(), believed=True, watching=True)
            haptics.play_due(situation)
            until_ns = haptics.next_ns(situation) if quiet else None
        levels[verdict.level.name] += 1
        frames += 1
        last_ns = verdict.captured_ns
    duration_s = round((last_ns - first_ns) / NS_PER_S, 3)
    return Replayed(frames=frames, duration_s=duration_s, cues=cues, levels=levels)
