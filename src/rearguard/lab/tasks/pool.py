"""Tasks on all cores. A worker that dies (out of memory, a crash in native code, somebody's kill) costs its task a
second try in a new worker; a task that three workers died of is given up and named, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from rearguard.errors import RearguardError

T = TypeVar("T")
R = TypeVar("R")

MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One piece of work. `key` is the same for the same work, `name` is for people, `what` can be pickled."""

    key: str
    name: str
    what: T


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """A task that ended: with its result, or with one line on why there is none."""

    task: Task[T]
    result: R | None
    error: str | None = None


def run_tasks(tasks: Sequence[Task[T]], function: Callable[[T], R], *, jobs: int = 0) -> Iterator[Done[T, R]]:
    """Call `function` with each task's `what`, in `jobs` processes (0: one a core), and give each as it ends.

    `function` is found by its name in a new process. With one job it all happens in this process.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(tasks))
    if jobs <= 1:
        for task in tasks:
            yield Done(task, *call(function, task.what))
        return
    yield from _Pool(tasks, function, jobs).run()


def call(function: Callable[[Any], R], what: Any) -> tuple[R | None, str | None]:
    """The result of a task, or what went wrong in one line; a mistake of ours keeps its place in the code."""
    try:
        return function(what), None
    except RearguardError as e:
        return None, str(e)
    except Exception as e:
        where = traceback.extract_tb(e.__traceback__)[-1]
        place = f"{where.name}, line {where.lineno} of {os.path.basename(where.filename)}"
        return None, f"{type(e).__name__}: {e} ({place})"


@dataclass(eq=False)
class _Worker:
    process: Any
    wire: Connection
    at: int | None = None  # the task it is at


@dataclass
class _Pool(Generic[T, R]):
    tasks: Sequence[Task[T]]
    function: Callable[[T], R]
    jobs: int
    waiting: deque[int] = field(default_factory=deque)
    deaths: dict[int, int] = field(default_factory=dict)
    workers: list[_Worker] = field(default_factory=list)

    def run(self) -> Iterator[Done[T, R]]:
        self.waiting.extend(range(len(self.tasks)))
        left = len(self.tasks)
        try:
            while left:
                self._employ()
                for done in self._hear():
                    left -= 1
                    yield done
        finally:
            for worker in self.workers:
                worker.wire.close()
                worker.process.terminate()
            for worker in self.workers:
                worker.process.join(5)

    def _employ(self) -> None:
        """As many workers as there is work for, each at something."""
        busy = sum(w.at is not None for w in self.workers)
        while len(self.workers) < min(self.jobs, busy + len(self.waiting)):
            self.workers.append(_hire(self.function))
        for worker in [w for w in self.workers if w.at is None]:
            if not self.waiting:
                break
            number = self.waiting.popleft()
            try:
                worker.wire.send(self.tasks[number].what)
            except OSError:  # dead before it began: no fault of the task
                self.waiting.appendleft(number)
                self._bury(worker)
                continue
            worker.at = number

    def _hear(self) -> Iterator[Done[T, R]]:
        """What has come from the workers; waits for something."""
        heard = wait([w.wire for w in self.workers if w.at is not None], timeout=1.0)
        for worker in [w for w in self.workers if w.wire in heard]:
            assert worker.at is not None
            task = self.tasks[worker.at]
            try:
                result, error = worker.wire.recv()
            except (EOFError, OSError):
                yield from self._mourn(worker)
                continue
            worker.at = None
            yield Done(task, result, error)

    def _mourn(self, worker: _Worker) -> Iterator[Done[T, R]]:
        """A worker died at its task, which is tried again unless too many have died of it."""
        number = worker.at
        assert number is not None
        how = self._bury(worker)
        self.deaths[number] = self.deaths.get(number, 0) + 1
        if self.deaths[number] < MAX_DEATHS:
            self.waiting.append(number)
        else:
            yield Done(self.tasks[number], None, f"{MAX_DEATHS} workers died of it ({how})")

    def _bury(self, worker: _Worker) -> str:
        self.workers.remove(worker)
        worker.wire.close()
        worker.process.join(5)
        code = worker.process.exitcode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"


def _hire(function: Callable[[Any], Any]) -> _Worker:
    # Not a fork of this process, which has threads (a progress bar, native code's own).
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(wire: Connection, function: Callable[[Any], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    while True:
        try:
            what = wire.recv()
        except (EOFError, OSError):
            return
        wire.send(call(function, what))
