"""The `rearguard` command: a table of commands, each imported only when it is called.

Reviewing over SSH must start quickly, so that no command pays for another's imports.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from rearguard import __version__
from rearguard.errors import RearguardError

# name → (module, one line for --help). The module has a click command of the same name (`-` as `_`).
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("rearguard.cli.demo", "Watch a simulated outing go through the real detector."),
    "run": ("rearguard.cli.run", "Arm and warn, from a camera, a file or a simulated world."),
    "log": ("rearguard.cli.log", "List near misses, newest first."),
    "show": ("rearguard.cli.show", "Tell one near miss: story, plot and picture."),
    "outings": ("rearguard.cli.outings", "List outings: time worn, near misses, faults, time blind."),
    "stats": ("rearguard.cli.stats", "Show the trend over weeks."),
    "review": ("rearguard.cli.review", "Go through near misses with the keyboard, mark and note them."),
    "report": ("rearguard.cli.report", "Write a page to keep or hand on."),
    "pull": ("rearguard.cli.pull", "Fetch a device's journal over ssh, to review it here."),
    "export": ("rearguard.cli.export", "Write the journal as CSV, JSON Lines or Parquet."),
    "config": ("rearguard.cli.config", "Show or check the configuration."),
    "buzz": ("rearguard.cli.buzz", "Feel the cues, one by one, to learn them."),
    "evaluate": ("rearguard.cli.evaluate", "Measure detectors on labelled pictures."),
    "bench": ("rearguard.cli.bench", "Measure where the time goes, over models, runtimes and threads."),
    "sync": ("rearguard.cli.sync", "What `pull` calls on the device."),
    "scenarios": ("rearguard.cli.scenarios", "Run the proving ground: named scenarios by the hundred."),
    "replay": ("rearguard.cli.replay", "Judge a recording or an outing again under other settings."),
    "doctor": ("rearguard.cli.doctor", "Check what works on this machine, with a remedy for what does not."),
    "aim": ("rearguard.cli.aim", "Mount the camera straight: live horizon, corridor and what is detected."),
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, loaded on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="rearguard")
def cli() -> None:
    """A rear-collision warning aid for people who run backwards.

    It buzzes when there is reason to. It is an aid, not protective equipment: run in a traffic-free place,
    with a spotter, and never rely on silence.

    \b
    Exit codes: 0 done · 1 the answer is no · 2 bad input · 3 a part failed while running.
    """


def main() -> None:
    """Run the command; what the user can mend is one line on stderr."""
    try:
        cli(standalone_mode=True)
    except RearguardError as e:
        click.echo(f"rearguard: {e}", err=True)
        sys.exit(e.exit_code)
