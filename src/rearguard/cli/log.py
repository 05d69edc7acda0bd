"""`rearguard log`: the near misses, newest first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rearguard.cli.journal import ID, change_journal, journal_option, open_journal, words
from rearguard.errors import NotFound
from rearguard.journal.rows import Filter, NearMissRow
from rearguard.words import Level

if TYPE_CHECKING:
    from rearguard.journal.keep import Gone
    from rearguard.journal.store import Journal

_EPILOG = """
\b
Examples:
  rearguard log                         the newest 20
  rearguard log --since 7d --level critical
  rearguard log --label bicycle --outing 12 --limit 100
  ssh runner@pi rearguard log --json | jq '.[].min_ttc_s'
  rearguard log mark 12 false --note "my own shadow"
  rearguard log flag 12                 keep it beyond the usual time
  rearguard log purge --before 30d      delete for good
"""
_KEYS = ("id", "when", "level", "TTC")
_NUMBERS = ("id", "TTC", "range", "lead", "outing")
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
@click.option("--label", type=words, metavar="NAME", help="Only these things: person, bicycle, dog, ...")
@click.option("--outing", type=ID, metavar="N", help="Only this outing.")
@click.option(
    "--device", type=words, metavar="NAME", help="Only this device, in a journal merged from several."
)
@click.option("--flagged", is_flag=True, help="Only flagged ones.")
@click.option(
    "--verdict", type=click.Choice(["true", "false"]), help="Only those you marked a true or a false alarm."
)
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
    flagged: bool,
    verdict: str | None,
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
    from rearguard.review.text import parse_moment

    wanted = Filter(
        since_s=parse_moment(since) if since is not None else None,
        until_s=parse_moment(until) if until is not None else None,
        level=Level[level.upper()] if level else None,
        label=label,
        outing=outing,
        device=device,
        flagged=flagged or None,
        verdict=verdict,
    )
    with open_journal(journal) as opened:
        rows = opened.near_misses(wanted, limit)
        if as_json:
            from rearguard.review import jsonable

            click.echo(jsonable.dumps([jsonable.near_miss(row) for row in rows]))
        elif rows:
            _print_table(rows)
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


def _print_table(rows: list[NearMissRow]) -> None:
    """What matters most comes first; columns that would say the same in every row are left out."""
    from rich.text import Text

    from rearguard.review.terminal import show_table
    from rearguard.review.text import clean, metres, seconds, when

    columns: dict[str, list[str]] = {
        "id": [str(row.id) for row in rows],
        "when": [when(row) for row in rows],
        "level": [row.level_name for row in rows],
        "what": [clean(row.label, 16) for row in rows],
        "side": [clean(row.side, 8) for row in rows],
        "TTC": [seconds(row.min_ttc_s) for row in rows],
        "said": [clean(_said(row)) for row in rows],
        "range": [metres(row.range_m) for row in rows],
        "lead": [seconds(row.lead_time_s) for row in rows],
        "kept": [_kept(row) for row in rows],
        "outing": [str(row.outing) for row in rows],
        "device": [clean(row.device, 16) for row in rows],
    }
    dull = {name for name in ("outing", "device") if len(set(columns[name])) == 1}
    dull |= {name for name in ("kept", "said") if set(columns[name]) == {"–"}}
    show_table(
        {
            name: [Text(cell, _STYLE.get(cell, "")) for cell in cells]
            for name, cells in columns.items()
            if name not in dull
        },
        keys=_KEYS,
        right=_NUMBERS,
    )


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
    from rearguard.journal import insert

    with change_journal(journal) as opened:
        for one in near_miss:
            with opened.transaction(durable=True) as db:
                if not insert.say(db, one, flagged=not off):
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
    from rearguard.journal import insert

    with change_journal(journal) as opened, opened.transaction(durable=True) as db:
        if not insert.say(db, near_miss, verdict="" if verdict == "unsaid" else verdict, note=note):
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
    from rearguard.journal import keep

    asked = [bool(near_miss), outing is not None, before is not None, everything, expired]
    if sum(asked) != 1:
        raise click.UsageError("say what: IDs, --outing, --before, --all or --expired, one of them")
    if pictures and (everything or outing is not None or expired):
        raise click.UsageError("--pictures goes with IDs or --before")
    with change_journal(journal) as opened:
        if expired:
            gone = _expire(opened)
        elif everything or outing is not None:
            if outing is not None and not keep.has_outing(opened, outing):
                raise NotFound(f"no outing {outing} in {opened.folder}; nothing was deleted")
            ids = [outing] if outing is not None else keep.outings(opened)
            _ask(yes, f"Delete {len(ids)} outing(s) with all their near misses?")
            gone = keep.purge_outings(opened, ids)
        else:
            for one in near_miss:
                if not keep.has_near_miss(opened, one):
                    raise NotFound(f"no near miss {one} in {opened.folder}; nothing was deleted")
            ids = list(near_miss) or _before(opened, before or "")
            _ask(yes, f"Delete {'the pictures of ' if pictures else ''}{len(ids)} near miss(es)?")
            gone = keep.purge(opened, ids, pictures_only=pictures)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(gone)))
    else:
        click.echo(f"deleted {gone.near_misses} near misses, {gone.outings} outings, {gone.files} files")
    if not gone.traceless:
        raise NotFound("a reader holds the write-ahead log: what was deleted is still in it; try again later")


def _expire(opened: Journal) -> Gone:
    import time

    from rearguard.clock import clock_synced
    from rearguard.config import load
    from rearguard.journal import keep

    return keep.expire(opened, load().journal, time.time(), synced=clock_synced(), fetched_too=True)


def _before(opened: Journal, moment: str) -> list[int]:
    from rearguard.journal import keep
    from rearguard.review.text import parse_moment

    return keep.near_misses_before(opened, parse_moment(moment))


def _ask(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)  # standard output is for --json
