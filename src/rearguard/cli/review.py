"""`rearguard review`: near misses with the keyboard."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rearguard.cli.filters import near_miss_options
from rearguard.cli.journal import journal_option, open_journal
from rearguard.errors import BadInput
from rearguard.journal.db.rows import Filter

_EPILOG = """
\b
Keys:
  up/down, j/k   the next one            left/right   pictures before and after
  t f u          true alarm, false alarm, say nothing of it
  n              a note                  s            flag: keep it
  l              all levels, critical    w            why it warned
  /              find by any word        ?            all keys
  p              play the clip           o            the clip as a film
  r              read the list anew      q            leave

\b
Examples:
  rearguard review
  ssh -t runner@pi rearguard review
  rearguard review --since 7d --level critical
"""


@click.command("review", epilog=_EPILOG)
@near_miss_options
@journal_option
def review(wanted: Filter, journal: Path | None) -> None:
    """Go through near misses in the terminal: list, story, curve, pictures; mark true and false alarms.

    Works from 45x20 on, over ssh and in tmux.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            "review needs a terminal; over ssh: ssh -t HOST rearguard review, in a pipe: rearguard log"
        )
    try:
        from rearguard.review.app import Review
        from rearguard.review.picture import pixel_widget
    except ImportError as e:
        raise BadInput(
            "review needs Textual: pip install 'rearguard[review]'; `log` and `show` need nothing"
        ) from e
    with open_journal(journal) as opened:
        app = Review(opened, wanted, pixel_widget())
        failed = app.run()
    if failed is not None:
        raise failed
    sys.exit(app.return_code or 0)
