"""One progress bar for everything that takes a while: on stderr while it lasts, nothing where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rearguard.lab.tasks.kept import Where
    from rearguard.lab.tasks.pool import Task

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)


class Bar:
    """A bar's progress: `advance` by so many steps, or `done` steps of `of`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1) -> None:
        self._progress.advance(self._task, steps)

    def reach(self, done: int, of: int | None) -> None:
        self._progress.update(self._task, completed=done, total=of)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Bar]:
    """A bar to be told of each step; `total` may become known later."""
    with _progress() as progress:
        yield Bar(progress, progress.add_task(what, total=total))


def over(things: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """The same items, with a bar that follows them."""
    with _progress() as progress:
        if progress.disable:
            yield from things
        else:
            yield from progress.track(things, total=total, description=what)


def run_tasks_shown(
    tasks: Sequence[Task[T]], function: Callable[[T], list[R]], row: type[R], where: Where, what: str
) -> tuple[list[R], list[str]]:
    """Run tasks that give one `row` each, under a bar: the rows in the order of the tasks, a line for each that failed.

    Raises what `run_kept` raises.
    """
    from rearguard.lab.tasks.kept import run_kept
    from rearguard.text import clean

    order = {task.key: n for n, task in enumerate(tasks)}
    rows: dict[int, R] = {}
    failed: dict[int, str] = {}
    with progress_bar(what, len(tasks)) as bar:
        for done in run_kept(tasks, function, row, where):
            bar.advance()
            if done.error is not None:
                failed[order[done.task.key]] = clean(f"{done.task.name}: {done.error}", 500)
            elif done.result:
                rows[order[done.task.key]] = done.result[0]
    return [rows[n] for n in sorted(rows)], [failed[n] for n in sorted(failed)]


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
