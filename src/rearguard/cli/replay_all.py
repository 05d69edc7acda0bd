"""`rearguard replay --all`: every outing under other settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.errors import EXIT_PART_FAILED

if TYPE_CHECKING:
    from rich.text import Text

    from rearguard.lab.replay.outings import OutingChanges
    from rearguard.lab.replay.totals import Totals
    from rearguard.lab.tasks.kept import Where


def replay_all(
    folder: Path,
    config_file: Path | None,
    against_file: Path | None,
    where: Where,
    html: Path | None,
    as_json: bool,
) -> None:
    """Judge everything in a folder again and tell what changed. Exits with 3 when something could not be judged."""
    from rearguard.cli.progress import run_tasks_shown
    from rearguard.config import load
    from rearguard.lab.replay.outings import OutingChanges, find_items, rejudge, tasks
    from rearguard.lab.replay.totals import totals
    from rearguard.output import check_output, output

    if html is not None:
        check_output(html)
    after = load(config_file)
    before = load(against_file) if against_file else None
    work = tasks(find_items(folder), after, before)
    found, failed = run_tasks_shown(work, rejudge, OutingChanges, where, "outings")
    sums = totals(found)
    told = f"{'as recorded' if before is None else against_file} → {config_file or 'the present settings'}"
    if html is not None:
        from rearguard.lab.replay.page import page

        with output(html) as file:
            file.write(page(found, sums, told).encode())
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({"outings": found, "totals": sums, "failed": failed}).decode())
    else:
        _print_changes(found, sums)
    for line in failed:
        click.echo(f"rearguard: {line}", err=True)
    if failed:
        sys.exit(EXIT_PART_FAILED)


def _print_changes(found: Sequence[OutingChanges], sums: Totals) -> None:
    from rearguard.cli.tables import print_table

    columns: tuple[str, ...] = (
        "outing",
        "when",
        "device",
        "length",
        "cues",
        "gained",
        "lost",
        "moved",
        "identical",
        "note",
    )
    print_table(columns, map(_of_outing, found), left=("outing", "when", "device", "note"))
    if sums.cues:
        cells = (
            (
                c.cue,
                str(c.gained),
                str(c.lost),
                str(c.earlier) if c.earlier_s is None else f"{c.earlier} by {c.earlier_s:.2f} s",
                str(c.later) if c.later_s is None else f"{c.later} by {c.later_s:.2f} s",
                str(c.other_side),
            )
            for c in sums.cues
        )
        columns = ("cue", "gained", "lost", "earlier", "later", "other side")
        print_table(columns, cells, left=("cue",), title="All together")
    same = as_judged(sums.identical)
    click.echo(
        f"{sums.outings} outings, {sums.hours:.2f} h, {sums.frames} frames: {sums.before} cues before, {sums.after} "
        f"after, {sums.changed} outings changed{same}"
    )


def as_judged(identical: float | None) -> str:
    """How many frames were judged as they were then, as the end of a sentence; empty when nobody knows."""
    return "" if identical is None else f"; {identical:.2%} of frames as they were judged, to the last bit"


def _of_outing(o: OutingChanges) -> tuple[str | Text, ...]:
    """The cells of one outing."""
    from rich.text import Text

    from rearguard.review.text import local
    from rearguard.text import clean

    moved = [abs(c.moved_s or 0.0) for c in o.changes if c.what in ("earlier", "later")]
    gained, lost = (sum(c.what == what for c in o.changes) for what in ("new", "gone"))
    return (
        Text(clean(o.item.name)),
        "" if o.item.wall_s is None else f"{local(o.item.wall_s):%Y-%m-%d %H:%M}",
        Text(clean(o.item.device, 40)),
        f"{o.duration_s / 60:.1f} min",
        f"{o.before} → {o.after}",
        Text(str(gained), "green" if gained else "dim"),
        Text(str(lost), "red" if lost else "dim"),
        f"{len(moved)} by {sum(moved) / len(moved):.2f} s" if moved else "0",
        "" if o.identical is None else f"{o.identical:.2%}",
        Text(clean("; ".join(o.missing), 120), "yellow"),
    )
