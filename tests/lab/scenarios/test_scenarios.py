"""The proving ground: runs repeat, verdicts follow the rules, and what passes today may not be lost."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import islice

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from rearguard.cli.main import cli
from rearguard.config import Config
from rearguard.errors import BadInput
from rearguard.lab.scenarios.accuracy import Gathering, add_up, by_tenth, mean_error, mean_mid
from rearguard.lab.scenarios.grid import summarise
from rearguard.lab.scenarios.page import page
from rearguard.lab.scenarios.pictures import pictures
from rearguard.lab.scenarios.rendered import verdicts
from rearguard.lab.scenarios.run import Cell, Outcome, outcome_of, run
from rearguard.lab.scenarios.table import BY_NAME, SCENARIOS
from rearguard.lab.world import catalogue
from rearguard.types import Box, Level, Reason, ReasonCode, Side, Threat, TrueThing, Verdict

SEEDS = 20


def cell(name: str, speed_m_s: float = 2.5) -> Cell:
    return Cell(name, speed_m_s, 10.0, 0.0, True)


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert run(cell("STAND-0"), 3, Config()) == run(cell("STAND-0"), 3, Config())
    assert run(cell("STAND-0"), 3, Config()) != run(cell("STAND-0"), 4, Config())


def test_no_two_scenarios_share_a_name_and_every_world_exists() -> None:
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS)
    for scenario in SCENARIOS:
        if scenario.boxes:
            assert run(cell(scenario.name), 0, Config()).duration_s > 1


# Measured with 100 seeds: these pass at 0.95 or better; with 20 seeds two failures are within the noise.
HELD = (
    "STAND-0",
    "STAND-50",
    "CHILD",
    "CATCH-UP",
    "WALK-TOWARD",
    "RUN-TOWARD",
    "CYC-TOWARD-4.7",
    "CYC-TOWARD-6.1",
    "CROSS-NEAR-25",
    "CROSS-NEAR-50",
    "CROSS-NEAR-75",
    "CROSS-FAR-WIDE",
    "CHILD-OBSTRUCTED",
    "CUT-IN",
    "DROP-OUT-30",
    "PASS-BY-1.5",
    "PASS-BY-2.0",
    "WALK-AWAY",
    "SAME-SPEED",
    "CURVE",
    "CROWD-PASSED",
)


@cache
def outcomes_of(name: str) -> tuple[Outcome, ...]:
    return tuple(run(cell(name), seed, Config()) for seed in range(SEEDS))


@pytest.mark.parametrize("name", HELD)
def test_what_passes_is_not_lost(name: str) -> None:
    assert sum(o.passed for o in outcomes_of(name)) >= SEEDS - 2


# How far the observed share may be from the probability told, in each tenth of it that was told in so many frames of
# those runs. All who cross in front are on a collision course here, which nobody can know before they have been seen
# for a while: with them, measured, 0.10 to 0.21 more comes than is told in the tenths from 0.2 to 0.7.
LEAST_FRAMES = 200
USUALLY_OFF = 0.1
FURTHEST_OFF = {2: 0.15, 3: 0.24, 4: 0.26, 5: 0.21, 6: 0.17}


@pytest.mark.parametrize("crossing", [False, True])
def test_a_probability_of_contact_is_what_it_says(crossing: bool) -> None:
    names = [name for name in HELD if crossing or not name.startswith("CROSS-")]
    tenths = by_tenth(add_up(o.accuracy for name in names for o in outcomes_of(name)))
    enough = [t for t in tenths if t.frames >= LEAST_FRAMES]
    assert len(enough) == 10
    for t in enough:
        furthest = FURTHEST_OFF.get(t.tenth, USUALLY_OFF) if crossing else USUALLY_OFF
        assert abs(t.observed - t.told) <= furthest, t


@pytest.mark.parametrize("speed_m_s", [1.5, 3.5, 5.0])
def test_a_standing_person_is_warned_of_at_every_pace(speed_m_s: float) -> None:
    leads = [run(cell("STAND-0", speed_m_s), seed, Config()).critical_lead_s for seed in range(SEEDS)]
    assert sum(lead is not None and lead >= 1.5 for lead in leads) >= SEEDS - 1


def outcome(passed: bool, lead: float | None = 2.0) -> Outcome:
    return Outcome(passed, lead, lead, 0 if passed else 1, 0 if passed else 1, 6.0)


def test_a_cell_passes_with_95_of_100_and_says_why_it_failed() -> None:
    good = summarise(cell("STAND-0"), [outcome(True)] * 95 + [outcome(False, None)] * 5)
    bad = summarise(
        cell("STAND-0"), [outcome(True)] * 94 + [outcome(False, None)] * 5 + [outcome(False, 1.0)]
    )
    assert good.passed
    assert not bad.passed
    assert bad.why == "never CRITICAL in 5, late in 1 of 100"
    assert bad.lead_p50_s == 2.0


def test_a_quiet_scene_with_a_nuisance_in_every_tenth_run_fails_though_nothing_was_critical() -> None:
    loud, quiet = Outcome(True, None, None, 0, 1, 6.0), Outcome(True, None, None, 0, 0, 6.0)
    result = summarise(cell("SAME-SPEED"), [loud] * 10 + [quiet] * 90)
    assert not result.passed
    assert "nuisance in 10.0%" in result.why
    assert summarise(cell("SAME-SPEED"), [loud] * 5 + [quiet] * 95).passed


def test_where_no_goal_is_set_a_failure_stays_in_the_table_with_the_reason() -> None:
    fast = summarise(cell("STAND-0", 5.0), [outcome(False, 1.0)] * 20)
    assert not fast.passed
    assert not fast.goal
    assert "beyond the goals" in fast.why


def test_the_command_prints_cells_and_fails_when_a_goal_does() -> None:
    done = CliRunner().invoke(
        cli, ["scenarios", "--only", "same-speed", "--seeds", "4", "--jobs", "1", "--json"]
    )
    cells = json.loads(done.stdout)["cells"]
    assert [(c["scenario"], c["seeds"], c["passed"]) for c in cells] == [("SAME-SPEED", 4, True)]
    assert done.exit_code == 0


def test_an_unknown_scenario_is_one_line_with_the_names_there_are() -> None:
    done = CliRunner().invoke(cli, ["scenarios", "--only", "ELEPHANT"])
    assert isinstance(done.exception, BadInput)
    assert "ELEPHANT" in str(done.exception)
    assert "STAND-0" in str(done.exception)


def test_a_scenario_of_pictures_only_is_not_called_unknown() -> None:
    done = CliRunner().invoke(cli, ["scenarios", "--only", "wall"])
    assert isinstance(done.exception, BadInput)
    assert "--rendered" in str(done.exception)


def test_the_page_escapes_and_loads_nothing() -> None:
    html = page([summarise(cell("STAND-0"), [outcome(False, 1.0)] * 7)])
    assert "fail" in html
    assert "<script" not in html
    assert "http" not in html


def test_a_failing_run_is_named_with_a_command_that_runs_it_again() -> None:
    outcomes = [run(cell("CROSS-FAR"), seed, Config()) for seed in range(5, 12)]
    found = summarise(cell("CROSS-FAR"), outcomes, range(5, 12))
    first = found.failing[0]
    words = first.command.split()
    assert words[:2] == ["rearguard", "scenarios"]
    done = CliRunner().invoke(cli, [*words[1:], "--jobs", "1", "--json"])
    (again,) = json.loads(done.stdout)["cells"]
    assert (again["seeds"], again["passed"]) == (1, False)
    assert again["failing"][0]["seed"] == first.seed
    assert again["failing"][0]["moment_s"] == first.moment_s
    assert first.moment_s is not None
    assert 1 < first.moment_s < outcomes[0].duration_s + 5


def test_how_far_times_are_off_is_told_by_row_and_adds_up() -> None:
    one, two = (run(cell("STAND-0"), seed, Config()) for seed in (1, 2))
    found = summarise(cell("STAND-0"), [one, two])
    assert found.accuracy.frames[0] == one.accuracy.frames[0] + two.accuracy.frames[0] > 10
    assert found.mid[0] is not None
    assert 0 < found.mid[0] < 500
    assert found.error[0] is not None
    assert abs(found.error[0]) < 0.3
    told = add_up([one.accuracy, two.accuracy])
    assert told == found.accuracy
    assert sum(told.said) > 20
    assert all(so <= said for so, said in zip(told.so, told.said, strict=True))


def test_accuracy_is_measured_against_the_truth() -> None:
    gathering = Gathering(corridor_m=0.9, late_s=0.2, longest_s=4.4)
    thing = TrueThing("a", "person", Box(0, 0, 9, 9), 5.0, 0.0, 2.0, 0.1)
    reason = Reason(code=ReasonCode.SOON, ttc_s=2.0, probability=0.85)
    threat = Threat(1, "person", "detected", Level.CAUTION, Side.CENTRE, Box(0, 0, 9, 9), reason)
    gathering.add(thing, threat, endangers=True)  # 2.2 s were told of 2.0
    gathering.add(thing, None, endangers=True)
    gathering.add(replace(thing, miss_m=1.5), threat, endangers=False)
    sums = gathering.done()
    assert (sums.frames, sums.untold) == ((2, 0, 0), (1, 0, 0))
    assert mean_error(sums, 0) == pytest.approx(0.1)
    assert mean_mid(sums, 0) == pytest.approx(1e4 * (math.log(2.2 / 2.3) - math.log(2.0 / 2.1)), abs=0.1)
    assert mean_mid(sums, 1) is None
    assert (sums.said[8], sums.so[8]) == (2, 1)


@pytest.mark.parametrize(("kind", "passed"), [("low", True), ("looming", False), ("detected", False)])
def test_something_to_trip_over_passes_only_with_the_cue_that_says_so(kind: str, passed: bool) -> None:
    ball = TrueThing("ball", "sports ball", Box(600, 500, 640, 540), 6.0, 0.0, 2.4, 0.0)
    reason = Reason(code=ReasonCode.SOON, ttc_s=2.2, probability=0.9, limit_s=3.4)
    threat = Threat(-2, "low obstacle", kind, Level.CAUTION, Side.CENTRE, Box(605, 505, 635, 535), reason)
    verdict = Verdict(9, 3_000_000_000, Level.CAUTION, Side.CENTRE, (threat,))
    assert outcome_of(BY_NAME["BALL"], 2.5, iter([(verdict, (ball,))]), Config()).passed is passed


@pytest.mark.parametrize(
    ("limit_s", "ttc_s", "miss_m", "so"),
    [
        (2.4, 2.5, 0.5, 1),  # 2.6 s from the picture
        (2.4, 2.7, 0.5, 0),
        (2.4, 2.5, 1.1, 0),
        (2.4, None, 0.5, 0),  # it does not come nearer
        (None, 4.5, 0.5, 1),  # no level was called for: the probability is of the lowest one's time
        (None, 4.7, 0.5, 0),
    ],
)
def test_a_probability_is_held_to_the_time_that_it_is_of(
    limit_s: float | None, ttc_s: float | None, miss_m: float, so: int
) -> None:
    gathering = Gathering(corridor_m=0.9, late_s=0.2, longest_s=4.4)
    thing = TrueThing("a", "person", Box(0, 0, 9, 9), 5.0, 0.0, ttc_s, miss_m)
    reason = Reason(code=ReasonCode.NOT_SOON, probability=0.31, limit_s=limit_s)
    threat = Threat(1, "person", "detected", Level.CLEAR, Side.CENTRE, Box(0, 0, 9, 9), reason)
    gathering.add(thing, threat, endangers=False)
    gathering.add(thing, replace(threat, reason=replace(reason, lost=True)), endangers=False)
    assert by_tenth(gathering.done()) == [(3, 0.31, so, 1, 1)]


def test_the_page_shows_a_failing_run_and_whether_probabilities_hold() -> None:
    outcomes = [run(cell("CROSS-FAR"), seed, Config()) for seed in range(5, 9)]
    cells = [summarise(cell("CROSS-FAR"), outcomes, range(5, 9))]
    html = page(cells, pictures(cells, Config()))
    assert cells[0].failing[0].command in html
    assert html.count("data:image/jpeg;base64,/9j/") == len(cells[0].failing) == 3
    assert "Is a probability what it says?" in html
    tenths = by_tenth(cells[0].accuracy)
    assert html.count("<circle") == len(tenths) > 5
    for t in tenths:
        assert f"<td class=n>{t.told:.1%}<td class=n>{t.observed:.1%}" in html
        assert f"<td class=n>{t.frames}<td class=n>{t.runs}</tr>" in html
    assert f"<td class=n>{cells[0].mid[0]:.0f},&nbsp;{cells[0].error[0]:+.0%}" in html


def test_a_run_through_pictures_does_not_depend_on_what_ran_before() -> None:
    def first_seconds(seed: int) -> list[Verdict]:
        scene = catalogue.scene("crowd", speed=2.5, seed=float(seed), gait=1.0, blocker=1.0)
        stream = verdicts(scene, 10.0, Config())
        return [verdict for verdict, _ in islice(stream, 12)]

    alone = first_seconds(3)
    first_seconds(1)
    assert any(verdict.threats for verdict in alone)
    assert first_seconds(3) == alone
