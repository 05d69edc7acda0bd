"""`rearguard report --html FILE`: a page to keep or hand on."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.cli.journal import ID, journal_option, open_journal, spare_journal, words
from rearguard.errors import NotFound
from rearguard.journal.rows import Filter
from rearguard.output import check_output, output
from rearguard.words import Level

_EPILOG = """
\b
Examples:
  rearguard report --html sunday.html --outing 12
  rearguard report --html season.html --since 2026-04-01 --no-pictures
"""


@click.command("report", epilog=_EPILOG)
@click.option(
    "--html", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The page to write."
)
@click.option("--outing", type=ID, metavar="N", help="Only this outing.")
@click.option("--since", metavar="WHEN", help="From this moment on: 2026-11-21, yesterday, 7d.")
@click.option("--until", metavar="WHEN", help="Before this moment.")
@click.option(
    "--level", type=click.Choice(["caution", "critical"], case_sensitive=False), help="At least this urgent."
)
@click.option("--device", type=words, metavar="NAME", help="Only this device.")
@click.option("--no-pictures", is_flag=True, help="Numbers and curves only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a sentence.")
@journal_option
def report(
    html: Path,
    outing: int | None,
    since: str | None,
    until: str | None,
    level: str | None,
    device: str | None,
    no_pictures: bool,
    as_json: bool,
    journal: Path | None,
) -> None:
    """Write a page of an outing or a range: timeline, table, pictures, time to collision over time.

    The page holds everything itself, loads nothing and runs no script. Exit code 1 when nothing fits.
    """
    from rearguard.review.page import page
    from rearguard.review.text import parse_moment

    wanted = Filter(
        since_s=parse_moment(since) if since is not None else None,
        until_s=parse_moment(until) if until is not None else None,
        level=Level[level.upper()] if level else None,
        outing=outing,
        device=device,
    )
    check_output(html)
    size = 0
    with open_journal(journal) as opened:
        if not opened.near_misses(wanted, 1):
            raise NotFound(f"no near miss in {opened.folder} fits; nothing written")
        spare_journal(html, opened.folder)
        # The pictures are of people: nobody but the owner and the group may read them here either.
        with output(html, mode=0o640) as file:
            for piece in page(opened, wanted, pictures=not no_pictures):
                size += file.write(piece.encode())
    if as_json:
        import json

        click.echo(json.dumps({"html": str(html), "bytes": size}))
    else:
        click.echo(f"{html}: {size / 1e6:.1f} MB")
