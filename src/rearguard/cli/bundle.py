"""`rearguard bundle`: one file for a bug report."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.cli.journal import journal_option, open_journal
from rearguard.cli.options import PLACE, config_option
from rearguard.errors import RearguardError
from rearguard.output import check_output, output

_EPILOG = """
\b
Examples:
  rearguard bundle                      rearguard-bundle.zip, to be read before it is sent
  ssh runner@pi sudo rearguard bundle -o /tmp/bundle.zip
"""


@click.command("bundle", epilog=_EPILOG)
@click.option("-o", "--output", "target", type=PLACE, metavar="FILE", default=Path("rearguard-bundle.zip"),
              show_default=True, help="The file to write.")  # fmt: skip
@config_option
@journal_option
def bundle(target: Path, config_file: Path | None, journal: Path | None) -> None:
    """Write one file for a bug report: versions, what `doctor` finds, settings, the last outings and their faults.

    No picture, near miss or note is in it; names of this machine, its user and of devices are replaced. It is a zip
    of JSON files: read it before you send it.
    """
    from rearguard.doctor.bundle import bundle as gather
    from rearguard.doctor.table import patient
    from rearguard.review.text import megabytes

    check_output(target)
    who = patient(config_file, quick=True)
    try:
        with open_journal(journal) as opened:
            content = gather(who, opened)
    except RearguardError as e:
        click.echo(f"rearguard: without the journal: {e}", err=True)
        content = gather(who, None)
    with output(target, mode=0o600) as file:
        file.write(content)
    click.echo(f"{target}: {megabytes(len(content))}; read it before you send it")
