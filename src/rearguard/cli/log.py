"""`rearguard log`: the near misses, newest first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from msgspec.structs import replace

from rearguard.cli.filters import near_miss_options, say_undated
from rearguard.cli.journal import ID, change_journal, journal_option, open_journal, words
from rearguard.errors import NotFound
from rearguard.journal.db.rows import Filter, NearMissRow

if TYPE_CHECKING:
    from rearguard.journal.db.store import Journal
    from rearguard.journal.retention import Gone

_EPILOG = """
\b
Examples:
  rearguard log                         the newest 20
  rearguard log --since 7d --level critical
  rearguard log --columns id,when,passed,side,device
  rearguard log --label bicycle --outing 12 --limit 100
  ssh runner@pi rearguard log --json | jq '.[].min_ttc_s'
  rearguard log mark 12 false --note "my own shadow"
  rearguard log flag 12                 keep it beyond the usual time
  rearguard log purge --before 30d      delete for good
"""
_KEYS = ("id", "when", "level", "TTC")
_NUMBERS = ("id", "TTC", "range", "passed", "lead", "lasted", "outing")
_ONCE = ("outing", "device")  # said once when all rows have the same
_COLUMN_NAMES = (
    "id", "when", "level", "what", "side", "TTC", "said", "range", "passed", "lead", "lasted", "kept", "outing",
    "device",
)  # fmt: skip
_STYLE = {"CRITICAL": "bold red", "CAUTION": "dark_orange3", "NOTICE": "dark_cyan"}


def _chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """The columns named, in that order; a name may be written small."""
    if not value:
        return []
    known = {name.lower(): name for name in _COLUMN_NAMES}
    wanted = [word.strip().lower() for word in value.split(",")]
    for word in wanted:
        if word not in known:
            raise click.BadParameter(f"no column {word!r}; there are: {', '.join(_COLUMN_NAMES)}", ctx, param)
    return [known[word] for word in wanted]


@click.group("log", invoke_without_command=True, epilog=_EPILOG)
@near_miss_options
@click.option("--flagged", is_flag=True, help="Only flagged ones.")
@click.option(
    "--verdict", type=click.Choice(["true", "false"]), help="Only those you marked a true or a false alarm."
)
@click.option(
    "--columns",
    callback=_chosen,
    metavar="A,B,...",
    help="Only these columns, in this order, however narrow the terminal: id, when, level, what, side, TTC, ...",
)
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a table.")
@journal_option
@click.pass_context
def log(
    ctx: click.Context,
    wanted: Filter,
    flagged: bool,
    verdict: str | None,
    columns: list[str],
    limit: int,
    as_json: bool,
    journal: Path | None,
) -> None:
    """List near misses, newest first.

    A `?` after the time says that the device's clock was not set; a `~` that the time was put right later.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx, ctx.invoked_subcommand)
        return
    wanted = replace(wanted, flagged=flagged or None, verdict=verdict)
    with open_journal(journal) as opened:
        rows = opened.near_misses(wanted, limit)
        say_undated(opened, wanted)
        if as_json:
            from rearguard.review import jsonable

            click.echo(jsonable.dumps([jsonable.near_miss(row) for row in rows]))
        elif rows:
            _print_table(rows, columns)
        elif wanted == Filter():
            click.echo(
                f"No near misses yet in {opened.folder}. Go for a run, or try `rearguard demo`; "
                "see its near misses with `rearguard log --journal out/demo`."
            )
        else:
            click.echo("No near miss fits; try fewer filters.")


def _refuse_options(ctx: click.Context, subcommand: str) -> None:
    """Options before a subcommand would be the list's: to drop them could purge another journal than was named."""
    for param in ctx.command.params:
        if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{param.opts[0]} goes after the subcommand: rearguard log {subcommand} ..."
            )


def _print_table(rows: list[NearMissRow], wanted: Sequence[str] = ()) -> None:
    """What matters most comes first; what is the same in every row is said once, below."""
    from rich.text import Text

    from rearguard.review.terminal import console, show_table

    cells = {name: [make(row) for row in rows] for name, make in _columns().items()}
    same = {} if wanted else {name: cells[name][0] for name in _ONCE if len(set(cells[name])) == 1}
    names = [name for name in wanted or cells if name not in same]
    if not wanted:
        names = [n for n in names if n not in ("passed", "lasted", "kept", "said") or set(cells[n]) != {"–"}]
    show_table(
        {name: [Text(cell, _STYLE.get(cell, "")) for cell in cells[name]] for name in names},
        keys=names if wanted else _KEYS,
        right=_NUMBERS,
    )
    told = ", ".join(f"{name} {cell}" for name, cell in same.items() if cell != "–")
    if told and sys.stdout.isatty():
        console().print(Text(f"(all: {told})", "dim"), no_wrap=True, overflow="ellipsis")


def _columns() -> dict[str, Callable[[NearMissRow], str]]:
    """What --columns can show, each as text."""
    from rearguard.review.text import metres, seconds, when
    from rearguard.text import clean

    return {
        "id": lambda row: str(row.id),
        "when": when,
        "level": lambda row: row.level_name,
        "what": lambda row: clean(row.label, 16),
        "side": lambda row: clean(row.side, 8),
        "TTC": lambda row: seconds(row.min_ttc_s),
        "said": lambda row: clean(_said(row)),
        "range": lambda row: metres(row.range_m),
        "passed": lambda row: metres(row.pass_m),
        "lead": lambda row: seconds(row.lead_time_s),
        "lasted": lambda row: seconds((row.released_ns - row.warned_ns) / 1e9),
        "kept": _kept,
        "outing": lambda row: str(row.outing),
        "device": lambda row: clean(row.device, 16),
    }


