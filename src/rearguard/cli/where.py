"""Options of commands whose work is many tasks: how many processes, on which cluster, and where results are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from rearguard.cli.options import FOLDER


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--jobs, --out and --cluster, handed on as one `where`."""

    @wraps(command)
    def gathered(*args: Any, jobs: int | None, out: Path | None, cluster: str | None, **others: Any) -> Any:
        from rearguard.lab.tasks.kept import Where

        return command(*args, where=Where(jobs or 0, out, cluster), **others)

    options = (
        click.option("--jobs", type=click.IntRange(1, 256), help="Processes; by default one a core."),
        click.option(
            "--out",
            type=FOLDER,
            help="Keep each task's result in this folder, and compute none that is there.",
        ),
        click.option(
            "--cluster",
            metavar="ADDRESS",
            help="A Dask scheduler; else DASK_SCHEDULER_ADDRESS, else this machine.",
        ),
    )
    for option in reversed(options):
        gathered = option(gathered)
    return gathered
