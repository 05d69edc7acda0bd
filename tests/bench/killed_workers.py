"""A grid while its workers are killed: the same table, nothing twice, nothing lost; and what the cluster costs.

    python tests/bench/killed_workers.py --seeds 400 --every 20

Runs the representative grid in one process, in a pool and on a Dask cluster of three loopback workers, and kills one
worker with SIGKILL every so many seconds in the last two. Says how long each took, how often a task was computed and
how much memory a worker had at most.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rearguard.config import Config
from rearguard.lab.scenarios.grid import CellResult, Failures, Plan, plan_tasks, representative, run_plan
from rearguard.lab.tasks.kept import Where

WORKERS = 3


@contextmanager
def killing(pids: Callable[[], list[int]], every_s: float, told: dict[str, int]) -> Iterator[None]:
    """Kill one of these every so often, and watch how much memory they take."""
    stop = threading.Event()
    chance = random.Random(1)

    def work() -> None:
        next_s = time.monotonic() + every_s
        while not stop.wait(0.5):
            with suppress(Exception):
                alive = pids()
                told["memory"] = max(told["memory"], *(rss_mb(pid) for pid in alive))
                if time.monotonic() >= next_s and alive:
                    os.kill(chance.choice(alive), signal.SIGKILL)
                    told["killed"] += 1
                    next_s = time.monotonic() + every_s

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def rss_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def children(parent: int) -> list[int]:
    """All processes below one."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for pid in map(int, task.read_text().split()):
            found += [pid, *children(pid)]
    return found


@contextmanager
def cluster() -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """A scheduler and workers on loopback, each beside the nanny that starts it anew."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    port = address.rpartition(":")[2]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    module = [sys.executable, "-m"]
    head = [
        *module,
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--no-dashboard",
    ]
    worker = [*module, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    running = [subprocess.Popen(head, **quiet)]  # type: ignore[call-overload]
    nannies = [subprocess.Popen([*worker, "--host", "127.0.0.1"], **quiet) for _ in range(WORKERS)]  # type: ignore[call-overload]
    try:
        from distributed import Client

        with Client(address, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(WORKERS, timeout=120)
        yield address, lambda: [pid for nanny in nannies for pid in children(nanny.pid) if is_worker(pid)]
    finally:
        for process in [*nannies, *running]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def is_worker(pid: int) -> bool:
    """The nanny's child that computes, not multiprocessing's helper."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def measured(name: str, plan: Plan, where: Where, stack: ExitStack, told: dict[str, int]) -> list[CellResult]:
    failures = Failures()
    began = time.monotonic()
    found = list(run_plan(plan, Config(), where=where, failures=failures))
    took_s = time.monotonic() - began
    runs = sum(c.seeds for c in found)
    stack.close()
    print(
        f"{name}: {runs} runs in {took_s:.0f} s, {told['killed']} workers killed, at most {told['memory']} MB each, "
        f"{len(failures.lines)} tasks given up",
        flush=True,
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=400, help="runs a cell, of 25 cells")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between kills")
    args = parser.parse_args()
    plan = Plan(representative().cells, args.seeds)
    print(f"{len(plan_tasks(plan, Config()))} tasks", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        alone = measured(
            "one process", plan, Where(1), ExitStack(), {"killed": 0, "memory": rss_mb(os.getpid())}
        )
        same = True
        with ExitStack() as stack:
            told = {"killed": 0, "memory": 0}
            pids = lambda: [p.pid for p in multiprocessing.active_children() if p.pid]  # noqa: E731
            stack.enter_context(killing(pids, args.every, told))
            same &= measured("pool", plan, Where(WORKERS, Path(folder, "pool")), stack, told) == alone
        with ExitStack() as stack:
            told = {"killed": 0, "memory": 0}
            address, of_cluster = stack.enter_context(cluster())
            stack.enter_context(killing(of_cluster, args.every, told))
            where = Where(out=Path(folder, "dask"), cluster=address)
            same &= measured("cluster", plan, where, stack, told) == alone
        names = [{p.name for p in Path(folder, n).iterdir()} for n in ("pool", "dask")]
        same &= names[0] == names[1] == {f"{t.key}.parquet" for t in plan_tasks(plan, Config())}
    print("the same table each time, nothing lost" if same else "THE TABLES DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
