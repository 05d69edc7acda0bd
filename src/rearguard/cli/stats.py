"""`rearguard stats`: the trend over weeks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.journal import journal_option, open_journal, words

if TYPE_CHECKING:
    from rearguard.journal.summary import Week

_EPILOG = """
\b
Examples:
  rearguard stats --weeks 26
  rearguard stats --device pi-1 --json
"""
_COLUMNS = (
    "week of", "outings", "worn", "near misses", "critical", "per hour", "", "least TTC", "median TTC",
    "median lead", "false alarms",
)  # fmt: skip
_BARS = " ▁▂▃▄▅▆▇█"


@click.command("stats", epilog=_EPILOG)
@click.option(
    "--weeks", "count", type=click.IntRange(1, 520), default=12, show_default=True, help="How many."
)
@click.option(
    "--device", type=words, metavar="NAME", help="Only this device, in a journal merged from several."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
@journal_option
def stats(count: int, device: str | None, as_json: bool, journal: Path | None) -> None:
    """Show the trend, week by week: near misses per hour worn, least and median time to collision, warning
    lead time, and how many of those you marked were false alarms."""
    from rearguard.journal.summary import weeks

    with open_journal(journal) as opened:
        found = weeks(opened, count, datetime.now().astimezone(), device)
        folder = opened.folder
    if as_json:
        import msgspec

        from rearguard.review import jsonable

        click.echo(jsonable.dumps(msgspec.to_builtins(found)))
    elif any(_worn(week) for week in found):
        _print_table(found)
    else:
        click.echo(f"Nothing was worn in these {count} weeks, says {folder}.")


def _print_table(found: list[Week]) -> None:
    from rich.text import Text

    from rearguard.review.terminal import show_table

    most = max((week.per_hour or 0.0 for week in found), default=0.0)
    rows = [[Text(cell, "" if _worn(week) else "dim") for cell in _cells(week, most)] for week in found]
    show_table(
        {name: [row[n] for row in rows] for n, name in enumerate(_COLUMNS)},
        keys=("week of",),
        right=set(_COLUMNS) - {"week of", ""},
    )


def _worn(week: Week) -> bool:
    return bool(week.outings or week.near_misses)


def _cells(week: Week, most: float) -> list[str]:
    """One week under `_COLUMNS`; `most` near misses per hour have the longest bar."""
    from rearguard.review.text import minutes, rate, seconds

    if not _worn(week):
        return [week.monday, "–", *[""] * (len(_COLUMNS) - 2)]
    bar = _BARS[round((week.per_hour or 0.0) / most * 8)] if most else " "
    said = f"{week.false_alarms} of {week.judged}" if week.judged else "–"
    return [
        week.monday, str(week.outings), minutes(week.worn_s), str(week.near_misses), str(week.critical),
        rate(week.per_hour), bar, seconds(week.least_ttc_s), seconds(week.median_ttc_s),
        seconds(week.median_lead_s), said,
    ]  # fmt: skip
