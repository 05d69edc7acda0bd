"""One run of one scenario: the real tracker and judge over noisy boxes, or the whole pipeline over pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.cue.table import threat_cue
from rearguard.ego.pinhole import Pinhole
from rearguard.lab.scenarios.accuracy import Accuracy, Gathering
from rearguard.lab.scenarios.table import APPEARING_S, BY_NAME, LATENCY_S, Scenario
from rearguard.lab.world import boxes, catalogue
from rearguard.lab.world.gyro import Errors
from rearguard.lab.world.scene import Scene
from rearguard.lab.world.things import HARMLESS
from rearguard.types import Box, CueName, Level, Threat, TrueThing, Verdict
from rearguard.vision.rules import Rules

_SAME_THING_IOU = 0.1
_FIGURES = ("person", "bicycle")
_TOLD_AHEAD_S = 6.0  # what is told while nothing but figures is nearer than this is about none of it
_TINY_S = 1e-6  # times are sums of floats
_CALM_S = 2.0  # false warnings in the first seconds, where left and right are not yet known, are not counted


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the grid. `fidelity` is "boxes", "rendered" (drawn pictures) or "photo" (out of photographs).

    `gyro`: with a gyroscope beside the camera.
    """

    scenario: str
    speed_m_s: float
    fps: float
    noise: float
    gait: bool
    fidelity: str = "boxes"
    gyro: bool = False

    @property
    def pictures(self) -> bool:
        """Whether the detector sees pictures."""
        return self.fidelity != "boxes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in one run. Leads are true seconds to contact when the motor starts; None: not felt."""

    passed: bool
    critical_lead_s: float | None
    caution_lead_s: float | None
    criticals: int  # rises to the level that no true danger called for
    cautions: int
    duration_s: float
    # When it failed: of the first false CRITICAL or warning, else when one was needed.
    moment_s: float | None = None
    accuracy: Accuracy = Accuracy()  # noqa: RUF009 - frozen


def scene_values(cell: Cell, seed: int) -> dict[str, float]:
    """The parameters of a cell's world, as `sim:` takes them."""
    values = {"speed": cell.speed_m_s, "seed": float(seed), "gait": float(cell.gait)}
    return {**values, **BY_NAME[cell.scenario].values(cell.speed_m_s)}


def run(cell: Cell, seed: int, config: Config, photos: str = "") -> Outcome:
    """Run one scenario once; the same cell and seed give the same outcome. `photos` is the folder of photographs for a
    cell that wants them.
    """
    scenario = BY_NAME[cell.scenario]
    config = configured(scenario, config)
    scene = catalogue.scene(scenario.world, **scene_values(cell, seed))
    if cell.pictures:
        from rearguard.lab.scenarios.rendered import verdicts

        stream = verdicts(scene, cell.fps, config, photos if cell.fidelity == "photo" else "", gyro=cell.gyro)
    else:
        stream = _on_boxes(scene, cell, scenario, seed, config)
    return outcome_of(scenario, cell.speed_m_s, stream, config)


def configured(scenario: Scenario, config: Config) -> Config:
    """The configuration with what a row of the table has of its own: its lens, its low things."""
    if scenario.low:
        config = msgspec.structs.replace(config, looming=msgspec.structs.replace(config.looming, low=True))
    if scenario.hfov_deg is not None:
        camera = msgspec.structs.replace(config.camera, hfov_deg=scenario.hfov_deg)
        config = msgspec.structs.replace(config, camera=camera)
    return config


def _on_boxes(
    scene: Scene, cell: Cell, scenario: Scenario, seed: int, config: Config
) -> Iterator[tuple[Verdict, tuple[TrueThing, ...]]]:
    camera = config.camera
    lens = Pinhole.from_fov(camera.width_px, camera.height_px, camera.hfov_deg)
    rules = Rules(config, lens)
    errors = Errors() if cell.gyro else None
    missed = 0.1 + scenario.missed
    noise = boxes.Noise(cell.noise or None, missed=missed, turn_lost=scenario.turn_lost, gyro=errors)
    for seen, truth in boxes.observe(scene, camera, fps=cell.fps, noise=noise, seed=seed):
        yield rules.judge_frame(seen, LATENCY_S)[1], truth


