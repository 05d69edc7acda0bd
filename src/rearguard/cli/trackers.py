"""`rearguard trackers`: rearguard's tracking beside general trackers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rearguard.cli.options import config_option, corpus_options, json_option
from rearguard.errors import NotFound

if TYPE_CHECKING:
    from rearguard.lab.score.tracking import TrackingScore


@click.command(
    epilog="""\b
Examples:
  rearguard trackers labels/ --pictures /data/clips    every recording whose labels say whose box is whose
  rearguard trackers labels/ --only stroller           one of them
  rearguard trackers labels/ --json | jq '.scores[] | select(.tracker == "rearguard").switched'

\b
A recording goes through the whole pipeline once; the general trackers are told the same detections. Needs the extra
`bench`. How to say whose box is whose, and what the figures mean: docs/score.md."""
)
@corpus_options
@config_option
@json_option
def trackers(
    corpus: Path, pictures: Path | None, only: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Compare trackers on the labelled recordings in CORPUS: how well do they keep identities?

    IDF1, MOTA, identity switches, fragmentations, recall and precision of rearguard's own tracking, of ByteTrack and
    of norfair, on the same detections.
    """
    from rearguard.cli.progress import progress_bar
    from rearguard.config import load
    from rearguard.lab.score.labels import read_corpus
    from rearguard.lab.score.other_trackers import available
    from rearguard.lab.score.tracking import compare_trackers

    config = load(config_file)
    entries, missing = read_corpus(corpus, pictures, only, lambda labels: labels.identities is not None)
    if not entries:
        why = "; ".join(missing) or "no labels of that name say whose box is whose; see docs/score.md"
        raise NotFound(f"{corpus}: no recording to compare trackers on: {why}")
    others, left_out = available()
    scores: list[TrackingScore] = []
    for entry in entries:
        with progress_bar(entry.name) as bar:
            scores += compare_trackers(entry, config, others, bar.reach)
    if as_json:
        click.echo(msgspec.json.encode({"scores": scores, "left_out": left_out, "missing": missing}).decode())
    else:
        _print_scores(scores)
    for line in (*left_out, *missing):
        click.echo(f"rearguard: {line}", err=True)


def _print_scores(scores: Sequence[TrackingScore]) -> None:
    from rich.text import Text

    from rearguard.cli.tables import print_table

    left = ("recording", "tracker")
    numbers = ("frames", "IDF1", "MOTA", "identity switches", "fragmentations", "recall", "precision")
    cells = (
        (
            Text(s.recording),
            s.tracker,
            str(s.frames),
            f"{s.idf1:.3f}",
            f"{s.mota:.3f}",
            str(s.switches),
            str(s.fragmentations),
            f"{s.recall:.3f}",
            f"{s.precision:.3f}",
        )
        for s in scores
    )
    print_table((*left, *numbers), cells, left=left)
