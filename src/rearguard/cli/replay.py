"""`rearguard replay`: what would have been felt under other settings."""

from __future__ import annotations

import os
import re
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.journal import find_folder, journal_option, open_journal
from rearguard.cli.options import FILE, fps_option, hfov_option, json_option, lens_option
from rearguard.cli.values import sources
from rearguard.cli.where import where_options
from rearguard.errors import BadInput

if TYPE_CHECKING:
    from rearguard.config import Config
    from rearguard.cue.ledger import CueLine
    from rearguard.lab.replay.compare import Change
    from rearguard.lab.replay.from_journal import RejudgedNearMiss
    from rearguard.lab.replay.outings import OutingChanges
    from rearguard.lab.replay.recording import Recording
    from rearguard.lab.replay.rejudge import Replayed
    from rearguard.lab.tasks.kept import Where

_STYLE = {"gone": "red", "later": "red", "new": "green", "earlier": "green", "side": "yellow"}


@click.command(
    epilog="""\b
Examples:
  rearguard replay 12 --config mine.toml           outing 12 under other settings
  rearguard replay outing.mp4 --config mine.toml   a video, against the built-in settings
  rearguard replay outing.mp4 --config b.toml --against a.toml --detections outing.jsonl
  rearguard replay "sim:stand?speed=3.5" --json | jq '.changes'
  rearguard replay --all --config mine.toml        every outing of the journal: what would be felt now
  rearguard replay --all season/ --against a.toml --config b.toml --html changes.html

\b
Of an outing with a trace every frame is judged again, silence included, against what was felt then or the
--against settings: [track], [judge] and [cue] count. Its near misses also each by itself, from first sight to
release, from what the journal has of them: there only [judge] and [cue] count. An outing without a trace has only
those, and shows warnings that would go or move, not those that would come in between.

\b
A video goes through the detector once, under the --against settings, and then through tracker, judge and
cues under both: [track], [judge] and [cue] count; with other [camera], [detect] or [looming] settings,
run it again. --detections keeps what was seen, so that the next try takes seconds.


--all judges every outing from its trace, silence included: what would come in between shows too. Without
--against it compares with what was felt then. SOURCE is then a folder: a journal (by default the usual one), or
one with files of traces or of detections. Outings without a trace go by their near misses. Exit code 3 when
something could not be judged."""
)
@click.argument("source", metavar="[SOURCE]", required=False, shell_complete=sources)
@click.option("--all", "everything", is_flag=True, help="Every outing of a journal or folder, in parallel.")
@where_options
@click.option("--html", type=FILE, help="With --all: also write a page with pictures.")
@click.option(
    "--config",
    "config_file",
    type=FILE,
    help="Settings to try; by default the present ones (user's, then /etc/rearguard/rearguard.toml).",
)
@click.option(
    "--against",
    "against_file",
    type=FILE,
    help="Settings to compare with; by default those of the outing, for a video the built-in ones.",
)
@click.option(
    "--detections",
    "detections_file",
    type=FILE,
    help="JSON Lines file of what was seen: read if it is there, else written.",
)
@fps_option
@hfov_option
@lens_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of a simulated world.")
@journal_option
@json_option
def replay(
    source: str | None,
    everything: bool,
    where: Where,
    html: Path | None,
    config_file: Path | None,
    against_file: Path | None,
    detections_file: Path | None,
    fps: float | None,
    hfov_deg: float | None,
    lens: str,
    seed: int,
    journal: Path | None,
    as_json: bool,
) -> None:
    """Send SOURCE through the rules again under other settings, and print the difference in cues.

    SOURCE is the number of an outing in the journal (`rearguard outings`), or a video, a folder of pictures
    or sim:NAME.
    """
    if everything:
        from rearguard.cli.replay_all import replay_all

        if detections_file or fps:
            raise BadInput("--detections and --fps are for one video, not for --all")
        folder = find_folder(Path(source) if source else journal)
        if not folder.is_dir():
            raise BadInput(f"{folder}: no such folder; --all takes a journal, or a folder of traces")
        replay_all(folder, config_file, against_file, where, html, as_json)
        return
    if html or where.jobs or where.out or where.cluster:
        raise BadInput("--html, --jobs, --out and --cluster go with --all")
    if source is None:
        raise click.UsageError("say what: an outing's number, a video, a folder, sim:NAME, or --all")
    if re.fullmatch(r"\d{1,18}", source):
        if detections_file or fps or hfov_deg or lens:
            raise BadInput(
                "--detections, --fps, --hfov and --lens are for videos; of an outing the journal holds the traces"
            )
        _outing(int(source), journal, config_file, against_file, as_json)
    else:
        _video(source, config_file, against_file, detections_file, fps, hfov_deg, lens, seed, as_json)


