"""Kept results: computed once, whole or not there, the same wherever and however they were computed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from sys import executable
from typing import Any

import msgspec
import pytest

from rearguard.config import Config
from rearguard.config.judge import Judge
from rearguard.errors import BadInput, PartFailed
from rearguard.lab.scenarios.grid import Failures, Plan, plan_tasks, run_plan
from rearguard.lab.scenarios.run import Cell
from rearguard.lab.tasks.kept import Where, run_kept
from rearguard.lab.tasks.parts import Parts, task_key
from rearguard.lab.tasks.pool import Task

pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra `export`)")


_ALL_FINISHED_S = 10.0


class Simple(msgspec.Struct, frozen=True, kw_only=True):
    number: float
    left: float | None
    words: list[str]
    count: int


def rows(what: int) -> list[Simple]:
    """Leaves a mark each time it is called, to be counted."""
    folder = os.environ.get("COUNTED")
    if folder:
        (Path(folder) / f"{what}-{time.monotonic_ns()}").touch()
    return [Simple(number=what / 3, left=None if n else 1e300, words=["a"] * n, count=n) for n in range(3)]


def tasks(count: int) -> list[Task[int]]:
    return [Task(task_key("test", n), f"task {n}", n) for n in range(count)]


def collected(where: Where, count: int = 6) -> dict[int, list[Simple] | None]:
    return {d.task.what: d.result for d in run_kept(tasks(count), rows, Simple, where)}


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "counted"
    folder.mkdir()
    monkeypatch.setenv("COUNTED", str(folder))
    return folder


def test_what_is_kept_is_read_back_exactly_and_not_computed_again(tmp_path: Path, counted: Path) -> None:
    out = Where(1, tmp_path / "out")
    first = collected(out, 4)
    assert len(list(counted.iterdir())) == 4
    assert collected(out, 6) == first | {n: rows(n) for n in (4, 5)}
    assert len(list(counted.iterdir())) == 6 + 2  # two of them by this test itself


def test_a_part_that_was_damaged_is_computed_again(tmp_path: Path, counted: Path) -> None:
    out = Where(1, tmp_path / "out")
    first = collected(out, 2)
    for path in (tmp_path / "out").glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    assert collected(out, 2) == first
    assert len(list(counted.iterdir())) == 4


def test_the_folders_of_two_machines_merge_by_copying(tmp_path: Path, counted: Path) -> None:
    collected(Where(1, tmp_path / "one"), 3)
    list(run_kept(tasks(6)[3:], rows, Simple, Where(1, tmp_path / "two")))
    for path in (tmp_path / "two").iterdir():
        path.rename(tmp_path / "one" / path.name)
    before = len(list(counted.iterdir()))
    assert len(collected(Where(1, tmp_path / "one"), 6)) == 6
    assert len(list(counted.iterdir())) == before == 6


def test_a_key_names_all_that_a_result_depends_on() -> None:
    plan = Plan((Cell("STAND-0", 2.5, 10.0, 0.0, True),), 40)
    keys = [t.key for t in plan_tasks(plan, Config())]
    assert len(set(keys)) == 8  # other seeds
    assert keys == [t.key for t in plan_tasks(plan, Config())]
    other = Config(judge=Judge(critical_ttc_s=1.9))
    assert not set(keys) & {t.key for t in plan_tasks(plan, other)}


def test_where_nothing_can_be_kept_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot keep results"):
        Parts(tmp_path / "file" / "out", Simple)


PLAN = Plan((Cell("STAND-0", 2.5, 10.0, 0.0, True), Cell("SAME-SPEED", 2.5, 10.0, 0.0, True)), 40)


def test_a_grid_is_the_same_from_one_process_from_two_and_from_what_was_kept(tmp_path: Path) -> None:
    alone = list(run_plan(PLAN, Config(), where=Where(1)))
    assert [c.seeds for c in alone] == [40, 40]
    assert list(run_plan(PLAN, Config(), where=Where(2, tmp_path / "out"))) == alone
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 16
    assert list(run_plan(PLAN, Config(), where=Where(2, tmp_path / "out"))) == alone


def test_a_task_that_fails_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rearguard.lab.scenarios import grid

    plain = grid.run

    def broken(cell: Cell, seed: int, *others: Any) -> object:
        if cell.scenario == "STAND-0" and seed == 25:
            raise BadInput("not this one")
        return plain(cell, seed, *others)

    monkeypatch.setattr(grid, "run", broken)
    failures = Failures()
    found = list(run_plan(PLAN, Config(), where=Where(1, tmp_path), failures=failures))
    assert [c.seeds for c in found] == [35, 40]
    assert failures.lines == ["STAND-0 2.5 m/s, seeds 25 to 29: not this one"]


# ── on a cluster ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[Popen[bytes]]]]:
    """A Dask scheduler with workers of one thread on loopback, each in a process of its own."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed (extra `cluster`)")
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": DEVNULL, "stderr": DEVNULL, "start_new_session": True}
    head = [executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    running = [Popen([*head, "--no-dashboard"], **quiet)]  # type: ignore[call-overload]
    worker = [executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    # Each beside a nanny, which starts it anew when it dies.
    running += [Popen([*worker, "--host", "127.0.0.1"], **quiet) for _ in range(workers)]  # type: ignore[call-overload]
    try:
        yield address, running
    finally:
        for process in reversed(running):  # with what a nanny started
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def worker_pids(address: str, count: int) -> list[int]:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
        return list(client.run(os.getpid).values())


@pytest.mark.slow
def test_a_cluster_gives_the_same_table_although_a_worker_is_killed(tmp_path: Path) -> None:
    alone = list(run_plan(PLAN, Config(), where=Where(1)))
    with cluster(2) as (address, _):
        victim = worker_pids(address, 2)[0]
        found = run_plan(PLAN, Config(), where=Where(out=tmp_path, cluster=address))
        os.kill(victim, signal.SIGKILL)
        assert list(found) == alone
    assert len(list(tmp_path.glob("*.parquet"))) == 16


@pytest.mark.slow
def test_what_a_killed_worker_had_finished_is_computed_again(tmp_path: Path) -> None:
    """Results lie on the workers until they are asked for."""
    alone = list(run_plan(PLAN, Config(), where=Where(1)))
    with cluster(2) as (address, _):
        victims = worker_pids(address, 2)
        found = run_plan(PLAN, Config(), where=Where(out=tmp_path, cluster=address))
        first = next(found)
        time.sleep(_ALL_FINISHED_S)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        assert [first, *found] == alone


def test_a_scheduler_that_does_not_answer_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed (extra `cluster`)")
    from rearguard.lab.tasks import cluster as module

    monkeypatch.setattr(module, "_CONNECT_S", 1)
    with pytest.raises(PartFailed, match="no Dask scheduler answers"):
        list(run_kept(tasks(1), rows, Simple, Where(cluster="tcp://127.0.0.1:9")))


def test_dask_is_not_imported_without_a_cluster() -> None:
    import subprocess

    code = (
        "import sys; import rearguard.lab.tasks.kept; assert not {'dask', 'distributed'} & sys.modules.keys()"
    )
    subprocess.run([executable, "-c", code], check=True, timeout=60)
