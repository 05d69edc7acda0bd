"""`rearguard log`: the near misses, newest first."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.cli.journal import journal_option, open_journal
from rearguard.journal.rows import Filter, NearMissRow
from rearguard.words import Level

_EPILOG = """
\b
Examples:
  rearguard log                         the newest 20
  rearguard log --since 7d --level critical
  rearguard log --label bicycle --outing 12 --limit 100
  ssh runner@pi rearguard log --json | jq '.[].min_ttc_s'
"""
_STYLE = {"CRITICAL": "bold red", "CAUTION": "yellow", "NOTICE": "cyan"}


@click.group("log", invoke_without_command=True, epilog=_EPILOG)
@click.option(
    "--since", metavar="WHEN", help="From this moment on: 2026-11-21, '2026-11-21 14:30', yesterday, 7d."
)
@click.option("--until", metavar="WHEN", help="Before this moment.")
@click.option(
    "--level",
    type=click.Choice(["caution", "critical"], case_sensitive=False),
    help="At least this urgent; every near miss is at least a CAUTION.",
)
@click.option("--label", metavar="NAME", help="Only these things: person, bicycle, dog, ...")
@click.option("--outing", type=int, metavar="N", help="Only this outing.")
@click.option("--device", metavar="NAME", help="Only this device, in a journal merged from several.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
@journal_option
@click.pass_context
def log(
    ctx: click.Context,
    since: str | None,
    until: str | None,
    level: str | None,
    label: str | None,
    outing: int | None,
    device: str | None,
    limit: int,
    as_json: bool,
    journal: Path | None,
) -> None:
    """List near misses, newest first.

    A `?` after the time says that the device's clock was not set; a `~` that the time was put right later.
    """
    if ctx.invoked_subcommand is not None:
        return
    from rearguard.review.text import parse_moment

    wanted = Filter(
        since_s=parse_moment(since) if since else None,
        until_s=parse_moment(until) if until else None,
        level=Level[level.upper()] if level else None,
        label=label,
        outing=outing,
        device=device,
    )
    with open_journal(journal) as opened:
        rows = opened.near_misses(wanted, limit)
        if as_json:
            from rearguard.review import jsonable

            click.echo(jsonable.dumps([jsonable.near_miss(row) for row in rows]))
        elif rows:
            _print_table(rows)
        elif wanted == Filter():
            click.echo(f"No near misses yet in {opened.folder}. Try `rearguard demo`, or go for a run.")
        else:
            click.echo("No near miss fits; try fewer filters.")


def _print_table(rows: list[NearMissRow]) -> None:
    from rich.table import Table
    from rich.text import Text

    from rearguard.review.terminal import console
    from rearguard.review.text import clean, metres, seconds, when

    devices = len({row.device for row in rows}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, right in (
        ("id", True), ("when", False), ("level", False), ("what", False), ("side", False),
        ("least TTC", True), ("range", True), ("lead", True), ("outing", True), ("kept", False),
    ):  # fmt: skip
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    if devices:
        table.add_column("device", no_wrap=True)
    for row in rows:
        cells: list[str | Text] = [
            str(row.id), when(row), Text(row.level_name, _STYLE.get(row.level_name, "")), clean(row.label, 20),
            clean(row.side, 8), seconds(row.min_ttc_s), metres(row.range_m), seconds(row.lead_time_s),
            str(row.outing), _kept(row),
        ]  # fmt: skip
        table.add_row(*[Text(c) if isinstance(c, str) else c for c in cells], *_device(row, devices))
    console().print(table)


def _device(row: NearMissRow, wanted: bool) -> list[str]:
    from rich.markup import escape

    from rearguard.review.text import clean

    return [escape(clean(row.device, 20))] if wanted else []


def _kept(row: NearMissRow) -> str:
    return "clip" if "clip" in row.media else "picture" if "picture" in row.media else "–"
