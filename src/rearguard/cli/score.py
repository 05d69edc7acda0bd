"""`rearguard score`: labelled recordings against their labels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rearguard.cli.options import FILE, config_option, corpus_options, json_option
from rearguard.cli.where import where_options
from rearguard.errors import EXIT_NO, EXIT_PART_FAILED, NotFound

if TYPE_CHECKING:
    from rich.text import Text

    from rearguard.lab.score.figures import Figures
    from rearguard.lab.score.run import RecordingScore
    from rearguard.lab.tasks.kept import Where


@click.command(
    epilog="""\b
Examples:
  rearguard score mine/                              every recording with a .toml of labels beside it
  rearguard score mine/ --html score.html            with pictures of each miss and each false alarm
  rearguard score labels/ --pictures /data/clips     the recordings lie elsewhere
  rearguard score labels/ --budget labels/budget.toml   exit code 1 when it is worse than that

\b
Labels are a few lines of TOML: which recording, its rate and lens, and from when to when a warning is due,
something passes beside, or the way is clear; see docs/score.md. A due warning is in time when it comes 1 s or more
before contact. Rates are an hour, with their 95 % Poisson interval. Exit code 1 when a budget is exceeded, 3 when a
recording could not be scored."""
)
@corpus_options
@click.option("--budget", type=FILE, help="Limits that must hold.")
@click.option("--html", type=FILE, help="Write a page with pictures.")
@where_options
@config_option
@json_option
def score(
    corpus: Path,
    pictures: Path | None,
    only: str | None,
    budget: Path | None,
    html: Path | None,
    where: Where,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Score the labelled recordings in CORPUS: warned in time, missed, falsely warned, and how far off in time."""
    from rearguard.cli.progress import run_tasks_shown
    from rearguard.config import load
    from rearguard.lab.score.budget import compare, read_budget
    from rearguard.lab.score.figures import figures
    from rearguard.lab.score.labels import read_corpus
    from rearguard.lab.score.run import RecordingScore, score_recording, score_tasks
    from rearguard.output import check_output, output

    if html is not None:
        check_output(html)
    limits = read_budget(budget) if budget is not None else None
    entries, missing = read_corpus(corpus, pictures, only)
    if not entries:
        raise NotFound(f"{corpus}: no recording to score: {'; '.join(missing) or f'none is called {only}'}")
    work = score_tasks(entries, load(config_file), strips=html is not None)
    found, failed = run_tasks_shown(work, score_recording, RecordingScore, where, "recordings")
    missing += [f"{r.name}: {r.cut}" for r in found if r.cut]
    sums = figures(found)
    over, under = compare(limits, sums) if limits is not None else ([], [])
    if html is not None:
        from rearguard.lab.score.page import page

        with output(html) as file:
            file.write(page(found, sums, missing).encode())
    if as_json:
        told = {
            "recordings": found,
            "figures": sums,
            "missing": missing,
            "failed": failed,
            "over_budget": over,
        }
        click.echo(msgspec.json.encode(told).decode())
    else:
        _print_scores(found, sums)
    lines = (*missing, *failed, *(f"over budget: {o}" for o in over), *(f"under budget: {u}" for u in under))
    for line in lines:
        click.echo(f"rearguard: {line}", err=True)
    if failed or over:
        sys.exit(EXIT_PART_FAILED if failed else EXIT_NO)


def _print_scores(found: Sequence[RecordingScore], sums: Figures) -> None:
    from rearguard.cli.tables import print_table
    from rearguard.lab.score.page import rate_text

    columns = ("recording", "length", "due", "in time", "lead", "false CAUTION", "false CRITICAL")
    print_table(columns, map(_of_recording, found), left=("recording",))
    bins = (
        (
            f"{b.from_s:g}–{b.to_s:g} s",
            str(b.frames),
            "–" if b.mid is None else f"{b.mid:.0f}",
            *map(_share, (b.error_median, b.error_p90, b.bias, b.failed)),
        )
        for b in sums.ttc
    )
    columns = ("true TTC", "frames", "MiD", "error median", "p90", "bias", "no time told")
    print_table(columns, bins, left=("true TTC",))
    for a in sums.ap:
        value = "–" if a.ap is None else f"{a.ap:.2f}"
        click.echo(
            f"AP {a.ahead_s:g} s before contact: {value} ({a.positives} due, {a.negatives} clear stretches)"
        )
    click.echo(
        f"{sums.in_time} of {sums.due} due warnings in time; false CAUTION {rate_text(sums.caution)}; "
        f"false CRITICAL {rate_text(sums.critical)}"
    )


def _of_recording(r: RecordingScore) -> tuple[str | Text, ...]:
    """The cells of one recording."""
    from rich.text import Text

    from rearguard.types import Level

    in_time = sum(d.in_time for d in r.due)
    criticals = sum(a.level >= Level.CRITICAL for a in r.false_alarms)
    cautions = len(r.false_alarms) - criticals
    return (
        Text(r.name),
        f"{r.duration_s:.0f} s",
        str(len(r.due) or "–"),
        Text(str(in_time) if r.due else "–", "red" if in_time < len(r.due) else ""),
        ", ".join(f"{d.lead_s:.1f}" for d in r.due if d.lead_s is not None) or "–",
        Text(str(cautions) if r.caution_hours else "–", "red" if cautions else ""),
        Text(str(criticals) if r.critical_hours else "–", "red" if criticals else ""),
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
