"""`rearguard scenarios`: the proving ground."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from rearguard.cli.options import FILE, FOLDER, config_option, json_option
from rearguard.cli.values import scenarios as scenarios_of
from rearguard.cli.where import where_options
from rearguard.config import load
from rearguard.errors import EXIT_NO, EXIT_PART_FAILED, BadInput
from rearguard.output import check_output, output
from rearguard.text import clean

if TYPE_CHECKING:
    from rearguard.lab.scenarios.grid import CellResult, Failures, Plan
    from rearguard.lab.tasks.kept import Where


@click.command(
    epilog="""\b
Examples:
  rearguard scenarios                         every scenario at the design point, on noisy boxes
  rearguard scenarios --only PASS-BY          those whose name contains PASS-BY
  rearguard scenarios --full --html all.html  every speed, rate, noise and gait: hours
  rearguard scenarios --rendered --only STAND pictures through the real detector
  rearguard scenarios --rendered --looks both --photos FOLDER   drawn worlds and worlds out of photographs
  rearguard scenarios --full --out grid/      keep results: run it again to go on, also on another machine
  rearguard scenarios --full --out grid/ --cluster tcp://head:8786   on a Dask cluster

\b
A cell passes when 95 % of 200 seeds do (5 of 7 for pictures): warned in time, or no CRITICAL where
nothing is to be warned of and a false CAUTION in no more than 5 %. Exit code 1 when a cell with a goal fails, 3
when runs could not be done. Several machines: docs/cluster.md. What FOLDER must hold: docs/photo-worlds.md."""
)
@click.option("--full", "whole", is_flag=True, help="Every speed, frame rate, noise and gait.")
@click.option(
    "--rendered", is_flag=True, help="Rendered pictures through the real detector instead of noisy boxes."
)
@click.option(
    "--looks",
    type=click.Choice(["drawn", "photo", "both"]),
    default="drawn",
    help="How rendered worlds look: drawn, or people and places out of photographs, shaken as somebody really was.",
)
@click.option(
    "--photos",
    type=FOLDER,
    envvar="REARGUARD_PHOTOS",
    help="The folder of those photographs; also REARGUARD_PHOTOS.",
)
@click.option(
    "--only",
    metavar="TEXT",
    shell_complete=scenarios_of,
    help="Only the scenario of this name, else all whose name contains TEXT.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), help="Runs per cell; by default 200, or 7 for pictures."
)
@click.option("--seed", type=click.IntRange(0, 10_000_000), help="Only the run of this seed.")
@click.option("--speed", type=click.FloatRange(0.5, 8.0), help="Wearer's speed, m/s, instead of the grid's.")
@click.option("--fps", type=click.FloatRange(2.0, 60.0), help="Frames per second, instead of the grid's.")
@click.option("--gyro", is_flag=True, help="With a gyroscope beside the camera.")
@where_options
@click.option("--html", type=FILE, help="Write the table as a page with plots.")
@config_option
@json_option
def scenarios(
    whole: bool,
    rendered: bool,
    looks: str,
    photos: Path | None,
    only: str | None,
    seeds: int | None,
    seed: int | None,
    speed: float | None,
    fps: float | None,
    gyro: bool,
    where: Where,
    html: Path | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Run named scenarios by the hundred and say which pass."""
    from rearguard.lab.scenarios import grid

    folder = _photos(looks, photos, rendered)
    wanted = ("drawn", "photo") if looks == "both" else (looks,)
    plan = grid.rendered(wanted, folder) if rendered else grid.full() if whole else grid.representative()
    plan = _narrowed(plan, only, 1 if seed is not None else seeds, speed, fps)
    plan = replace(plan, first=seed or 0, cells=tuple(replace(c, gyro=gyro) for c in plan.cells))
    if html is not None:
        check_output(html)
    failures = grid.Failures()
    results = _run(plan, config_file, where, failures)
    if as_json:
        click.echo(msgspec.json.encode({"cells": results}).decode())
    else:
        _table(results)
    if html is not None:
        from rearguard.lab.scenarios.page import page
        from rearguard.lab.scenarios.pictures import pictures

        with output(html) as file:
            file.write(page(results, pictures(results, load(config_file), folder)).encode())
    for line in failures.lines:
        click.echo(f"rearguard: {clean(line, 500)}", err=True)
    if failures.lines:
        sys.exit(EXIT_PART_FAILED)
    if any(c.goal and not c.passed for c in results):
        sys.exit(EXIT_NO)


