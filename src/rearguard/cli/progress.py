"""One progress bar for everything that takes a while: on stderr while it lasts, nothing where that is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")


class Bar:
    """What to tell a bar: `advance` by so many steps, or that `done` of `of` are there."""

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
    """The same things, with a bar that follows them."""
    with _progress() as progress:
        if progress.disable:
            yield from things
        else:
            yield from progress.track(things, total=total, description=what)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
