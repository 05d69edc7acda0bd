"""One run of one scenario: the real tracker and judge over noisy boxes, or the whole pipeline over pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.detect.classes import priors
from rearguard.ego.geometry import Pinhole
from rearguard.judge.judge import Memory, judge
from rearguard.scenarios.table import APPEARING_S, BY_NAME, NEEDED_LEAD_S, Scenario
from rearguard.track.associate import iou
from rearguard.track.tracker import Tracker
from rearguard.words import Level, TrueThing, Verdict
from rearguard.world import boxes, catalogue
from rearguard.world.camera import Lens
from rearguard.world.scene import Scene

# From capture to the judge's word, on a Pi 4 or 5: about a frame and an invocation. The judge is told of it.
LATENCY_S = 0.12
_SAME_THING_IOU = 0.1
_CALM_S = 2.0  # the first seconds, in which left and right are not yet known, are not held against a calm scene


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


def run(cell: Cell, seed: int, config: Config = Config()) -> Outcome:
    """Run one scenario once; the same cell and seed give the same outcome."""
    scenario = BY_NAME[cell.scenario]
    values = {"speed": cell.speed_m_s, "seed": float(seed), "gait": float(cell.gait)}
    scene = catalogue.scene(scenario.world, **{**values, **scenario.values(cell.speed_m_s)})
    if cell.fidelity == "rendered":
        from rearguard.scenarios.rendered import verdicts

        stream = verdicts(scene, cell.fps, config)
    else:
        stream = _on_boxes(scene, cell, scenario, seed, config)
    return _outcome(scenario, stream, late_s=LATENCY_S + config.judge.motor_onset_s)


def _on_boxes(
    scene: Scene, cell: Cell, scenario: Scenario, seed: int, config: Config
) -> Iterator[tuple[Verdict, tuple[TrueThing, ...]]]:
    camera = config.camera
    sight = Lens.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    lens = Pinhole(sight.width_px, sight.height_px, sight.focal_px)
    heights = {
        label: row.height_m for label, row in priors(config.detect.ignore, config.detect.heights_m).items()
    }
    tracker = Tracker(config.track, lens, heights.get, min_score=config.detect.min_score)
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


def _outcome(
    scenario: Scenario, stream: Iterator[tuple[Verdict, tuple[TrueThing, ...]]], late_s: float
) -> Outcome:
    leads: dict[Level, float] = {}
    rises = {Level.CAUTION: 0, Level.CRITICAL: 0}
    was, t_s = Level.CLEAR, 0.0
    for verdict, truth in stream:
        t_s = verdict.captured_ns / NS_PER_S
        danger = _danger(truth)
        for level in (Level.CAUTION, Level.CRITICAL):
            if verdict.level < level:
                continue
            if danger is not None and danger.ttc_s is not None and _is_about(verdict, danger):
                leads.setdefault(level, danger.ttc_s - late_s)
            elif was < level and t_s > _CALM_S:
                rises[level] += 1
        was = verdict.level
    critical = leads.get(Level.CRITICAL)
    if scenario.must_warn:
        appears_s = scenario.appears_ttc_s
        needed_s = NEEDED_LEAD_S if appears_s is None else min(NEEDED_LEAD_S, appears_s - APPEARING_S - late_s)
        passed = critical is not None and critical >= needed_s
    else:
        passed = critical is None and rises[Level.CRITICAL] == 0
    return Outcome(passed, critical, leads.get(Level.CAUTION), rises[Level.CRITICAL], rises[Level.CAUTION], t_s)


def _danger(truth: tuple[TrueThing, ...]) -> TrueThing | None:
    """The thing on a collision course that will be met first; half a body and half a wearer wide."""
    coming = [t for t in truth if t.ttc_s is not None and t.label != "board" and abs(t.miss_m) < _reach(t)]
    return min(coming, key=lambda t: t.ttc_s or 0.0, default=None)


def _reach(thing: TrueThing) -> float:
    return 0.9 if thing.label in ("person", "bicycle") else 8.0


def _is_about(verdict: Verdict, danger: TrueThing) -> bool:
    worst = verdict.worst
    return (
        worst is not None
        and danger.box is not None
        and (danger.label not in ("person", "bicycle") or iou(worst.box, danger.box) > _SAME_THING_IOU)
    )
