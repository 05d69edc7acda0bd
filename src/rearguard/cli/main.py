"""The `rearguard` command: a table of commands, each imported only when it is called.

Reviewing over SSH must start quickly, so that no command pays for another's imports.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib import import_module

import click

from rearguard import __version__
from rearguard.errors import EXIT_NO, BadInput, PartFailed, RearguardError

# An error of these, with a file's name, is the name's: not there, not to be read, no folder.
_NAMED_WRONGLY = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS,
}  # fmt: skip

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
    Exit codes: 0 done · 1 the answer is no · 2 bad input · 3 a part failed while running ·
    4 switched off by its button.
    """


def main() -> None:
    """Run the command; what the user can mend is one line on stderr."""
    _open_streams()
    try:
        try:
            cli(standalone_mode=True)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told
    except BrokenPipeError:  # `| head` has seen enough
        _drop_output()
        sys.exit(EXIT_NO)
    except Exception as e:
        told = _told(e)
        if told is None:
            raise
        _drop_output()
        from rearguard.review.text import clean  # names and files of others are in it

        with contextlib.suppress(OSError):
            click.echo(f"rearguard: {clean(' '.join(str(told).splitlines()), 4000)}", err=True)
        sys.exit(told.exit_code)


def _told(e: Exception) -> RearguardError | None:
    """What to tell of an exception that no command foresaw; None for a mistake of ours, which needs its traceback."""
    if isinstance(e, RearguardError):
        return e
    if isinstance(e, OSError):
        where = f"{os.fsdecode(e.filename)}: " if isinstance(e.filename, str | bytes) else ""
        kind = BadInput if where and e.errno in _NAMED_WRONGLY else PartFailed
        return kind(f"{where or 'input or output failed: '}{e.strerror or e}")
    if isinstance(e, UnicodeError):
        return BadInput(f"text that cannot be read or shown: {e}")
    if isinstance(e, RecursionError):
        return BadInput("what was read is nested too deeply")
    sqlite3 = sys.modules.get("sqlite3")  # imported only by what opens a journal
    if sqlite3 is not None and isinstance(e, sqlite3.Error):
        return PartFailed(f"the journal: {e}")
    return None


def _open_streams() -> None:
    """Give what the caller closed (`>&-`) a place: the next file opened would become standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - for as long as we live
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _drop_output() -> None:
    """Let go of output that cannot be written, or Python would complain of it again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
