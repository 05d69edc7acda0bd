"""The pool: every task ends once, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rearguard.errors import BadInput
from rearguard.lab.tasks.pool import Task, run_tasks


def double(what: int) -> int:
    return 2 * what


def tasks(count: int) -> list[Task[int]]:
    return [Task(str(n), f"task {n}", n) for n in range(count)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_is_done_once(jobs: int) -> None:
    done = list(run_tasks(tasks(20), double, jobs=jobs))
    assert sorted(d.task.what for d in done) == list(range(20))
    assert all(d.result == 2 * d.task.what and d.error is None for d in done)


def refuse(what: int) -> int:
    if what == 3:
        raise BadInput("three is not taken")
    if what == 4:
        return what // 0
    return what


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_fails_is_named_with_the_reason_and_costs_no_other(jobs: int) -> None:
    done = {d.task.what: d for d in run_tasks(tasks(6), refuse, jobs=jobs)}
    assert len(done) == 6
    assert done[3].error == "three is not taken"
    assert "ZeroDivisionError" in (done[4].error or "")
    assert "refuse, line" in (done[4].error or "")  # a mistake of ours: where
    assert [d.result for n, d in sorted(done.items()) if n not in (3, 4)] == [0, 1, 2, 5]


def die_at_first(what: str) -> str:
    """Kills its own worker, the first time it is called with these words."""
    marker = Path(what)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def test_a_killed_worker_costs_its_task_a_second_try_and_nothing_else(tmp_path: Path) -> None:
    work = [Task(str(n), f"task {n}", str(tmp_path / str(n))) for n in range(6)]
    done = list(run_tasks(work, die_at_first, jobs=2))
    assert sorted(d.result or "" for d in done) == [str(n) for n in range(6)]
    assert all(d.error is None for d in done)


def die_of_two(what: int) -> int:
    if what == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return what


def test_a_task_that_three_workers_die_of_is_given_up_and_named() -> None:
    done = {d.task.what: d for d in run_tasks(tasks(5), die_of_two, jobs=2)}
    assert done[2].result is None
    assert done[2].error == "3 workers died of it (killed by SIGSEGV)"
    assert [done[n].result for n in (0, 1, 3, 4)] == [0, 1, 3, 4]


def pid(what: int) -> int:
    time.sleep(0.05)
    return os.getpid() + 0 * what


def test_workers_are_gone_when_the_caller_has_seen_enough() -> None:
    running = run_tasks(tasks(50), pid, jobs=2)
    seen = {next(running).result for _ in range(4)}
    assert os.getpid() not in seen
    running.close()  # type: ignore[attr-defined]
    for number in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(number or 0, 0)
