"""`rearguard bench`: where the time of a frame goes, on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from rearguard.cli.options import config_option, json_option
from rearguard.config import load

_EPILOG = """
\b
Examples:
  rearguard bench                                  all models, runtimes and threads, simulated frames
  rearguard bench --threads 3 --runtime litert     one row, as on a Pi with four cores
  rearguard bench --source outing.mp4 --frames 200 --json | jq .overhead_ratio

\b
The JSON object has the configured model's invoke_ms (the interpreter's own time), frame_ms (from having a
frame to having judged it), overhead_ratio (their quotient), latency_ms (p50, p95), rss_mib and fps, and all
rows under "table". On a machine that does other things too, run it twice.
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--model", "models", multiple=True, help="Model by name or path; may be repeated. Default: all."
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice(["litert", "tflite"]),
    help="Default: all installed.",
)
@click.option("--threads", "threads", multiple=True, type=click.IntRange(1, 16), help="May be repeated.")
@click.option(
    "--source", default="sim:walk-toward", show_default=True, help="Frames: a file, folder or sim:NAME."
)
@click.option(
    "--frames", default=60, show_default=True, type=click.IntRange(10, 10_000), help="How many frames."
)
@config_option
@json_option
def bench(
    models: tuple[str, ...],
    runtimes: tuple[str, ...],
    threads: tuple[int, ...],
    source: str,
    frames: int,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Measure where the time of a frame goes.

    Runs the whole pipeline (detect, ego-motion, track, judge) over the same frames for every model, runtime
    and number of threads, each in a process of its own; the configured one comes first.
    """
    from rearguard.cli.progress import progress_bar
    from rearguard.lab.evaluate.speed import combinations, run_rows
    from rearguard.lab.evaluate.table import show_rows

    config = load(config_file)
    detects = combinations(config.detect, models, runtimes, threads)
    if not (models or runtimes or threads):
        detects.insert(0, config.detect)
    with progress_bar("benching", len(detects) + 1) as bar:
        rows = list(run_rows(config, detects, source, frames, bar.advance))
    if as_json:
        first = {k: v for k, v in asdict(rows[0]).items() if k != "frames"}
        result = {**first, "source": source, "frames": frames, "table": [asdict(r) for r in rows]}
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        show_rows(rows)
