"""Which cells are run, and what is said of each: the NCAP-style verdict over its seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import msgspec

from rearguard.config import Config
from rearguard.scenarios.run import Cell, Outcome, run
from rearguard.scenarios.table import BY_NAME, SCENARIOS, Scenario

SPEEDS_M_S = (1.5, 2.5, 3.5, 5.0)
RATES_HZ = (5.0, 10.0, 15.0, 30.0)
NOISES = (0.01, 0.03, 0.05, 0.08)
# A cell passes with 95 % of at least 200 seeds for boxes, 5 of 7 for pictures (NCAP: 5 of 7 trials).
BOX_SEEDS, BOX_SHARE = 200, 0.95
RENDERED_SEEDS, RENDERED_SHARE = 7, 5 / 7
# Goals are set for this pace, and for detections as good and as frequent as these.
GOAL_SPEED_M_S, GOAL_RATE_HZ, GOAL_NOISE = 2.5, 10.0, 0.03
_CHUNK = 20
_ROUNDING = 1e-9


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One cell's verdict. Leads are true seconds left when the motor starts; None where never felt.

    `nuisance_share`: the share of runs with a false warning of any level from CAUTION; where nothing is to be
    warned of, a cell passes only if that is small, too.
    """

    scenario: str
    speed_m_s: float
    fps: float
    noise: float
    gait: bool
    fidelity: str
    seeds: int
    passed: bool
    passed_share: float
    must_warn: bool
    goal: bool
    lead_p5_s: float | None
    lead_p50_s: float | None
    nuisance_share: float
    false_warnings_per_h: float
    false_criticals_per_h: float
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Cells and how many seeds each gets."""

    cells: tuple[Cell, ...]
    seeds: int


def representative() -> Plan:
    """Every box scenario at the design point: 2.5 m/s, 10 frames a second, 3 % noise, gait on."""
    return Plan(tuple(Cell(s.name, 2.5, 10.0, 0.03, True) for s in SCENARIOS if s.boxes), BOX_SEEDS)


def full() -> Plan:
    """Every box scenario at every speed, rate, noise and gait."""
    return Plan(
        tuple(
            Cell(s.name, speed, fps, noise, gait)
            for s in SCENARIOS
            if s.boxes
            for speed in SPEEDS_M_S
            for fps in RATES_HZ
            for noise in NOISES
            for gait in (True, False)
        ),
        BOX_SEEDS,
    )


def rendered() -> Plan:
    """Every scenario through pictures and the real detector at the design point."""
    return Plan(tuple(Cell(s.name, 2.5, 10.0, 0.0, True, "rendered") for s in SCENARIOS), RENDERED_SEEDS)


def run_plan(
    plan: Plan, config: Config, *, jobs: int = 0, on_done: Callable[[int], None] | None = None
) -> Iterator[CellResult]:
    """Run a plan in parallel processes; cells come out in order as they are finished."""
    tasks = [
        (cell, range(first, min(first + _CHUNK, plan.seeds)), config)
        for cell in plan.cells
        for first in range(0, plan.seeds, _CHUNK)
    ]
    per_cell = -(-plan.seeds // _CHUNK)
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for done, part in enumerate(pool.map(_run_some, tasks), start=1):
            outcomes += part
            if on_done is not None:
                on_done(len(part))
            if done % per_cell == 0:
                yield summarise(plan.cells[done // per_cell - 1], outcomes)
                outcomes = []


def _run_some(task: tuple[Cell, Iterable[int], Config]) -> list[Outcome]:
    cell, seeds, config = task
    return [run(cell, seed, config) for seed in seeds]


def summarise(cell: Cell, outcomes: Sequence[Outcome]) -> CellResult:
    """The verdict over one cell's runs."""
    scenario = BY_NAME[cell.scenario]
    share = sum(o.passed for o in outcomes) / len(outcomes)
    needed = RENDERED_SHARE if cell.fidelity == "rendered" else BOX_SHARE
    hours = sum(o.duration_s for o in outcomes) / 3600
    nuisance = sum(o.cautions > 0 for o in outcomes) / len(outcomes)
    passed = share >= needed and (scenario.must_warn or nuisance <= 1 - needed + _ROUNDING)
    limit = _limit(cell, scenario)
    return CellResult(
        scenario=cell.scenario,
        speed_m_s=cell.speed_m_s,
        fps=cell.fps,
        noise=cell.noise,
        gait=cell.gait,
        fidelity=cell.fidelity,
        seeds=len(outcomes),
        passed=passed,
        passed_share=round(share, 4),
        must_warn=scenario.must_warn,
        goal=not limit,
        lead_p5_s=_quantile([o.critical_lead_s for o in outcomes], 0.05),
        lead_p50_s=_quantile([o.critical_lead_s for o in outcomes], 0.5),
        nuisance_share=round(nuisance, 4),
        false_warnings_per_h=round(sum(o.cautions for o in outcomes) / hours, 2) if hours else 0.0,
        false_criticals_per_h=round(sum(o.criticals for o in outcomes) / hours, 2) if hours else 0.0,
        why="" if passed else _why(scenario.must_warn, limit, nuisance, outcomes),
    )


def _limit(cell: Cell, scenario: Scenario) -> str:
    """Why no goal is set for a cell; empty where one is."""
    if not scenario.goal:
        return f"known limit: {scenario.about}"
    if cell.speed_m_s != GOAL_SPEED_M_S or cell.fps < GOAL_RATE_HZ or cell.noise > GOAL_NOISE:
        return f"beyond the goals: {GOAL_SPEED_M_S:g} m/s, {GOAL_RATE_HZ:g} fps, {GOAL_NOISE:.0%} noise"
    return ""


def _why(must_warn: bool, limit: str, nuisance: float, outcomes: Sequence[Outcome]) -> str:
    """One line on how a cell failed."""
    never = sum(o.critical_lead_s is None for o in outcomes)
    late = sum(not o.passed for o in outcomes) - never
    text = (
        f"never CRITICAL in {never}, late in {late} of {len(outcomes)}"
        if must_warn
        else f"CRITICAL in {sum(o.criticals > 0 for o in outcomes)} of {len(outcomes)}, nuisance in {nuisance:.1%}"
    )
    return f"{text}; {limit}" if limit else text


def _quantile(values: Iterable[float | None], share: float) -> float | None:
    """The value a share of runs falls below; runs without one count as the worst."""
    known = sorted((-1.0 if v is None else v) for v in values)
    value = known[min(len(known) - 1, int(share * len(known)))]
    return None if value < 0 else round(value, 2)
