"""The same tasks on a Dask cluster: extra `cluster`, imported only when one is named."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from rearguard.errors import BadInput, PartFailed
from rearguard.lab.tasks.parts import program_digest
from rearguard.lab.tasks.pool import MAX_DEATHS, Done, Task, call

T = TypeVar("T")
R = TypeVar("R")

_CONNECT_S = 20


def run_on_cluster(
    tasks: Sequence[Task[T]], function: Callable[[T], R], address: str
) -> Iterator[Done[T, R]]:
    """As `pool.run_tasks`, by the workers of the scheduler at `address`; rearguard must be installed there.

    Raises `BadInput` where Dask is not installed, `PartFailed` where nobody answers or the scheduler is lost.
    """
    if not tasks:
        return
    try:
        from dask.distributed import Client, KilledWorker, as_completed
    except ImportError as e:
        raise BadInput("--cluster needs Dask: pip install 'rearguard[cluster]'") from e
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as e:
        raise PartFailed(f"{address}: no Dask scheduler answers there: {e}") from e
    # Results that are lost come again; nobody need know.
    logging.getLogger("distributed.client").setLevel(logging.ERROR)
    with client:
        client.run_on_scheduler(_allow_deaths)
        known = {f"rearguard-{task.key}": task for task in tasks}
        futures = [
            client.submit(_call_there, program_digest(), function, task.what, key=key, pure=False, retries=0)
            for key, task in known.items()
        ]
        for future in as_completed(futures, loop=client.loop):
            task = known[future.key]
            # What a worker had finished and dies with is computed again: both calls wait for that.
            error = future.exception()
            if error is None:
                yield Done(task, *future.result())
            elif isinstance(error, KilledWorker):
                yield Done(task, None, f"{MAX_DEATHS} workers died of it ({error.last_worker.address})")
            else:
                yield Done(task, None, f"{type(error).__name__}: {error}")
            future.release()


def _call_there(program: str, function: Callable[[Any], R], what: Any) -> tuple[R | None, str | None]:
    """On the worker: refuse to mix what two versions compute."""
    if program_digest() != program:
        host = socket.gethostname()
        return None, f"the worker on {host} has another rearguard; install the same everywhere"
    return call(function, what)


def _allow_deaths(dask_scheduler: Any) -> None:
    """A task is given up after as many deaths as on one machine; Dask counts those that it forgives.

    It counts also those of workers that had the task only in their queue: so there is none.
    """
    dask_scheduler.allowed_failures = MAX_DEATHS - 1
    dask_scheduler.WORKER_SATURATION = 1.0