def _photos(looks: str, photos: Path | None, rendered: bool) -> str:
    """The folder of photographs, looked through before any work; empty when none are wanted."""
    if looks == "drawn":
        return ""
    if not rendered:
        raise BadInput(f"--looks {looks}: only pictures have looks; add --rendered")
    if photos is None:
        raise BadInput(
            f"--looks {looks}: needs --photos FOLDER (or REARGUARD_PHOTOS); see docs/photo-worlds.md"
        )
    from rearguard.lab.world.photo_looks import usable

    return usable(photos)


def _narrowed(
    plan: Plan, only: str | None, seeds: int | None, speed: float | None, fps: float | None
) -> Plan:
    exact = any(only is not None and c.scenario == only.upper() for c in plan.cells)
    cells = tuple(
        dict.fromkeys(
            replace(c, speed_m_s=speed or c.speed_m_s, fps=fps or c.fps)
            for c in plan.cells
            if only is None or (c.scenario == only.upper() if exact else only.upper() in c.scenario)
        )
    )
    if not cells:
        from rearguard.lab.scenarios.grid import rendered
        from rearguard.lab.scenarios.table import SCENARIOS

        if any(only is not None and only.upper() in c.scenario for c in rendered().cells):
            raise BadInput(f"--only {only}: is seen in pictures only; add --rendered")
        names = ", ".join(s.name for s in SCENARIOS)
        raise BadInput(f"--only {only}: no such scenario here; there are: {names}")
    return replace(plan, cells=cells, seeds=seeds or plan.seeds)


def _run(plan: Plan, config_file: Path | None, where: Where, failures: Failures) -> list[CellResult]:
    from rearguard.cli.progress import progress_bar
    from rearguard.lab.scenarios.grid import run_plan

    config = load(config_file)
    with progress_bar("runs", len(plan.cells) * plan.seeds) as bar:
        return list(run_plan(plan, config, where=where, on_done=bar.advance, failures=failures))


_SEEN_AS = {"boxes": "boxes", "rendered": "drawn", "photo": "photo"}


def _table(results: list[CellResult]) -> None:
    from rearguard.cli.tables import print_table

    columns = ("scenario", "seen as", "m/s", "fps", "noise", "passed", "lead p5", "lead p50", "nuisance", "false/h",
               "CRIT/h", "MiD", "off", "why")  # fmt: skip
    cells = (
        (
            c.scenario,
            _SEEN_AS[c.fidelity],
            f"{c.speed_m_s:g}",
            f"{c.fps:g}",
            f"{c.noise:.0%}" if c.noise else "own",
            f"[{'green' if c.passed else 'red' if c.goal else 'yellow'}]{c.passed_share:.1%}[/]",
            "–" if c.lead_p5_s is None else f"{c.lead_p5_s:.2f} s",
            "–" if c.lead_p50_s is None else f"{c.lead_p50_s:.2f} s",
            f"{c.nuisance_share:.1%}",
            f"{c.false_warnings_per_h:g}",
            f"{c.false_criticals_per_h:g}",
            "–" if c.mid[0] is None else f"{c.mid[0]:.0f}",
            "–" if c.error[0] is None else f"{c.error[0]:+.0%}",
            c.why,
        )
        for c in results
    )
    print_table(columns, cells, left=("scenario", "seen as", "why"))
    passed = sum(c.passed for c in results)
    click.echo(
        f"{passed} of {len(results)} cells passed; MiD and how far times are off are of true times from 0.7 to 3 s"
    )
