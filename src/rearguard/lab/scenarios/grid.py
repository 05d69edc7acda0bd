"""Which cells are run, and what is said of each: the NCAP-style verdict over its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields

import msgspec

from rearguard.config import Config
from rearguard.lab.scenarios.accuracy import Accuracy, add_up, mean_error, mean_mid
from rearguard.lab.scenarios.run import Cell, Outcome, run
from rearguard.lab.scenarios.table import BY_NAME, SCENARIOS, Scenario
from rearguard.lab.score.mid import BINS_S
from rearguard.lab.tasks.kept import Where, run_kept
from rearguard.lab.tasks.parts import model_digest, task_key
from rearguard.lab.tasks.pool import Task
from rearguard.lab.world.photo_looks import photos_digest
from rearguard.types import Level

SPEEDS_M_S = (1.5, 2.5, 3.5, 5.0)
RATES_HZ = (5.0, 10.0, 15.0, 30.0)
# Of the boxes' heights; 0 stands for the detector's own errors, which grow as things get smaller (`boxes.Noise`).
NOISES = (0.0, 0.03, 0.08)
OWN_NOISE = 0.0
# A cell passes with 95 % of at least 200 seeds for boxes, 5 of 7 for pictures (NCAP: 5 of 7 trials).
BOX_SEEDS, BOX_SHARE = 200, 0.95
RENDERED_SEEDS, RENDERED_SHARE = 7, 5 / 7
# Goals are set for this pace, and for detections as good and as frequent as these.
GOAL_SPEED_M_S, GOAL_RATE_HZ, GOAL_NOISE = 2.5, 10.0, OWN_NOISE
_CHUNK = 5  # seeds a task: a few seconds, in a crowd ten, so that little is lost with a worker
_RENDERED_CHUNK = 1
_HERE = Where()
_ROUNDING = 1e-9
_FAILING_TOLD = 3  # runs of a cell that are named
_HOW = {"boxes": "", "rendered": " --rendered", "photo": " --rendered --looks photo"}


class FailingSeed(msgspec.Struct, frozen=True, kw_only=True):
    """A run that failed: its seed, when on the run's clock, and the command that runs it again."""

    seed: int
    moment_s: float | None
    command: str


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One cell's verdict. Leads are true seconds left when the motor starts at the level due; None where never felt.

    `nuisance_share`: the share of runs with a false warning of any level from CAUTION; where nothing is to be
    warned of, a cell passes only if that is small, too. `mid`, `error` and `untold_share` are means by the bins of
    `lab.score.mid`.
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
    gyro: bool = False
    mid: tuple[float | None, ...] = ()
    error: tuple[float | None, ...] = ()
    untold_share: tuple[float | None, ...] = ()
    accuracy: Accuracy = Accuracy()
    failing: tuple[FailingSeed, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Cells, how many seeds each gets, which is the first, and the folder of photographs."""

    cells: tuple[Cell, ...]
    seeds: int
    first: int = 0
    photos: str = ""


def representative() -> Plan:
    """Every box scenario at the design point: 2.5 m/s, 10 frames a second, the detector's own errors, gait on."""
    return Plan(
        tuple(Cell(s.name, GOAL_SPEED_M_S, GOAL_RATE_HZ, OWN_NOISE, True) for s in SCENARIOS if s.boxes),
        BOX_SEEDS,
    )


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


def rendered(looks: Sequence[str] = ("drawn",), photos: str = "") -> Plan:
    """Every scenario through pictures and the real detector at the design point: "drawn", out of a "photo", or both."""
    fidelities = [("rendered", "photo")[look == "photo"] for look in looks]
    cells = (
        Cell(s.name, GOAL_SPEED_M_S, GOAL_RATE_HZ, OWN_NOISE, True, f)
        for s in SCENARIOS
        if s.pictures
        for f in fidelities
    )
    return Plan(tuple(cells), RENDERED_SEEDS, photos=photos)


class SeedResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is kept: the cell it is of, its seed, and its outcome."""

    scenario: str
    speed_m_s: float
    fps: float
    noise: float
    gait: bool
    fidelity: str
    gyro: bool
    seed: int
    passed: bool
    critical_lead_s: float | None
    caution_lead_s: float | None
    criticals: int
    cautions: int
    duration_s: float
    moment_s: float | None
    accuracy: Accuracy

    @property
    def outcome(self) -> Outcome:
        """What happened."""
        return Outcome(**{f.name: getattr(self, f.name) for f in fields(Outcome)})


class Some(msgspec.Struct, frozen=True, kw_only=True):
    """One task: some seeds of a cell. `seeds` are the first and the one after the last; `photos` a folder."""

    cell: Cell
    seeds: tuple[int, int]
    config: Config
    photos: str = ""


@dataclass
class Failures:
    """One line for each task that failed."""

    lines: list[str] = field(default_factory=list)


def plan_tasks(plan: Plan, config: Config) -> list[Task[Some]]:
    """The tasks of a plan, in order. The key names the program, the model, the settings, the cell and the seeds."""
    chunk = _RENDERED_CHUNK if any(c.pictures for c in plan.cells) else _CHUNK
    model = model_digest(config.detect) if chunk == _RENDERED_CHUNK else ""
    photos = photos_digest(plan.photos) if plan.photos else ""
    tasks = []
    for cell in plan.cells:
        end = plan.first + plan.seeds
        for first in range(plan.first, end, chunk):
            some = Some(cell=cell, seeds=(first, min(first + chunk, end)), config=config)
            key = task_key("scenarios", model, some, *([photos] if cell.fidelity == "photo" else []))
            name = f"{cell.scenario} {cell.speed_m_s:g} m/s, seeds {first} to {some.seeds[1] - 1}"
            tasks.append(Task(key, name, msgspec.structs.replace(some, photos=plan.photos)))
    return tasks


def run_plan(
    plan: Plan,
    config: Config,
    *,
    where: Where = _HERE,
    on_done: Callable[[int], None] | None = None,
    failures: Failures | None = None,
) -> Iterator[CellResult]:
    """Run a plan in parallel; cells come out in order as they are finished, the same wherever they were run.

    A task that fails is noted in `failures` and left out of its cell; a cell without any run does not come out.
    """
    tasks = plan_tasks(plan, config)
    per_cell = len(tasks) // len(plan.cells)
    results: dict[str, list[SeedResult] | None] = {}
    told = 0
    for done in run_kept(tasks, run_some, SeedResult, where):
        results[done.task.key] = done.result
        if done.error is not None and failures is not None:
            failures.lines.append(f"{done.task.name}: {done.error}")
        if on_done is not None:
            on_done(done.task.what.seeds[1] - done.task.what.seeds[0])
        while (own := tasks[told * per_cell : (told + 1) * per_cell]) and all(t.key in results for t in own):
            parts = (results.pop(t.key) for t in own)
            rows = [row for part in parts for row in part or ()]
            if rows:
                yield summarise(plan.cells[told], [r.outcome for r in rows], [r.seed for r in rows])
            told += 1


def run_some(some: Some) -> list[SeedResult]:
    """The runs of one task."""
    about = asdict(some.cell)
    return [
        SeedResult(**about, seed=seed, **asdict(run(some.cell, seed, some.config, some.photos)))
        for seed in range(*some.seeds)
    ]


def summarise(cell: Cell, outcomes: Sequence[Outcome], seeds: Sequence[int] | None = None) -> CellResult:
    """The verdict over one cell's runs, of `seeds` (by default from 0 on)."""
    scenario = BY_NAME[cell.scenario]
    share = sum(o.passed for o in outcomes) / len(outcomes)
    needed = RENDERED_SHARE if cell.pictures else BOX_SHARE
    hours = sum(o.duration_s for o in outcomes) / 3600
    nuisance = sum(o.cautions > 0 for o in outcomes) / len(outcomes)
    passed = share >= needed and (scenario.must_warn or nuisance <= 1 - needed + _ROUNDING)
    limit = _limit(cell, scenario)
    leads = [o.critical_lead_s if scenario.due is Level.CRITICAL else o.caution_lead_s for o in outcomes]
    accuracy, bins = add_up(o.accuracy for o in outcomes), range(len(BINS_S))
    return CellResult(
        **asdict(cell),
        seeds=len(outcomes),
        passed=passed,
        passed_share=round(share, 4),
        must_warn=scenario.must_warn,
        goal=not limit,
        lead_p5_s=_quantile(leads, 0.05),
        lead_p50_s=_quantile(leads, 0.5),
        nuisance_share=round(nuisance, 4),
        false_warnings_per_h=round(sum(o.cautions for o in outcomes) / hours, 2) if hours else 0.0,
        false_criticals_per_h=round(sum(o.criticals for o in outcomes) / hours, 2) if hours else 0.0,
        why="" if passed else _why(scenario, limit, nuisance, outcomes, leads),
        mid=tuple(mean_mid(accuracy, n) for n in bins),
        error=tuple(mean_error(accuracy, n) for n in bins),
        untold_share=tuple(_share(accuracy.untold[n], accuracy.frames[n]) for n in bins),
        accuracy=accuracy,
        failing=tuple(_failing(cell, outcomes, seeds or range(len(outcomes)))),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _failing(cell: Cell, outcomes: Sequence[Outcome], seeds: Sequence[int]) -> Iterator[FailingSeed]:
    """The first runs that failed, or that had a nuisance where that is what a cell fails of."""
    must_warn = BY_NAME[cell.scenario].must_warn
    runs = zip(seeds, outcomes, strict=True)
    bad = [(seed, o) for seed, o in runs if not o.passed or (o.cautions and not must_warn)]
    for seed, outcome in sorted(bad, key=lambda pair: pair[1].passed)[:_FAILING_TOLD]:
        usual = (cell.noise, cell.gait) == (GOAL_NOISE, True)
        how = _HOW[cell.fidelity] or ("" if usual else " --full")
        how += " --gyro" if cell.gyro else ""
        yield FailingSeed(
            seed=seed,
            moment_s=outcome.moment_s,
            command=f"rearguard scenarios --only {cell.scenario} --seed {seed} --speed {cell.speed_m_s:g} "
            f"--fps {cell.fps:g}{how}",
        )


def _limit(cell: Cell, scenario: Scenario) -> str:
    """Why no goal is set for a cell; empty where one is."""
    if not scenario.goal:
        return f"known limit: {scenario.about}"
    if cell.speed_m_s != GOAL_SPEED_M_S or cell.fps < GOAL_RATE_HZ or cell.noise > GOAL_NOISE:
        return f"beyond the goals: {GOAL_SPEED_M_S:g} m/s, {GOAL_RATE_HZ:g} fps, the detector's own noise"
    return ""


def _why(
    scenario: Scenario,
    limit: str,
    nuisance: float,
    outcomes: Sequence[Outcome],
    leads: Sequence[float | None],
) -> str:
    """One line on how a cell failed."""
    never = sum(lead is None for lead in leads)
    late = sum(not o.passed for o in outcomes) - never
    text = (
        f"never {scenario.due.name} in {never}, late in {late} of {len(outcomes)}"
        if scenario.must_warn
        else f"CRITICAL in {sum(o.criticals > 0 for o in outcomes)} of {len(outcomes)}, nuisance in {nuisance:.1%}"
    )
    return f"{text}; {limit}" if limit else text


def _quantile(values: Iterable[float | None], share: float) -> float | None:
    """The value a share of runs falls below; runs without one count as the worst."""
    known = sorted((-1.0 if v is None else v) for v in values)
    value = known[min(len(known) - 1, int(share * len(known)))]
    return None if value < 0 else round(value, 2)
