"""`rearguard review`: near misses with the keyboard."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rearguard.cli.journal import ID, journal_option, open_journal, words
from rearguard.errors import BadInput
from rearguard.journal.rows import Filter

_EPILOG = """
\b
Keys:
  up/down, j/k   the next one            left/right   pictures before and after
  t f u          true alarm, false alarm, say nothing of it
  n              a note                  s            flag: keep it
  l              all levels, critical    w            why it warned
  r              read the list anew      q            leave

\b
Examples:
  rearguard review
  ssh -t runner@pi rearguard review
  rearguard review --since 7d --level critical
"""


@click.command("review", epilog=_EPILOG)
@click.option("--since", metavar="WHEN", help="From this moment on: 2026-11-21, yesterday, 7d.")
@click.option(
    "--level", type=click.Choice(["caution", "critical"], case_sensitive=False), help="At least this urgent."
)
@click.option("--label", type=words, metavar="NAME", help="Only these things.")
@click.option("--outing", type=ID, metavar="N", help="Only this outing.")
@click.option("--device", type=words, metavar="NAME", help="Only this device.")
@journal_option
def review(
    since: str | None,
    level: str | None,
    label: str | None,
    outing: int | None,
    device: str | None,
    journal: Path | None,
) -> None:
    """Go through near misses in the terminal: list, story, curve, pictures; mark true and false alarms.

    Works from 80x24 on, over ssh and in tmux.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            "review needs a terminal; over ssh: ssh -t HOST rearguard review, in a pipe: rearguard log"
        )
    try:
        from rearguard.review.app import Review
    except ImportError as e:
        raise BadInput(
            "review needs Textual: pip install 'rearguard[review]'; `log` and `show` need nothing"
        ) from e
    from rearguard.review.text import parse_moment
    from rearguard.words import Level

    wanted = Filter(
        since_s=parse_moment(since) if since is not None else None,
        level=Level[level.upper()] if level else None,
        label=label,
        outing=outing,
        device=device,
    )
    with open_journal(journal) as opened:
        app = Review(opened, wanted)
        failed = app.run()
    if failed is not None:
        raise failed
    sys.exit(app.return_code or 0)
