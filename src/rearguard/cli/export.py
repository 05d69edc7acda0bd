"""`rearguard export`: the journal as tables for other programs."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from rearguard.cli.filters import near_miss_options
from rearguard.cli.journal import journal_option, open_journal, spare_journal
from rearguard.cli.options import PLACE
from rearguard.errors import BadInput
from rearguard.journal.db.rows import Filter
from rearguard.output import check_output
from rearguard.output import output as open_output

if TYPE_CHECKING:
    from rearguard.review.columns import Row

_EPILOG = """
\b
Examples:
  rearguard export > near-misses.csv
  rearguard export trace --format jsonl --since 7d
  rearguard export --format parquet -o season.parquet
  rearguard export --partition -o season/       device=…/month=…/: for DuckDB, Polars, Spark
  rearguard export frames -o frames.parquet     every frame of every outing: what was seen and judged
  duckdb -c "select device, label, count(*) from 'season.parquet' group by all"
"""


@click.command("export", epilog=_EPILOG)
@click.argument(
    "table",
    type=click.Choice(["near_misses", "trace", "passages", "outings", "cues", "faults", "frames"]),
    default="near_misses",
)
@click.option(
    "--format", "kind", type=click.Choice(["csv", "jsonl", "parquet"]), help="By default from -o, else csv."
)
@click.option("-o", "--output", type=PLACE, metavar="FILE", help="By default standard output.")
@click.option(
    "--partition",
    is_flag=True,
    help="Parquet files by device and month in a new folder -o: for a club's seasons.",
)
@near_miss_options
@journal_option
def export(
    table: str,
    kind: str | None,
    output: Path | None,
    partition: bool,
    wanted: Filter,
    journal: Path | None,
) -> None:
    """Write near misses, their traces, outings, cues, faults or all frames as CSV, JSON Lines or Parquet.

    docs/columns.md says what each column means; Parquet files carry it, too. Times `*_ns` count from the worst moment
    of the near miss, `t_s` from the beginning of the outing.
    """
    from rearguard.cli.progress import over
    from rearguard.review.export import count, rows, write_csv, write_jsonl, write_parquet

    if partition:
        _partition(table, kind, output, wanted, journal)
        return
    if output is not None:
        check_output(output)
    kind = kind or (output.suffix.lower().lstrip(".") if output else "csv")
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


def _partition(
    table: str, kind: str | None, output: Path | None, wanted: Filter, journal: Path | None
) -> None:
    from rearguard.cli.progress import over
    from rearguard.review.export import count, rows
    from rearguard.review.partition import check_folder, write_partitioned

    if output is None or kind not in (None, "parquet"):
        raise BadInput("--partition writes parquet into a new folder: -o FOLDER")
    check_folder(output)
    with open_journal(journal) as opened:
        total = count(opened, table, wanted) if sys.stderr.isatty() else None
        written, files = write_partitioned(table, over(rows(opened, table, wanted), table, total), output)
    click.echo(f"{output}: {written} rows in {files} files", err=True)
