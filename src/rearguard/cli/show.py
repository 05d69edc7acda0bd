"""`rearguard show ID`: one near miss as a story, a plot and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.journal import journal_option, near_miss_id, newest, open_journal

if TYPE_CHECKING:
    from rearguard.journal.db.rows import NearMissRow
    from rearguard.review.story import Story

_EPILOG = """
\b
Examples:
  rearguard show last
  rearguard show 12
  rearguard show 12 --no-image          over a slow link
  rearguard show 12 --json | jq .trace
"""
_MOST_REASONS = 12


@click.command("show", epilog=_EPILOG)
@click.argument("near_miss", type=near_miss_id, metavar="ID")
@click.option(
    "--image",
    type=click.Choice(["auto", "kitty", "sixel", "blocks", "ascii", "none"]),
    default="auto",
    show_default=True,
    help="How to draw the picture; auto asks the terminal.",
)
@click.option("--no-image", is_flag=True, help="No picture; the same as --image none.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object with the trace, the cues and the outing."
)
@journal_option
def show(near_miss: int | None, image: str, no_image: bool, as_json: bool, journal: Path | None) -> None:
    """Tell near miss ID, or the `last` one: what happened, time to collision over time, why it warned, and the picture.

    Exit code 1 when there is no such near miss.
    """
    from rearguard.review.story import read

    with open_journal(journal) as opened:
        if near_miss is None:
            near_miss = newest(opened)
        story = read(opened, near_miss)
    if as_json:
        click.echo(_as_json(story))
    else:
        _print(story, "none" if no_image else image)


def _as_json(story: Story) -> str:
    from rearguard.review import jsonable

    worst = story.row.worst_ns
    return jsonable.dumps(
        {
            **jsonable.near_miss(story.row),
            "outing_details": jsonable.outing(story.outing),
            "files": {kind: m.file for kind, m in story.media.items()},
            "trace": [jsonable.trace_point(p, worst) for p in story.trace],
            "cues_felt": [jsonable.cue(c, worst) for c in story.cues],
            "marks": [{"t_s": (m.at_ns - worst) / 1e9, "kind": m.kind} for m in story.marks],
        }
    )


def _print(story: Story, image: str) -> None:
    from rich.text import Text

    from rearguard.journal.paths import CLIPS, is_clip_name
    from rearguard.review.plot import plot
    from rearguard.review.terminal import columns, console
    from rearguard.review.text import sentence
    from rearguard.text import clean

    out, wide = console(), min(columns(), 100)
    out.print(Text(f"Near miss {story.row.id}", "bold") + Text(f"  outing {story.row.outing}", "dim"))
    out.print(Text(sentence(story.row, story.mount)), width=wide)
    for said in filter(None, (_said(story.row), story.marked)):
        out.print(Text(said, "italic"), width=wide)
    out.print()
    for line in plot(story.samples, story.thresholds, story.events, wide):
        out.print(line, no_wrap=True, overflow="crop")
    _print_picture(story, image, wide)
    clip = story.media.get("clip")
    if clip is not None and is_clip_name(clip.file):
        out.print(
            Text(f"Clip: {clean(str(story.folder / CLIPS / clip.file))}", "dim"),
            no_wrap=True,
            overflow="ignore",
        )
    out.print()
    _print_reasons(story, wide)
    o = story.outing
    judged = f"judged by rearguard {o.version}, model {o.model} {o.model_digest[:12]}, settings {o.config_digest[:12]}"
    out.print(Text(clean(judged), "dim"), width=wide)


def _said(row: NearMissRow) -> str:
    """What the wearer said of it; empty when nothing."""
    from rearguard.text import clean

    words = [f"a {clean(row.verdict, 8)} alarm"] if row.verdict else []
    words += ["flagged, kept until you take the flag back"] if row.flagged else []
    words += [f"“{clean(row.note, 2000)}”"] if row.note else []
    return f"You said: {'; '.join(words)}." if words else ""


def _print_reasons(story: Story, wide: int) -> None:
    from textwrap import wrap

    from rich.text import Text

    from rearguard.review.plot import STYLE
    from rearguard.review.terminal import console

    turns = story.turns()
    if turns:
        console().print(Text("Why", "bold"))
    for turn in turns[:_MOST_REASONS]:
        when, level = f"{turn.t_s:+6.2f} s  ", f"{turn.level.name:<9}"
        told = wrap(turn.words, max(20, wide - len(when) - len(level))) or [""]
        console().print(Text(when) + Text(level, STYLE[turn.level]) + Text(told[0]))
        for more in told[1:]:
            console().print(Text(" " * (len(when) + len(level)) + more))
    if len(turns) > _MOST_REASONS:
        console().print(Text(f"... and {len(turns) - _MOST_REASONS} more changes, see --json", "dim"))


def _print_picture(story: Story, image: str, wide: int) -> None:
    from rearguard.journal.media.thumbnails import key
    from rearguard.review.image import Way, best_way, draw

    if image == "none":
        return
    thumbs = story.thumbs()
    if not thumbs:
        gone = story.row.media_gone
        click.echo(
            f"(the picture has {'expired' if gone == 'expired' else 'been deleted'})"
            if gone
            else "(no picture was kept)"
        )
        return
    ways: dict[str, Way] = {"kitty": "kitty", "sixel": "sixel", "blocks": "blocks", "ascii": "ascii"}
    way = ways[image] if image in ways else best_way()
    worst = key(thumbs)
    if worst is not None:
        click.echo(draw(worst, way, wide), nl=False, color=True)
