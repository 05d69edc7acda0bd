"""`rearguard report --html FILE`: a page to keep or hand on."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.cli.filters import near_miss_options
from rearguard.cli.journal import journal_option, open_journal, spare_journal
from rearguard.cli.options import PLACE
from rearguard.errors import NotFound
from rearguard.journal.db.rows import Filter
from rearguard.output import check_output, output

_EPILOG = """
\b
Examples:
  rearguard report --html sunday.html --outing 12
  rearguard report --html season.html --since 2026-04-01 --no-pictures
"""


@click.command("report", epilog=_EPILOG)
@click.option("--html", type=PLACE, required=True, metavar="FILE", help="The page to write.")
@near_miss_options
@click.option("--no-pictures", is_flag=True, help="Numbers and curves only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a sentence.")
@journal_option
def report(html: Path, wanted: Filter, no_pictures: bool, as_json: bool, journal: Path | None) -> None:
    """Write a page of an outing or a range: timeline, table, pictures, time to collision over time.

    The page holds everything itself, loads nothing and runs no script. Exit code 1 when nothing fits.
    """
    from rearguard.review.page import page

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
        from rearguard.review.text import megabytes

        click.echo(f"{html}: {megabytes(size)}")