def _kept(row: NearMissRow) -> str:
    return "clip" if "clip" in row.media else "picture" if "picture" in row.media else "–"


def _said(row: NearMissRow) -> str:
    """What the wearer said of it, as short as `log mark` takes it."""
    words = [row.verdict] if row.verdict else []
    return ", ".join(words + (["flagged"] if row.flagged else []) + (["note"] if row.note else [])) or "–"


@log.command("flag")
@click.argument("near_miss", type=ID, nargs=-1, required=True, metavar="ID...")
@click.option("--off", is_flag=True, help="Take the flag back.")
@journal_option
def flag(near_miss: tuple[int, ...], off: bool, journal: Path | None) -> None:
    """Keep near misses with their pictures beyond the usual time."""
    from rearguard.journal.db import insert

    with change_journal(journal) as opened:
        for one in near_miss:
            with opened.transaction(durable=True) as db:
                if not insert.store_opinion(db, one, flagged=not off):
                    raise NotFound(f"no near miss {one} in {opened.folder}")
            click.echo(
                f"{one}: {'no longer flagged' if off else 'flagged, kept until you take the flag back'}"
            )


@log.command("mark")
@click.argument("near_miss", type=ID, metavar="ID")
@click.argument("verdict", type=click.Choice(["true", "false", "unsaid"]))
@click.option("--note", type=words, metavar="TEXT", help="A few words to remember it by.")
@journal_option
def mark(near_miss: int, verdict: str, note: str | None, journal: Path | None) -> None:
    """Say whether a near miss was a true or a false alarm; `stats` counts them."""
    from rearguard.journal.db import insert

    with change_journal(journal) as opened, opened.transaction(durable=True) as db:
        if not insert.store_opinion(db, near_miss, verdict="" if verdict == "unsaid" else verdict, note=note):
            raise NotFound(f"no near miss {near_miss} in {opened.folder}")
    click.echo(f"{near_miss}: {'nothing said' if verdict == 'unsaid' else f'a {verdict} alarm'}")


@log.command("purge")
@click.argument("near_miss", type=ID, nargs=-1, metavar="[ID]...")
@click.option("--outing", type=ID, metavar="N", help="A whole outing with its cues and faults.")
@click.option("--before", metavar="WHEN", help="All near misses before this moment, flagged ones too.")
@click.option("--all", "everything", is_flag=True, help="All outings.")
@click.option("--expired", is_flag=True, help="What the configuration lets expire, fetched ones too.")
@click.option("--pictures", is_flag=True, help="Only pictures and clips; the numbers stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a sentence.")
@journal_option
def purge(
    near_miss: tuple[int, ...],
    outing: int | None,
    before: str | None,
    everything: bool,
    expired: bool,
    pictures: bool,
    yes: bool,
    as_json: bool,
    journal: Path | None,
) -> None:
    """Delete for good: from the database, from its write-ahead log, and from the clip folder.

    A flash card may keep old blocks of deleted files until it uses them again; see docs/review.md. Exit code 1
    when there is no such near miss or outing; then nothing is deleted.
    """
    from rearguard.journal import retention
    from rearguard.review.text import counted, parse_moment

    asked = [bool(near_miss), outing is not None, before is not None, everything, expired]
    if sum(asked) != 1:
        raise click.UsageError("say what: IDs, --outing, --before, --all or --expired, one of them")
    if pictures and (everything or outing is not None or expired):
        raise click.UsageError("--pictures goes with IDs or --before")
    with change_journal(journal) as opened:
        if expired:
            gone = _expire(opened)
        elif everything or outing is not None:
            if outing is not None and not retention.has_outing(opened, outing):
                raise NotFound(f"no outing {outing} in {opened.folder}; nothing was deleted")
            ids = [outing] if outing is not None else retention.outings(opened)
            _confirm(yes, f"Delete {counted(len(ids), 'outing')} with all their near misses?")
            gone = retention.purge_outings(opened, ids)
        else:
            for one in near_miss:
                if not retention.has_near_miss(opened, one):
                    raise NotFound(f"no near miss {one} in {opened.folder}; nothing was deleted")
            ids = list(near_miss) or retention.near_misses_before(opened, parse_moment(before or ""))
            _confirm(yes, f"Delete {'the pictures of ' if pictures else ''}{counted(len(ids), 'near miss')}?")
            gone = retention.purge(opened, ids, pictures_only=pictures)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(gone)))
    else:
        near_misses, outings = counted(gone.near_misses, "near miss"), counted(gone.outings, "outing")
        click.echo(f"deleted {near_misses}, {outings}, {counted(gone.files, 'file')}")
    if not gone.traceless:
        raise NotFound("a reader holds the write-ahead log: what was deleted is still in it; try again later")


def _expire(opened: Journal) -> Gone:
    import time

    from rearguard.clock import clock_synced
    from rearguard.config import load
    from rearguard.journal import retention

    return retention.expire(opened, load().journal, time.time(), synced=clock_synced(), fetched_too=True)


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)  # standard output is for --json
