"""`make faults` ends in time: what went wrong is tried again, but three times at most and never past its minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import report
from fault_cases import CASES, Case, pair
from fault_harness import Outcome


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the faults that were driven in; the first case is always wrong, the second only the first time."""
    names: list[str] = []

    def run_case(case: Case, _folder: Path) -> Outcome:
        names.append(case.name)
        outcome = Outcome(case)
        if case is CASES[0] or (case is CASES[1] and names.count(case.name) == 1):
            outcome.wrong.append("nothing was felt")
        return outcome

    monkeypatch.setattr(report, "run_case", run_case)
    return names


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["report.py", *words])
    return report.main()


def test_what_goes_wrong_is_tried_again_after_all_others_and_fails_the_third_time(
    driven: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (case.name for case in CASES[:3])
    assert run(monkeypatch, "--minutes", "1", first, second, third) == 1
    assert driven == [first, second, third, first, second, first]
    assert f"{first} WRONG: nothing was felt" in capsys.readouterr().err


def test_a_fault_that_is_told_the_second_time_is_no_failure(
    driven: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "--minutes", "1", CASES[1].name) == 0
    assert driven == [CASES[1].name] * 2


def test_without_time_nothing_is_tried_again(driven: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, CASES[1].name) == 1
    assert driven == [CASES[1].name]


def test_pairs_are_drawn_by_their_seed_and_can_be_named(
    driven: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(2):
        run(monkeypatch, "--only-pairs", "--pairs", "3", "--seed", "7")
    assert driven[:3] == driven[3:]
    assert all(name.count("+") == 1 for name in driven)
    driven.clear()
    run(monkeypatch, "sigstop", "hot+sigkill", "--write", str(tmp_path / "page.md"))
    assert driven == ["sigstop", "hot+sigkill"]
    told = (tmp_path / "page.md").read_text()
    assert "| vision is stopped |" in told
    assert "vision is killed" not in told  # which pairs there were changes from day to day


def test_some_faults_driven_in_anew_leave_the_other_rows_as_they_are(
    driven: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    run(monkeypatch, "--write", str(page))
    before = page.read_text()
    page.write_text(before.replace("| vision is stopped | nothing new |", "| vision is stopped | BLIND |"))
    run(monkeypatch, "hot", "--write", str(page))
    assert "| vision is stopped | BLIND |" in page.read_text()
    assert [line.split("|")[1] for line in page.read_text().splitlines() if line.count("|") == 7] == [
        line.split("|")[1] for line in before.splitlines() if line.count("|") == 7
    ]
    assert driven[-1] == "hot"


def test_of_two_faults_at_once_the_more_urgent_is_to_be_felt() -> None:
    known = {case.name: case for case in CASES}
    both = pair(known["disk_nearly_full"], known["sigkill"])
    assert both.felt == known["sigkill"].felt
    assert both.strikes == ("disk_nearly_full", "sigkill")


@pytest.mark.parametrize("name", ["sigkil", "sigkill+cofee"])
def test_an_unknown_fault_is_bad_input(name: str, driven: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, name)
    assert left.value.code == 2
    assert driven == []
