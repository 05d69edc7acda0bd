"""`rearguard pull HOST`: take a device's journal home."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.journal import find_folder, journal_option, words
from rearguard.cli.options import THERE
from rearguard.errors import RearguardError

if TYPE_CHECKING:
    from rearguard.review.pull import Result
    from rearguard.review.remote import Remote

_EPILOG = """
\b
Examples:
  rearguard pull runner@pi.local
  rearguard pull pi --no-pictures --no-traces   only the numbers, over a slow link
  rearguard pull anna@pi ben@pi-2       one after the other
  rearguard pull pi-2 --device anna     merge a second device under a name of your own
  rearguard log && rearguard review     what was fetched, here
"""


@click.command("pull", epilog=_EPILOG)
@click.argument("hosts", metavar="[USER@]HOST...", nargs=-1, required=True)
@click.option(
    "--no-pictures", is_flag=True, help="Only numbers; pictures come with the next pull without this."
)
@click.option("--no-traces", is_flag=True, help="Without the frame-by-frame traces of outings.")
@click.option(
    "--device",
    type=words,
    metavar="NAME",
    help="Call the device so in the journal here; else by its host name.",
)
@click.option(
    "--command", default="rearguard", show_default=True, help="The rearguard to call on the device."
)
@click.option(
    "--remote-journal", metavar="FOLDER", help="The journal's folder there, if it is not the usual one."
)
@click.option("-F", "--ssh-config", type=THERE, help="As ssh -F.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a sentence.")
@journal_option
def pull(
    hosts: tuple[str, ...],
    no_pictures: bool,
    no_traces: bool,
    device: str | None,
    command: str,
    remote_journal: str | None,
    ssh_config: Path | None,
    as_json: bool,
    journal: Path | None,
) -> None:
    """Fetch the near misses and traces of a device over ssh into the journal here, to review and report at home.

    Only what is new is fetched; after a cut, run it again and it goes on. Everything is checked on arrival.
    Several devices go into one journal, each row with the name of its device. What you mark here stays here.

    Several HOSTs are fetched one after the other; one that cannot be reached does not stop the others.

    Keys, names and known hosts are those of your own ssh; try `ssh HOST rearguard log` first.
    """
    import json
    from dataclasses import asdict

    from rearguard.review.remote import Remote
    from rearguard.text import clean

    several = len(hosts) > 1
    if device is not None and several:
        raise click.UsageError("--device names one device: pull them one by one")
    failed: RearguardError | None = None
    told = []
    for host in hosts:
        try:
            result, folder = _fetch_journal(
                Remote(host, command, remote_journal, ssh_config),
                find_folder(journal),
                device=device,
                pictures=not no_pictures,
                traces=not no_traces,
            )
        except RearguardError as e:  # one that is off does not stop the others
            if not several:
                raise
            click.echo(f"rearguard: {clean(str(e), 2000)}", err=True)
            failed = e
            continue
        told.append({**({"host": host} if several else {}), **asdict(result), "journal": str(folder)})
        if not as_json:
            _print_result(host, result, folder)
    if as_json:
        click.echo(json.dumps(told if several else told[0]))
    if failed is not None:
        sys.exit(failed.exit_code)


def _fetch_journal(
    remote: Remote, folder: Path, *, device: str | None, pictures: bool, traces: bool
) -> tuple[Result, Path]:
    """Fetch what is new from one device, under progress bars on a terminal; gives also the folder it went into."""
    from rearguard.journal.db.store import Journal
    from rearguard.review.pull import pull as fetch
    from rearguard.text import clean

    with Journal.open(folder) as opened, ExitStack() as stack:
        progress = _bars(stack) if sys.stderr.isatty() else lambda *_: None
        result = fetch(opened, remote, device=device, pictures=pictures, traces=traces, progress=progress)
        for note in sorted(remote.notes):
            click.echo(f"{clean(remote.host, 200)}: {note}", err=True)
        return result, opened.folder


def _print_result(host: str, result: Result, folder: Path) -> None:
    from rearguard.review.text import counted, megabytes

    if not (result.outings or result.traces):
        click.echo(f"{host}: nothing new")
        return
    click.echo(
        f"{host}: {counted(result.outings, 'outing')} with {counted(result.near_misses, 'near miss')}, "
        f"{counted(result.files, 'file')} with pictures or clips "
        f"({megabytes(result.bytes)}), {counted(result.traces, 'file')} of traces ({megabytes(result.trace_bytes)}), "
        f"into {folder}"
    )
    if result.missing_files:
        click.echo(
            f"{result.missing_files} pictures could not be fetched: expired there meanwhile, or not readable"
        )


def _bars(stack: ExitStack):  # type: ignore[no-untyped-def]
    """Progress on standard error: outings, then bytes of pictures."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    bars = stack.enter_context(
        Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
                 console=Console(stderr=True), transient=True)
    )  # fmt: skip
    tasks = {
        what: bars.add_task(what, total=None, visible=False) for what in ("outings", "pictures", "traces")
    }

    def progress(what: str, done: int, of: int) -> None:
        bars.update(tasks[what], completed=done, total=of, visible=of > 0)

    return progress
