"""How a command runs its tasks: here or on a cluster, with or without keeping the results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from rearguard.lab.tasks.parts import Parts
from rearguard.lab.tasks.pool import Done, Task, run_tasks

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Where:
    """Where tasks run: `jobs` processes here (0: one a core), or on the Dask scheduler at `cluster`; results are kept
    in `out`, if there is one. Without `cluster` the environment's DASK_SCHEDULER_ADDRESS counts."""

    jobs: int = 0
    out: Path | None = None
    cluster: str | None = None

    @property
    def scheduler(self) -> str | None:
        """The address of the scheduler, None for this machine."""
        return self.cluster or os.environ.get("DASK_SCHEDULER_ADDRESS") or None


def run_kept(
    tasks: Sequence[Task[T]], function: Callable[[T], list[R]], row: type[R], where: Where
) -> Iterator[Done[T, list[R]]]:
    """Each task as it ends, in any order, those whose result is there first. A task's result is a list of `row`.

    Raises `BadInput` where results cannot be kept or Dask is missing, `PartFailed` without a scheduler.
    """
    parts = Parts(where.out, row) if where.out is not None else None
    left = []
    for task in tasks:
        kept = parts.read(task.key) if parts is not None else None
        if kept is None:
            left.append(task)
        else:
            yield Done(task, kept)
    if where.scheduler is not None:
        from rearguard.lab.tasks.cluster import run_on_cluster

        running = run_on_cluster(left, function, where.scheduler)
    else:
        running = run_tasks(left, function, jobs=where.jobs)
    for done in running:
        if parts is not None and done.result is not None:
            parts.write(done.task.key, done.result)
        yield done
