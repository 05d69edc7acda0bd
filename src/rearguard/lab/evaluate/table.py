"""Results as a table for people and as plain values for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from rearguard.lab.evaluate.measure import Measured
from rearguard.lab.evaluate.score import HEIGHTS_PX
from rearguard.lab.evaluate.speed import Row


def as_jsonable(measured: Measured) -> dict[str, Any]:
    """`measured` with its figures under `labels`, by label."""
    values = asdict(measured)
    values["labels"] = {f.pop("label"): f for f in values.pop("figures")}
    return values


def show(results: Sequence[Measured]) -> None:
    """Print one row per model, set and label."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("set", "model", "label", "things", "AP50", "recall", "precision"):
        table.add_column(name, justify="left" if name in ("set", "model", "label") else "right")
    for low, high in HEIGHTS_PX:
        table.add_column(f"{low}–{high}px" if high < 10_000 else f">{low}px", justify="right")
    for name in ("input", "invoke ms", "frame ms"):
        table.add_column(name, justify="right")
    for r in results:
        for f in r.figures:
            bands = [f"{b.found / b.truths:.2f}" if b.truths else "–" for b in f.by_height]
            shares = map(_share, (f.ap50, f.recall, f.precision))
            cost = f"{r.input_px / 1000:.0f}k", f"{r.invoke_ms:.1f}", f"{r.frame_ms:.1f}"
            table.add_row(r.dataset, r.model, f.label, str(f.truths), *shares, *bands, *cost)
    console = _console()
    console.print(table)
    if results and results[0].figures:
        least = results[0].figures[0].min_score
        console.print(f"Recall, by height too, and precision at score ≥ {least:g}, IoU ≥ 0.5.", style="dim")


def show_rows(rows: Sequence[Row]) -> None:
    """Print one row per model, runtime and number of threads."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("model", "runtime"):
        table.add_column(name)
    for name in ("threads", "invoke ms", "frame ms", "overhead", "p50 ms", "p95 ms", "fps", "RSS MiB"):
        table.add_column(name, justify="right")
    for r in rows:
        times = (r.invoke_ms, r.frame_ms, r.overhead_ratio, r.latency_ms["p50"], r.latency_ms["p95"], r.fps)
        cells = [f"{t:.2f}" if t is r.overhead_ratio else f"{t:.1f}" for t in times]
        table.add_row(r.model, r.runtime, str(r.threads), *cells, f"{r.rss_mib:.0f}")
    _console().print(table)


def _console() -> Console:
    """Where tables go: as wide as the terminal, or as they need where there is none."""
    console = Console()
    if not console.is_terminal:
        console.width = 200
    return console


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
