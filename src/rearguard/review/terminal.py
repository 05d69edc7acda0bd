"""What the terminal at the other end can do."""

from __future__ import annotations

import shutil
from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_COLUMNS = 160
_GAP = 2  # spaces between columns


@cache
def console() -> Console:
    """Standard output through rich: coloured on a terminal, plain and unwrapped in a pipe."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, highlight=False, markup=False, emoji=False)


def show_table(
    columns: Mapping[str, Sequence[Text | str]], *, keys: Container[str], right: Container[str]
) -> None:
    """Print columns under their names; what is longer than the terminal goes through a pager, as git does.

    A terminal too narrow for all of them gets fewer: the last ones that are not `keys` are left out, and named below.
    No cell is shortened, for half an id is another id. A pipe gets everything. `right` are columns of numbers.
    """
    import os
    import sys

    live = sys.stdout.isatty()
    table = _lines(columns, keys, right, console().width if live else None)
    if not live:
        _print(table)
        return
    import click

    from rearguard.plain import as_written

    os.environ.setdefault("LESS", "FRX")
    # Not rich's own pager: from Python 3.13 on, pydoc under it overrules $LESS, and short lists would wait for a key.
    with console().capture() as printed:
        _print(table)
    click.echo_via_pager(as_written(printed.get(), sys.stdout), color=True)


def _lines(
    columns: Mapping[str, Sequence[Text | str]], keys: Container[str], right: Container[str], most: int | None
) -> Text:
    """The table, in at most `most` columns of the terminal unless the keys alone need more."""
    from rich.text import Text

    whole = {
        name: [Text(name, "bold"), *(Text(c) if isinstance(c, str) else c for c in cells)]
        for name, cells in columns.items()
    }
    widths = {name: max(cell.cell_len for cell in cells) for name, cells in whole.items()}
    left_out: list[str] = []
    for name in reversed(list(columns)):
        if most is None or sum(widths.values()) + _GAP * (len(widths) - 1) <= most:
            break
        if name not in keys:
            del widths[name]
            left_out.insert(0, name)
    lines = []
    for row in zip(*(whole[name] for name in widths), strict=True):
        line = Text()
        for (name, width), cell in zip(widths.items(), row, strict=True):
            space = " " * (width - cell.cell_len)
            line.append(space if name in right else "").append(cell)
            line.append(("" if name in right else space) + " " * _GAP)
        line.rstrip()
        lines.append(line)
    if left_out:
        lines.append(Text(f"(too narrow for {', '.join(name for name in left_out if name)})", "dim"))
    return Text("\n").join(lines)


def _print(table: Text) -> None:
    console().print(table, no_wrap=True, overflow="ignore", crop=False)


def columns() -> int:
    """Width to draw in."""
    return max(40, shutil.get_terminal_size((100, 30)).columns)
