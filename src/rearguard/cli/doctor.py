"""`rearguard doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from rearguard.cli.options import config_option, json_option
from rearguard.doctor.finding import Finding, State
from rearguard.doctor.machine import worst
from rearguard.doctor.table import CHECKS, examine, patient
from rearguard.errors import EXIT_NO

_STYLE = {State.OK: "green", State.WARN: "dark_orange3", State.FAIL: "bold red"}


@click.command(
    epilog="""\b
Examples:
  rearguard doctor                    everything
  rearguard doctor camera model       only these
  ssh runner@pi rearguard doctor --json | jq '.checks[] | select(.state != "ok")'

\b
Exit code 0: nothing failed (warnings may remain). 1: something failed; rearguard would not protect you."""
)
@click.argument("checks", nargs=-1, type=click.Choice(list(CHECKS)), metavar="[CHECK]...")
@click.option("--quick", is_flag=True, help="Run the model once: shows that it works, not how fast it is.")
@config_option
@json_option
def doctor(checks: tuple[str, ...], quick: bool, config_file: Path | None, as_json: bool) -> None:
    """Check what works on this machine, with a remedy for what does not.

    Looks at: board, config, runtime, model, camera, pins, sound, permissions, power, temperature, disk,
    journal, clock, service. On a laptop the Pi's own parts are missing, which is a warning; on a Pi it is a failure.
    """
    who = patient(config_file, quick=quick)
    findings: list[Finding] = []
    for finding in examine(who, checks or tuple(CHECKS)):
        findings.append(finding)
        if not as_json:
            _print(finding)
    state = worst(findings)
    if as_json:
        report = {"state": state, "board": who.board, "checks": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        from rearguard.review.terminal import console

        console().print(_summary(findings), style=_STYLE[state])
    if state is State.FAIL:
        sys.exit(EXIT_NO)


def _print(finding: Finding) -> None:
    from rich.table import Table
    from rich.text import Text

    from rearguard.review.terminal import console

    row = Table.grid(padding=(0, 1))
    row.add_column(width=4)
    row.add_column(width=12)
    row.add_column(overflow="fold")
    row.add_row(Text(finding.state, style=_STYLE[finding.state]), finding.check, finding.measured)
    if finding.remedy:
        row.add_row("", "", Text(f"→ {finding.remedy}", style=_STYLE[finding.state]))
    console().print(row)


def _summary(findings: list[Finding]) -> str:
    count = {state: sum(finding.state is state for finding in findings) for state in State}
    if count[State.FAIL]:
        return f"{count[State.FAIL]} of {len(findings)} checks failed: do not rely on rearguard here"
    if count[State.WARN]:
        return f"nothing failed, {count[State.WARN]} warnings"
    return "all well"
