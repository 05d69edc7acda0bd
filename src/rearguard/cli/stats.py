"""`rearguard stats`: the trend over weeks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.journal import journal_option, open_journal, words

if TYPE_CHECKING:
    from rearguard.journal.trends import Group, Week

_EPILOG = """
\b
Examples:
  rearguard stats --weeks 26
  rearguard stats --by weekday --since 90d
  rearguard stats --device pi-1 --json
"""
_COLUMNS = (
    "week of", "outings", "worn", "passed", "near misses", "critical", "per hour", "", "per km", "least TTC",
    "median TTC", "median lead", "false alarms",
)  # fmt: skip
_BARS = " ▁▂▃▄▅▆▇█"


@click.command("stats", epilog=_EPILOG)
@click.option(
    "--weeks", "count", type=click.IntRange(1, 520), default=12, show_default=True, help="How many."
)
@click.option(
    "--device", type=words, metavar="NAME", help="Only this device, in a journal merged from several."
)
@click.option(
    "--by",
    type=click.Choice(["week", "month", "weekday", "device", "label"]),
    default="week",
    show_default=True,
    help="What each row is.",
)
@click.option("--since", metavar="WHEN", help="With --by, but for weeks: from this moment on, e.g. 90d.")
@click.option("--until", metavar="WHEN", help="With --by, but for weeks: before this moment.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
@journal_option
def stats(
    count: int,
    device: str | None,
    by: str,
    since: str | None,
    until: str | None,
    as_json: bool,
    journal: Path | None,
) -> None:
    """Show the trend, week by week: near misses per hour worn, least and median time to collision, warning
    lead time, how many of those you marked were false alarms, and what passed near, warned of or not. Kilometres are
    the time worn at 2.5 m/s: the way is not measured."""
    from rearguard.journal.trends import groups, weeks
    from rearguard.review.text import parse_moment

    if by == "week" and (since or until):
        raise click.UsageError(
            "--since and --until go with --by month, weekday, device or label; weeks: --weeks N"
        )
    found: Sequence[Week | Group]
    with open_journal(journal) as opened:
        if by == "week":
            found = weeks(opened, count, datetime.now().astimezone(), device)
        else:
            found = groups(
                opened,
                by,
                since_s=parse_moment(since) if since else None,
                until_s=parse_moment(until) if until else None,
                device=device,
            )
        folder = opened.folder
    if as_json:
        import msgspec

        from rearguard.review import jsonable

        click.echo(jsonable.dumps(msgspec.to_builtins(found)))
    elif any(_worn(week) for week in found):
        _print_table(found, "week of" if by == "week" else by)
    else:
        span = f"these {count} weeks" if by == "week" else "that time"
        click.echo(f"Nothing was worn in {span}, says {folder}.")


def _print_table(found: Sequence[Week | Group], first: str) -> None:
    from rich.text import Text

    from rearguard.review.terminal import show_table

    most = max((week.per_hour or 0.0 for week in found), default=0.0)
    rows = [[Text(cell, "" if _worn(week) else "dim") for cell in _cells(week, most)] for week in found]
    show_table(
        {name: [row[n] for row in rows] for n, name in enumerate((first, *_COLUMNS[1:]))},
        keys=(first,),
        right=set(_COLUMNS[1:]) - {""},
    )


def _worn(week: Week | Group) -> bool:
    return bool(week.outings or week.near_misses)


def _cells(week: Week | Group, most: float) -> list[str]:
    """One week under `_COLUMNS`; `most` near misses per hour have the longest bar."""
    from rearguard.review.text import minutes, rate, seconds

    name = str(getattr(week, "monday", "") or getattr(week, "name", ""))
    if not _worn(week):
        return [name, "–", *[""] * (len(_COLUMNS) - 2)]
    bar = _BARS[round((week.per_hour or 0.0) / most * 8)] if most else " "
    said = f"{week.false_alarms} of {week.judged}" if week.judged else "–"
    return [
        name, str(week.outings), minutes(week.worn_s), str(week.passages), str(week.near_misses),
        str(week.critical), rate(week.per_hour), bar, rate(week.per_km), seconds(week.least_ttc_s),
        seconds(week.median_ttc_s), seconds(week.median_lead_s), said,
    ]  # fmt: skip