def _outing(
    number: int, folder: Path | None, config_file: Path | None, against_file: Path | None, as_json: bool
) -> None:
    from rearguard.cli.progress import over
    from rearguard.config import load
    from rearguard.lab.replay import from_journal

    after = load(config_file)
    with open_journal(folder) as journal:
        row, traced = from_journal.near_misses(journal, number)
    before = load(against_file) if against_file else from_journal.recorded_config(row)
    try:
        own = from_journal.recorded_config(row)
    except BadInput:
        own = before
    found = [
        from_journal.again(row, near, trace, own, before, after)
        for near, trace in over(traced, "near misses", len(traced))
    ]
    from rearguard.lab.replay.outings import rejudge_outing

    whole = rejudge_outing(find_folder(folder), row, after, load(against_file) if against_file else None)
    if as_json:
        _print_json({"outing": number, "near_misses": found, "whole": whole})
        return
    if whole is not None:
        _whole_outing(whole)
    if found:
        _near_miss_table(found)
    elif whole is None:
        click.echo(f"Outing {number} has neither a trace nor a traced near miss: nothing to replay.")


def _whole_outing(whole: OutingChanges) -> None:
    """What differs over the whole outing, silence included."""
    from rearguard.cli.replay_all import as_judged

    if whole.changes:
        _cue_table(whole.changes)
    same = as_judged(whole.identical)
    click.echo(
        f"{whole.frames} frames, {whole.duration_s:.1f} s: {whole.before} cues before, {whole.after} after, "
        f"{len(whole.changes)} differ{same}"
    )
    for line in whole.missing:
        click.echo(f"rearguard: {line}", err=True)


def _video(
    source: str,
    config_file: Path | None,
    against_file: Path | None,
    detections_file: Path | None,
    fps: float | None,
    hfov_deg: float | None,
    lens: str,
    seed: int,
    as_json: bool,
) -> None:
    from rearguard.config import Config, load
    from rearguard.lab.replay.compare import changes

    after = load(config_file)
    before = load(against_file) if against_file else Config()
    recording = _recording(source, before, detections_file, fps, hfov_deg, lens, seed)
    seeing = attrgetter("camera", "detect", "looming", "health")
    if seeing(after) != seeing(before):
        click.echo(
            "rearguard: the two settings see differently ([camera], [detect], [looming] or [health]); what was seen "
            "is as under --against",
            err=True,
        )
    for line in (*recording.header.assumed, recording.header.cut):
        if line:
            click.echo(f"rearguard: {line}", err=True)
    one, two = (_judged(recording, config) for config in (before, after))
    rows = changes(one.cues, two.cues)
    if as_json:
        told = {"source": source, "assumed": recording.header.assumed, "cut": recording.header.cut or None}
        _print_json({**told, "before": one, "after": two, "changes": rows})
        return
    _cue_table(rows)
    differ = sum(row.what != "same" for row in rows)
    click.echo(
        f"{one.frames} frames, {one.duration_s:.1f} s: {len(one.cues)} cues before, {len(two.cues)} after, "
        f"{differ} of {len(rows)} rows differ"
    )


