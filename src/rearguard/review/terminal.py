"""What the terminal at the other end can do."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_COLUMNS = 160


@cache
def console() -> Console:
    """Standard output through rich: coloured on a terminal, plain and unwrapped in a pipe."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, highlight=False, markup=False, emoji=False)


def show(table: RenderableType) -> None:
    """Print; what is longer than the terminal goes through a pager, as git does."""
    import os
    import sys

    if not sys.stdout.isatty():
        console().print(table)
        return
    os.environ.setdefault("LESS", "FRX")
    with console().pager(styles=True):
        console().print(table)


def columns() -> int:
    """Width to draw in."""
    return max(40, shutil.get_terminal_size((100, 30)).columns)
