"""`rearguard pull HOST`: take a device's journal home."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from rearguard.cli.journal import find_folder, journal_option, words

_EPILOG = """
\b
Examples:
  rearguard pull runner@pi.local
  rearguard pull pi --no-pictures       only the numbers, over a slow link
  rearguard pull pi-2 --device anna     merge a second device under a name of your own
  rearguard log && rearguard review     what was fetched, here
"""


@click.command("pull", epilog=_EPILOG)
@click.argument("host", metavar="[USER@]HOST")
@click.option(
    "--no-pictures", is_flag=True, help="Only numbers; pictures come with the next pull without this."
)
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
@click.option(
    "-F", "--ssh-config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="As ssh -F."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a sentence.")
@journal_option
def pull(
    host: str,
    no_pictures: bool,
    device: str | None,
    command: str,
    remote_journal: str | None,
    ssh_config: Path | None,
    as_json: bool,
    journal: Path | None,
) -> None:
    """Fetch the near misses of a device over ssh into the journal here, to review and report at home.

    Only what is new is fetched; after a cut, run it again and it goes on. Everything is checked on arrival.
    Several devices go into one journal, each row with the name of its device. What you mark here stays here.

    Keys, names and known hosts are those of your own ssh; try `ssh HOST rearguard log` first.
    """
    from rearguard.journal.store import Journal
    from rearguard.review.pull import Result
    from rearguard.review.pull import pull as fetch
    from rearguard.review.remote import Remote

    remote = Remote(host, command, remote_journal, ssh_config)
    with Journal.open(find_folder(journal)) as opened, ExitStack() as stack:
        progress = _bars(stack) if sys.stderr.isatty() else lambda *_: None
        result: Result = fetch(opened, remote, device=device, pictures=not no_pictures, progress=progress)
        folder = opened.folder
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps({**asdict(result), "journal": str(folder)}))
        return
    if not result.outings:
        click.echo(f"{host}: nothing new")
        return
    click.echo(
        f"{host}: {result.outings} outings with {result.near_misses} near misses, {result.files} pictures and clips "
        f"({result.bytes / 1e6:.1f} MB), into {folder}"
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
    tasks = {what: bars.add_task(what, total=None, visible=False) for what in ("outings", "pictures")}

    def progress(what: str, done: int, of: int) -> None:
        bars.update(tasks[what], completed=done, total=of, visible=of > 0)

    return progress
