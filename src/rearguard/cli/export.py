"""`rearguard export`: the journal as tables for other programs."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from rearguard.cli.journal import ID, journal_option, open_journal, spare_journal, words
from rearguard.errors import BadInput
from rearguard.journal.rows import Filter
from rearguard.output import check_output
from rearguard.output import output as open_output
from rearguard.words import Level

if TYPE_CHECKING:
    from rearguard.review.export import Row

_EPILOG = """
\b
Examples:
  rearguard export > near-misses.csv
  rearguard export trace --format jsonl --since 7d
  rearguard export --format parquet -o season.parquet
  duckdb -c "select device, label, count(*) from 'season.parquet' group by all"
"""


@click.command("export", epilog=_EPILOG)
@click.argument(
    "table", type=click.Choice(["near_misses", "trace", "outings", "cues", "faults"]), default="near_misses"
)
@click.option(
    "--format", "kind", type=click.Choice(["csv", "jsonl", "parquet"]), help="By default from -o, else csv."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="By default standard output."
)
@click.option("--since", metavar="WHEN", help="From this moment on: 2026-11-21, yesterday, 7d.")
@click.option("--until", metavar="WHEN", help="Before this moment.")
@click.option(
    "--level", type=click.Choice(["caution", "critical"], case_sensitive=False), help="At least this urgent."
)
@click.option("--label", type=words, metavar="NAME", help="Only these things.")
@click.option("--outing", type=ID, metavar="N", help="Only this outing.")
@click.option("--device", type=words, metavar="NAME", help="Only this device.")
@journal_option
def export(
    table: str,
    kind: str | None,
    output: Path | None,
    since: str | None,
    until: str | None,
    level: str | None,
    label: str | None,
    outing: int | None,
    device: str | None,
    journal: Path | None,
) -> None:
    """Write near misses, their traces, outings, cues or faults as CSV, JSON Lines or Parquet.

    Times `*_ns` count from the worst moment of the near miss, `*_s` from the beginning of the outing.
    """
    from rearguard.cli.progress import over
    from rearguard.review.export import count, rows, write_csv, write_jsonl, write_parquet
    from rearguard.review.text import parse_moment

    if output is not None:
        check_output(output)
    wanted = Filter(
        since_s=parse_moment(since) if since is not None else None,
        until_s=parse_moment(until) if until is not None else None,
        level=Level[level.upper()] if level else None,
        label=label,
        outing=outing,
        device=device,
    )
    kind = kind or (output.suffix.lstrip(".") if output else "csv")
    if kind not in ("csv", "jsonl", "parquet"):
        raise BadInput(f"{output}: cannot tell the format from the name; say --format csv, jsonl or parquet")
    if kind == "parquet" and output is None:
        raise BadInput("parquet needs a file: -o FILE")

    def write(found: Iterable[Row], out: TextIO) -> int:
        return write_csv(table, found, out) if kind == "csv" else write_jsonl(found, out)

    def write_text(found: Iterable[Row], file: BinaryIO) -> int:
        out = io.TextIOWrapper(file, encoding="utf-8", newline="")
        written = write(found, out)
        out.flush()
        out.detach()
        return written

    with open_journal(journal) as opened:
        if output is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(encoding="utf-8", newline="")
            write(rows(opened, table, wanted), sys.stdout)
            return
        spare_journal(output, opened.folder)
        total = count(opened, table, wanted) if sys.stderr.isatty() else None
        found = over(rows(opened, table, wanted), table, total)  # a club's whole season takes a while
        with open_output(output) as file:
            written = write_parquet(table, found, file) if kind == "parquet" else write_text(found, file)
    click.echo(f"{output}: {written} rows", err=True)
