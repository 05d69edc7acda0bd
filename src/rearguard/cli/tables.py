"""Tables of figures on standard output, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    left: Container[str] = (),
    title: str | None = None,
    no_wrap: bool = False,
    pipe_columns: int = 140,
) -> None:
    """Print rows under their columns: numbers to the right, the `left` ones to the left.

    A pipe gets lines of `pipe_columns` characters. Rich reads marks such as [red] in a plain string, not in a `Text`.
    """
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=no_wrap)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else pipe_columns).print(table)