@dataclass(frozen=True, slots=True)
class _Alarm:
    """A frame at CAUTION or more: about which thing, with how much time left; `rise` when it was not so before; `cue`
    is the one that it calls for."""

    t_s: float
    level: Level
    cue: CueName | None
    about: str | None
    ttc_s: float | None
    rise: Level | None


def outcome_of(
    scenario: Scenario,
    speed_m_s: float,
    stream: Iterator[tuple[Verdict, tuple[TrueThing, ...]]],
    config: Config,
) -> Outcome:
    """What came of a run, given each frame's verdict and the truth behind it."""
    late_s = LATENCY_S + config.judge.motor_onset_s
    longest_s = config.judge.notice_ttc_s + config.judge.lead_s + config.gyro.earlier_s
    gathering = Gathering(config.judge.corridor_half_width_m, late_s, longest_s)
    alarms: list[_Alarm] = []
    dangers: set[str] = set()
    who = _Who()
    needed_at_s: float | None = None
    was, t_s = Level.CLEAR, 0.0
    for verdict, truth in stream:
        t_s = verdict.captured_ns / NS_PER_S
        dangers |= {t.name for t in truth if _endangers(t)}
        thing = who.of(verdict, truth)
        for true in truth:
            if true.box is not None and true.label in _FIGURES:
                gathering.add(true, who.threat_of(true, verdict), _endangers(true))
            if needed_at_s is None and _endangers(true) and (true.ttc_s or 0) <= scenario.lead_s + late_s:
                needed_at_s = t_s
        if verdict.level >= Level.CAUTION:
            rise = verdict.level if verdict.level > was else None
            cue = threat_cue(verdict.level, verdict.worst is not None and verdict.worst.low)
            about, left_s = (thing.name, thing.ttc_s) if thing else (None, None)
            alarms.append(_Alarm(t_s, verdict.level, cue, about, left_s, rise))
        was = verdict.level

    def lead(level: Level) -> float | None:
        due = (a for a in alarms if a.cue is CueName.LOW or not scenario.low)
        left = (a.ttc_s for a in due if a.level >= level and a.about in dangers)
        first = next((ttc for ttc in left if ttc is not None), None)
        return None if first is None else first - late_s

    false = [a for a in alarms if a.rise is not None and a.about not in dangers and a.t_s > _CALM_S]
    critical, caution = lead(Level.CRITICAL), lead(Level.CAUTION)
    criticals = sum(a.rise is Level.CRITICAL for a in false)
    if scenario.must_warn:
        needed_s = scenario.lead_s
        due = critical if scenario.due is Level.CRITICAL else caution
        if scenario.appears_ttc_s is not None:
            needed_s = min(needed_s, scenario.appears_ttc_s(speed_m_s) - APPEARING_S - late_s)
        passed = due is not None and due > needed_s - _TINY_S
    else:
        passed = criticals == 0
    worst = next((a.t_s for a in false if a.rise is Level.CRITICAL), false[0].t_s if false else None)
    moment_s = needed_at_s if scenario.must_warn and not passed else worst
    return Outcome(passed, critical, caution, criticals, len(false), t_s, moment_s, gathering.done())


def _endangers(thing: TrueThing) -> bool:
    """It is on a collision course: it will be within a body's and the wearer's half widths of the path."""
    reach_m = 0.9 if thing.label in _FIGURES else 8.0
    return thing.ttc_s is not None and thing.label not in HARMLESS and abs(thing.miss_m) < reach_m


class _Who:
    """Which true thing each track is: the one its box overlaps most, or did when it was last in sight."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def threat_of(self, thing: TrueThing, verdict: Verdict) -> Threat | None:
        """What was told of a thing: the most urgent threat that is it."""
        return next((t for t in verdict.threats if self._names.get(t.track) == thing.name), None)

    def of(self, verdict: Verdict, truth: tuple[TrueThing, ...]) -> TrueThing | None:
        """The thing the worst threat is; a wall has no box to compare: anything else seen is about it, if near."""
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
        others = (t for t in truth if t.label not in (*_FIGURES, *HARMLESS))
        return next((t for t in others if t.ttc_s is not None and t.ttc_s < _TOLD_AHEAD_S), None)


def _most_overlapping(box: Box, truth: tuple[TrueThing, ...]) -> str | None:
    overlaps = [(box.iou(t.box), t.name) for t in truth if t.box is not None and t.label in _FIGURES]
    best, name = max(overlaps, default=(0.0, ""))
    return name if best > _SAME_THING_IOU else None
