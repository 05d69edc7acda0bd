"""`rearguard scenarios`: the proving ground."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rearguard.cli.options import config_option, json_option
from rearguard.config import load
from rearguard.errors import EXIT_NO, BadInput
from rearguard.output import check_output, output

if TYPE_CHECKING:
    from rearguard.scenarios.grid import CellResult, Plan


@click.command(
    epilog="""\b
Examples:
  rearguard scenarios                         every scenario at the design point, on noisy boxes
  rearguard scenarios --only PASS-BY          those whose name contains PASS-BY
  rearguard scenarios --full --html all.html  every speed, rate, noise and gait: hours
  rearguard scenarios --rendered --only STAND pictures through the real detector

\b
A cell passes when 95 % of 200 seeds do (5 of 7 for pictures): warned in time, or no CRITICAL where
nothing is to be warned of and a false CAUTION in no more than 5 %. Exit code 1 when a cell with a goal fails."""
)
@click.option("--full", "whole", is_flag=True, help="Every speed, frame rate, noise and gait.")
@click.option(
    "--rendered", is_flag=True, help="Rendered pictures through the real detector instead of noisy boxes."
)
@click.option("--only", metavar="TEXT", help="Only scenarios whose name contains TEXT.")
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), help="Runs a cell; by default 200, or 7 for pictures."
)
@click.option("--speed", type=click.FloatRange(0.5, 8.0), help="Wearer's speed, m/s, instead of the grid's.")
@click.option("--fps", type=click.FloatRange(2.0, 60.0), help="Frames a second instead of the grid's.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; by default one a core.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the table as a page with plots."
)
@config_option
@json_option
def scenarios(
    whole: bool,
    rendered: bool,
    only: str | None,
    seeds: int | None,
    speed: float | None,
    fps: float | None,
    jobs: int | None,
    html: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Run named scenarios by the hundred and say which pass."""
    from rearguard.scenarios import grid

    plan = grid.rendered() if rendered else grid.full() if whole else grid.representative()
    plan = _narrowed(plan, only, seeds, speed, fps)
    if html is not None:
        check_output(html)
    results = _run(plan, config_file, jobs or 0)
    if as_json:
        click.echo(msgspec.json.encode({"cells": results}).decode())
    else:
        _table(results)
    if html is not None:
        from rearguard.scenarios.page import page

        with output(html) as file:
            file.write(page(results).encode())
    if any(c.goal and not c.passed for c in results):
        sys.exit(EXIT_NO)


def _narrowed(
    plan: Plan, only: str | None, seeds: int | None, speed: float | None, fps: float | None
) -> Plan:
    from dataclasses import replace

    cells = tuple(
        dict.fromkeys(
            replace(c, speed_m_s=speed or c.speed_m_s, fps=fps or c.fps)
            for c in plan.cells
            if only is None or only.upper() in c.scenario
        )
    )
    if not cells:
        from rearguard.scenarios.grid import rendered
        from rearguard.scenarios.table import SCENARIOS

        if any(only is not None and only.upper() in c.scenario for c in rendered().cells):
            raise BadInput(f"--only {only}: is seen in pictures only; add --rendered")
        names = ", ".join(s.name for s in SCENARIOS)
        raise BadInput(f"--only {only}: no such scenario here; there are: {names}")
    return replace(plan, cells=cells, seeds=seeds or plan.seeds)


def _run(plan: Plan, config_file: Path | None, jobs: int) -> list[CellResult]:
    from rearguard.cli.progress import progress_bar
    from rearguard.scenarios.grid import run_plan

    config = load(config_file)
    with progress_bar("runs", len(plan.cells) * plan.seeds) as bar:
        return list(run_plan(plan, config, jobs=jobs, on_done=bar.advance))


def _table(results: list[CellResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    numbers = ("m/s", "fps", "noise", "passed", "lead p5", "lead p50", "nuisance", "false/h", "CRIT/h")
    for column in ("scenario", *numbers, "why"):
        table.add_column(column, justify="right" if column in numbers else "left")
    for c in results:
        colour = "green" if c.passed else "red" if c.goal else "yellow"
        table.add_row(
            c.scenario,
            f"{c.speed_m_s:g}",
            f"{c.fps:g}",
            f"{c.noise:.0%}",
            f"[{colour}]{c.passed_share:.1%}[/]",
            "–" if c.lead_p5_s is None else f"{c.lead_p5_s:.2f} s",
            "–" if c.lead_p50_s is None else f"{c.lead_p50_s:.2f} s",
            f"{c.nuisance_share:.1%}",
            f"{c.false_warnings_per_h:g}",
            f"{c.false_criticals_per_h:g}",
            c.why,
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    passed = sum(c.passed for c in results)
    click.echo(f"{passed} of {len(results)} cells passed")