def _judged(recording: Recording, config: Config) -> Replayed:
    from rearguard.cli.progress import over
    from rearguard.lab.replay.rejudge import felt, verdicts

    return felt(over(verdicts(recording, config), "judging", len(recording.seen)), config)


def _recording(
    source: str,
    config: Config,
    file: Path | None,
    fps: float | None,
    hfov_deg: float | None,
    lens: str,
    seed: int,
) -> Recording:
    """What is seen in the source: from the file, or from the pictures."""
    from rearguard.lab.replay.record import looked, record
    from rearguard.lab.replay.recording import read, write

    if file is not None and os.path.exists(file):  # Path.exists would raise of a name too long
        recording = read(file)
        _check(file, recording, source, looked(source, config, fps, seed, hfov_deg, lens))
        return recording
    from rearguard.cli.progress import progress_bar
    from rearguard.output import check_output

    if file is not None:
        check_output(file)

    with progress_bar("looking") as bar:
        recording = record(
            source, config, fps=fps, hfov_deg=hfov_deg, lens=lens, seed=seed, on_frame=bar.reach
        )
    if file is not None:
        write(file, recording)
    return recording


def _check(file: Path, recording: Recording, source: str, looked: str) -> None:
    """A file of detections of something else must not pass for this source's."""
    if recording.header.source != source:
        raise BadInput(f"{file}: holds what was seen in {recording.header.source[:80]!r}; name another file")
    if recording.header.looked != looked:
        raise BadInput(
            f"{file}: was seen with other [camera], [detect], [looming], [health], --fps, --hfov, --lens or --seed, "
            "or in another file of that name; delete it to have it made anew"
        )
    if not recording.seen:
        raise BadInput(f"{file}: no frame in it")


def _print_json(what: object) -> None:
    import msgspec

    click.echo(msgspec.json.encode(what).decode())


def _cue(cue: CueLine | None) -> str:
    if cue is None:
        return "–"
    return cue.told + (f" ×{cue.repeats + 1}" if cue.repeats else "")


def _what(row: Change) -> str:
    moved = row.moved_s
    return row.what if moved is None or row.what in ("same", "side") else f"{row.what} by {abs(moved):.2f} s"


def _cue_table(rows: list[Change]) -> None:
    from rich.text import Text

    from rearguard.cli.tables import print_table

    columns = ("before", "after", "")
    cells = (
        (Text(_cue(row.before)), Text(_cue(row.after)), Text(_what(row), _STYLE.get(row.what, "dim")))
        for row in rows
    )
    print_table(columns, cells, left=columns, no_wrap=True)


def _near_miss_table(found: list[RejudgedNearMiss]) -> None:
    from rich.text import Text

    from rearguard.cli.tables import print_table
    from rearguard.text import clean

    def left(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f} s"

    columns = ("near miss", "at", "what", "recorded", "before", "after", "CAUTION at", "CRITICAL at", "cues")
    cells = (
        (
            str(a.id),
            f"{a.at_s:.1f} s",
            Text(clean(a.label)),
            a.recorded,
            a.before.level,
            Text(a.after.level, "bold" if a.after.level != a.before.level else ""),
            f"{left(a.before.caution_left_s)} → {left(a.after.caution_left_s)}",
            f"{left(a.before.critical_left_s)} → {left(a.after.critical_left_s)}",
            Text("; ".join(_short(row) for row in a.changes if row.what != "same") or "same"),
        )
        for a in found
    )
    print_table(columns, cells, left=columns, pipe_columns=160)
    frames = sum(a.frames for a in found)
    agree = sum(a.agree * a.frames for a in found) / frames
    click.echo(
        f"{len(found)} near misses, {frames} traced frames; judged by the outing's own settings {agree:.0%} of them "
        "get the level that was recorded"
    )


def _short(row: Change) -> str:
    cue = row.before or row.after
    assert cue is not None
    return f"{cue.cue} {_what(row)}"
