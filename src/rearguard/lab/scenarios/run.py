"""One run of one scenario: the real tracker and judge over noisy boxes, or the whole pipeline over pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.detect.classes import heights
from rearguard.ego.geometry import Pinhole
from rearguard.judge.judge import Memory, judge
from rearguard.scenarios.table import APPEARING_S, BY_NAME, LATENCY_S, NEEDED_LEAD_S, Scenario
from rearguard.track.associate import iou
from rearguard.track.tracker import Tracker
from rearguard.words import Box, Level, TrueThing, Verdict
from rearguard.world import boxes, catalogue
from rearguard.world.camera import Lens
from rearguard.world.scene import Scene

_SAME_THING_IOU = 0.1
_FIGURES = ("person", "bicycle")
_TINY_S = 1e-6  # times are sums of floats
_CALM_S = (
    2.0  # the first seconds, in which left and right are not yet known, are not held against a calm scene
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the grid. `fidelity` is "boxes" or "rendered"."""

    scenario: str
    speed_m_s: float
    fps: float
    noise: float
    gait: bool
    fidelity: str = "boxes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in one run. Leads are true seconds to contact when the motor starts; None: not felt."""

    passed: bool
    critical_lead_s: float | None
    caution_lead_s: float | None
    criticals: int  # rises to the level that no true danger called for
    cautions: int
    duration_s: float


def run(cell: Cell, seed: int, config: Config) -> Outcome:
    """Run one scenario once; the same cell and seed give the same outcome."""
    scenario = BY_NAME[cell.scenario]
    if scenario.hfov_deg is not None:
        camera = msgspec.structs.replace(config.camera, hfov_deg=scenario.hfov_deg)
        config = msgspec.structs.replace(config, camera=camera)
    values = {"speed": cell.speed_m_s, "seed": float(seed), "gait": float(cell.gait)}
    scene = catalogue.scene(scenario.world, **{**values, **scenario.values(cell.speed_m_s)})
    if cell.fidelity == "rendered":
        from rearguard.scenarios.rendered import verdicts

        stream = verdicts(scene, cell.fps, config)
    else:
        stream = _on_boxes(scene, cell, scenario, seed, config)
    return _outcome(scenario, cell.speed_m_s, stream, late_s=LATENCY_S + config.judge.motor_onset_s)


def _on_boxes(
    scene: Scene, cell: Cell, scenario: Scenario, seed: int, config: Config
) -> Iterator[tuple[Verdict, tuple[TrueThing, ...]]]:
    camera = config.camera
    sight = Lens.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    lens = Pinhole(sight.width_px, sight.height_px, sight.focal_px)
    known = heights(config.detect.ignore, config.detect.heights_m)
    tracker = Tracker(config.track, lens, known, min_score=config.detect.min_score)
    memory = Memory()
    noise = boxes.Noise(box=cell.noise, missed=0.1 + scenario.missed)
    for look in boxes.looks(scene, camera, fps=cell.fps, noise=noise, seed=seed):
        tracks = tracker.step(look.captured_ns, look.detections, look.ego)
        memory, verdict = judge(
            memory,
            tracks,
            config.judge,
            seq=look.seq,
            captured_ns=look.captured_ns,
            latency_s=LATENCY_S,
            mount=camera.mount,
        )
        yield verdict, look.truth


@dataclass(frozen=True, slots=True)
class _Alarm:
    """A frame at CAUTION or more: about which thing, with how much time left; `rise` when it was not so before."""

    t_s: float
    level: Level
    about: str | None
    ttc_s: float | None
    rise: Level | None


def _outcome(
    scenario: Scenario,
    speed_m_s: float,
    stream: Iterator[tuple[Verdict, tuple[TrueThing, ...]]],
    late_s: float,
) -> Outcome:
    alarms: list[_Alarm] = []
    dangers: set[str] = set()
    who = _Who()
    was, t_s = Level.CLEAR, 0.0
    for verdict, truth in stream:
        t_s = verdict.captured_ns / NS_PER_S
        dangers |= {t.name for t in truth if _endangers(t)}
        thing = who.of(verdict, truth)
        if verdict.level >= Level.CAUTION:
            rise = verdict.level if verdict.level > was else None
            alarms.append(
                _Alarm(
                    t_s, verdict.level, thing.name if thing else None, thing.ttc_s if thing else None, rise
                )
            )
        was = verdict.level

    def lead(level: Level) -> float | None:
        left = (a.ttc_s for a in alarms if a.level >= level and a.about in dangers)
        first = next((ttc for ttc in left if ttc is not None), None)
        return None if first is None else first - late_s

    false = [a for a in alarms if a.rise is not None and a.about not in dangers and a.t_s > _CALM_S]
    critical = lead(Level.CRITICAL)
    criticals = sum(a.rise is Level.CRITICAL for a in false)
    if scenario.must_warn:
        needed_s = NEEDED_LEAD_S
        if scenario.appears_ttc_s is not None:
            needed_s = min(needed_s, scenario.appears_ttc_s(speed_m_s) - APPEARING_S - late_s)
        passed = critical is not None and critical > needed_s - _TINY_S
    else:
        passed = criticals == 0
    return Outcome(passed, critical, lead(Level.CAUTION), criticals, len(false), t_s)


def _endangers(thing: TrueThing) -> bool:
    """It is on a collision course: it will be within a body's and the wearer's half widths of the path."""
    reach_m = 0.9 if thing.label in _FIGURES else 8.0
    return thing.ttc_s is not None and thing.label != "board" and abs(thing.miss_m) < reach_m


class _Who:
    """Which true thing each track is: the one its box overlaps most, or did when it was last in sight."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def of(self, verdict: Verdict, truth: tuple[TrueThing, ...]) -> TrueThing | None:
        """The thing the worst threat is; a wall has no box to compare, so anything else seen is about it."""
        for threat in verdict.threats:
            name = _most_overlapping(threat.box, truth)
            if name is not None:
                self._names[threat.track] = name
        worst = verdict.worst
        if worst is None:
            return None
        name = self._names.get(worst.track)
        if name is not None:
            return next((t for t in truth if t.name == name), None)
        return next((t for t in truth if t.label not in _FIGURES and t.ttc_s is not None), None)


def _most_overlapping(box: Box, truth: tuple[TrueThing, ...]) -> str | None:
    overlaps = [(iou(box, t.box), t.name) for t in truth if t.box is not None and t.label in _FIGURES]
    best, name = max(overlaps, default=(0.0, ""))
    return name if best > _SAME_THING_IOU else None
