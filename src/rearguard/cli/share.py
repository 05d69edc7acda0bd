"""`rearguard share ID`: one near miss as a film or a page to hand on."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard.cli.journal import journal_option, near_miss_id, newest, open_journal, spare_journal
from rearguard.cli.options import PLACE
from rearguard.errors import BadInput
from rearguard.output import check_output, output

_EPILOG = """
\b
Examples:
  rearguard share last                  near-miss-12.mp4, with a line of numbers below the picture
  rearguard share 12 -o scare.html      a page with picture and curve
"""


@click.command("share", epilog=_EPILOG)
@click.argument("near_miss", type=near_miss_id, metavar="ID")
@click.option("-o", "--output", "target", type=PLACE, metavar="FILE",
              help="A .mp4 or .html file; by default near-miss-ID.mp4.")  # fmt: skip
@click.option(
    "--as-seen", is_flag=True, help="Also when heads were not pixelated: only with everyone's consent."
)
@journal_option
def share(near_miss: int | None, target: Path | None, as_seen: bool, journal: Path | None) -> None:
    """Write near miss ID, or the `last` one, as one film or page to hand on.

    Heads are pixelated, and device, date, place and your note are left out.
    """
    from rearguard.review.share import as_film, as_page
    from rearguard.review.story import read

    with open_journal(journal) as opened:
        story = read(opened, newest(opened) if near_miss is None else near_miss)
    target = target or Path(f"near-miss-{story.row.id}.mp4")
    kind = target.suffix.lower()
    if kind not in (".mp4", ".html"):
        raise BadInput(f"{target}: name a .mp4 or a .html file")
    check_output(target)
    spare_journal(target, story.folder)
    if not as_seen and any(not media.redacted for media in story.media.values()):
        raise BadInput(
            f"near miss {story.row.id}: its pictures were kept as seen (journal.clips = full), heads and all; "
            "--as-seen shares them with everyone's consent"
        )
    content = as_film(story) if kind == ".mp4" else "".join(as_page(story)).encode()
    with output(target, mode=0o600) as file:
        file.write(content)
    from rearguard.review.text import megabytes

    click.echo(f"{target}: near miss {story.row.id}, {megabytes(len(content))}")
