"""Which near misses: the options that every command takes which reads them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rearguard.cli.journal import ID, words
from rearguard.cli.values import labels
from rearguard.journal.db.rows import Filter
from rearguard.types import Level

if TYPE_CHECKING:
    from rearguard.journal.db.store import Journal

_NEVER_SET_S = 978_307_200.0  # 2001: a clock before it was never set

_OPTIONS = (
    click.option(
        "--since", metavar="WHEN", help="From this moment on: 2026-11-21, '2026-11-21 14:30', yesterday, 7d."
    ),
    click.option("--until", metavar="WHEN", help="Before this moment."),
    click.option(
        "--level",
        type=click.Choice(["caution", "critical"], case_sensitive=False),
        help="At least this urgent; every near miss is at least a CAUTION.",
    ),
    click.option(
        "--label",
        type=words,
        metavar="NAME",
        shell_complete=labels,
        help="Only these things: person, bicycle, dog, ...",
    ),
    click.option("--outing", type=ID, metavar="N", help="Only this outing."),
    click.option(
        "--device", type=words, metavar="NAME", help="Only this device, in a journal merged from several."
    ),
)


def near_miss_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a click command: it takes these options and is called with `wanted`, the filter they make."""

    @functools.wraps(command)
    def call(
        *args: Any,
        since: str | None,
        until: str | None,
        level: str | None,
        label: str | None,
        outing: int | None,
        device: str | None,
        **more: Any,
    ) -> Any:
        from rearguard.review.text import parse_moment

        wanted = Filter(
            since_s=parse_moment(since) if since is not None else None,
            until_s=parse_moment(until) if until is not None else None,
            level=Level[level.upper()] if level else None,
            label=label,
            outing=outing,
            device=device,
        )
        return command(*args, wanted=wanted, **more)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call


def say_undated(journal: Journal, wanted: Filter) -> None:
    """Name on stderr what --since leaves out only because the device did not know the time: such rows say 1970."""
    if wanted.since_s is None:
        return
    (row,) = journal.select(
        "SELECT count(*) AS n FROM near_miss WHERE wall_s < ? AND NOT clock_synced AND NOT wall_corrected",
        [min(wanted.since_s, _NEVER_SET_S)],
    )
    if row["n"]:
        click.echo(
            f"rearguard: {row['n']} near misses have no date, the device's clock was not set: see them with "
            "`rearguard log --until 2001-01-01`",
            err=True,
        )
