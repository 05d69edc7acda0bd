"""`rearguard outings [ID]`: when it was worn, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rearguard.cli.journal import ID, journal_option, open_journal
from rearguard.errors import NotFound

if TYPE_CHECKING:
    from rearguard.journal.db.rows import Mark, OutingRow
    from rearguard.journal.trends import Tally
    from rearguard.types import FaultSpan

_EPILOG = """
\b
Examples:
  rearguard outings
  rearguard outings 12                  cues and faults of one outing
  rearguard outings --json | jq '.[] | {when, worn_s, near_misses}'
"""


@click.command("outings", epilog=_EPILOG)
@click.argument("outing", type=ID, required=False, metavar="[ID]")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
@journal_option
def outings(outing: int | None, limit: int, as_json: bool, journal: Path | None) -> None:
    """List outings, newest first, or tell one: time worn, near misses, cues per hour, faults, time blind."""
    from rearguard.journal.trends import tallies

    with open_journal(journal) as opened:
        if outing is None:
            rows = opened.outings(limit)
        else:
            row = opened.outing(outing)
            if row is None:
                raise NotFound(
                    f"no outing {outing} in {opened.folder}; `rearguard outings` lists those there are"
                )
            rows = [row]
        counted = tallies(opened, [row.id for row in rows])
        whole = rows if outing is not None or as_json else []
        faults = {row.id: opened.faults(row.id) for row in whole}
        marks = {row.id: opened.marks(row.id) for row in whole}
        folder = opened.folder
    if as_json:
        from rearguard.review import jsonable

        told = [_plain(row, counted[row.id], faults[row.id], marks[row.id]) for row in rows]
        click.echo(jsonable.dumps(told))
    elif outing is not None:
        _print_outing(rows[0], counted[outing], faults[outing], marks[outing])
    elif rows:
        _print_table(rows, counted)
    else:
        click.echo(f"No outings yet in {folder}.")


def _plain(row: OutingRow, tally: Tally, faults: list[FaultSpan], marks: list[Mark]) -> dict[str, Any]:
    from rearguard.journal.trends import per_hour, per_km
    from rearguard.review import jsonable

    return {
        **jsonable.outing(row),
        "near_misses": tally.near_misses,
        "critical": tally.critical,
        "false_alarms": tally.false_alarms,
        "marks": [
            {"t_s": (at_ns - row.origin_ns) / 1e9, "kind": kind, "near_miss": near}
            for at_ns, kind, near in marks
        ],
        "blind_s": tally.blind_s,
        "cues": tally.cues,
        "passages": tally.passages,
        "near_misses_per_km": per_km(tally.near_misses, row.worn_s),
        "cues_per_hour": {cue: per_hour(n, row.worn_s) for cue, n in tally.cues.items()},
        "faults": [
            {
                "fault": f.fault,
                "began_s": (f.began_ns - row.origin_ns) / 1e9,
                "ended_s": None if f.ended_ns is None else (f.ended_ns - row.origin_ns) / 1e9,
            }
            for f in faults
        ],
    }


def _print_table(rows: list[OutingRow], counted: dict[int, Tally]) -> None:
    from rearguard.journal.trends import per_hour
    from rearguard.review.terminal import show_table
    from rearguard.review.text import minutes, rate, when
    from rearguard.text import clean

    tally = [counted[row.id] for row in rows]
    columns: dict[str, list[str]] = {
        "id": [str(row.id) for row in rows],
        "when": [when(row) for row in rows],
        "worn": [minutes(row.worn_s) for row in rows],
        "passed": [str(t.passages) for t in tally],
        "near misses": [str(t.near_misses) for t in tally],
        "critical": [str(t.critical) for t in tally],
        "per hour": [rate(per_hour(t.near_misses, row.worn_s)) for t, row in zip(tally, rows, strict=True)],
        "blind": [minutes(t.blind_s) for t in tally],
        "ended": [clean(row.ended or "running", 8) for row in rows],
        "source": [clean(row.source, 40) for row in rows],
    }
    if len({row.device for row in rows}) > 1:
        columns["device"] = [clean(row.device, 20) for row in rows]
    show_table(columns, keys=("id", "when"), right=columns.keys() - {"when", "ended", "source", "device"})


def _print_outing(row: OutingRow, tally: Tally, faults: list[FaultSpan], marks: list[Mark]) -> None:
    from rich.text import Text

    from rearguard.journal.trends import per_hour
    from rearguard.review.terminal import console
    from rearguard.review.text import counted, minutes, rate, when
    from rearguard.text import clean

    out = console()
    out.print(Text(f"Outing {row.id}", "bold") + Text(f"  {clean(row.device)}, {clean(row.source)}", "dim"))
    if row.assumed:
        out.print(Text(clean(row.assumed, 500), "dim"))
    ended = {"cut": "cut short by a kill or an empty battery", "stopped": "stopped", None: "still running"}
    out.print(Text(f"Began {when(row)}, worn {minutes(row.worn_s)}, {ended.get(row.ended, '')}."))
    out.print(
        Text(
            f"{counted(row.frames, 'frame')} judged, {row.late} came too late to be; "
            f"blind for {minutes(tally.blind_s)}; "
            f"{counted(tally.near_misses, 'near miss')}, {tally.critical} of them critical, "
            f"{tally.false_alarms} called false; {counted(tally.marks, 'mark')}. "
            f"{counted(tally.passages, 'thing')} passed near, warned of or not."
        )
    )
    for cue, count in sorted(tally.cues.items(), key=lambda item: -item[1]):
        out.print(Text(f"  {clean(cue, 12):<12}{count:>6}  {rate(per_hour(count, row.worn_s))} per hour"))
    for f in faults:
        at_s = (f.began_ns - row.origin_ns) / 1e9
        lasted = "to the end" if f.ended_ns is None else f"for {(f.ended_ns - f.began_ns) / 1e9:.1f} s"
        out.print(Text(f"  {clean(f.fault, 20)} at {minutes(at_s)}, {lasted}", "dark_orange3"))
    for at_ns, kind, near in marks:
        near_miss = f", near miss {near}" if near is not None else ""
        out.print(Text(f"  you {kind.did} at {minutes((at_ns - row.origin_ns) / 1e9)}{near_miss}"))
    if tally.near_misses:
        out.print(Text(f"rearguard log --outing {row.id} lists its near misses", "dim"))
