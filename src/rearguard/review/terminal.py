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
    import click

    os.environ.setdefault("LESS", "FRX")
    # Not rich's own pager: from Python 3.13 on, pydoc under it overrules $LESS, and short lists would wait for a key.
    with console().capture() as printed:
        console().print(table)
    click.echo_via_pager(printed.get(), color=True)


def columns() -> int:
    """Width to draw in."""
    return max(40, shutil.get_terminal_size((100, 30)).columns)
