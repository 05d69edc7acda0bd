"""The `rearguard` command: a table of commands, each imported only when it is called.

Reviewing over SSH must start quickly, so that no command pays for another's imports.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import Any

import click

from rearguard import __version__
from rearguard.errors import BadInput, PartFailed, RearguardError
from rearguard.plain import make_streams_plain

# An error with one of these and a file's name is about the name: no such file, not readable, not a folder.
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
    "share": ("rearguard.cli.share", "Write one near miss as a film or a page to hand on."),
    "pull": ("rearguard.cli.pull", "Fetch a device's journal over ssh, to review it here."),
    "export": ("rearguard.cli.export", "Write the journal as CSV, JSON Lines or Parquet."),
    "config": ("rearguard.cli.config", "Show or check the configuration."),
    "buzz": ("rearguard.cli.buzz", "Feel the cues, one by one, to learn them."),
    "evaluate": ("rearguard.cli.evaluate", "Measure detectors on labelled pictures."),
    "model": ("rearguard.cli.model", "List detectors, or add one of your own."),
    "bench": ("rearguard.cli.bench", "Measure where the time goes, over models, runtimes and threads."),
    "sync": ("rearguard.cli.sync", "What `pull` calls on the device."),
    "scenarios": ("rearguard.cli.scenarios", "Run the proving ground: named scenarios by the hundred."),
    "collect": ("rearguard.cli.collect", "Make a labelled recording for `score` along a tape."),
    "score": ("rearguard.cli.score", "Score labelled recordings: warned in time, missed, falsely warned."),
    "trackers": ("rearguard.cli.trackers", "Compare trackers on labelled recordings: identities kept."),
    "replay": ("rearguard.cli.replay", "Judge a recording or an outing again under other settings."),
    "bundle": ("rearguard.cli.bundle", "Write one file for a bug report, without pictures or names."),
    "man": ("rearguard.cli.man", "Write the manual pages."),
    "completion": ("rearguard.cli.completion", "Let the shell complete commands, options and values."),
    "doctor": ("rearguard.cli.doctor", "Check what works on this machine, with a remedy for what does not."),
    "calibrate": (
        "rearguard.cli.calibrate",
        "Measure a lens that bends lines, from pictures of a printed board.",
    ),
    "aim": ("rearguard.cli.aim", "Mount the camera straight: live horizon, corridor and what is detected."),
}


class _SeenEnough(Exception):
    """Nobody reads our output any more, as with `| head`."""


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

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but for its own word on a reader that has seen enough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as e:
            raise _SeenEnough from e

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a command that is not there is told with those of nearly the same name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            from difflib import get_close_matches

            near = get_close_matches(args[0].lower(), COMMANDS, n=2, cutoff=0.6)
            if near:
                raise click.UsageError(
                    f"{e.message.rstrip('.')}; did you mean {' or '.join(near)}?", ctx
                ) from e
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, asked: _tell_version(ctx) if asked and not ctx.resilient_parsing else None,
    help="Tell the version, the model and the runtime, and exit.",
)
def cli() -> None:
    """A rear-collision warning aid for people who run backwards.

    It buzzes when there is reason to. It is an aid, not protective equipment: run in a traffic-free place,
    with a spotter, and never rely on silence.

    \b
    Exit codes: 0 done · 1 the answer is no · 2 bad input · 3 a part failed while running ·
    4 switched off by its button.
    """


def _tell_version(ctx: click.Context) -> None:
    """What a bug report needs first: rearguard's version, the model it uses, what runs it."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    click.echo(f"rearguard {__version__}")
    with contextlib.suppress(RearguardError, ImportError):
        from rearguard.config import load
        from rearguard.detect.model import card_of

        card = card_of(load().detect.model)
        click.echo(f"model {card.name} {card.sha256[:12]}")
    for name in ("ai-edge-litert", "tflite-runtime"):
        with contextlib.suppress(PackageNotFoundError):
            click.echo(f"runtime {name} {version(name)}")
            break
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    ctx.exit()


def main() -> None:
    """Run the command. What the user can put right is told in one line on stderr."""
    _open_streams()
    make_streams_plain()
    try:
        try:
            cli(prog_name="rearguard", standalone_mode=True)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be reported
    except (BrokenPipeError, _SeenEnough):  # nothing is wrong
        _drop_output()
        sys.exit(0)
    except Exception as e:
        told = _told(e)
        if told is None:
            raise
        _drop_output()
        from rearguard.text import clean  # names and files of others are in it

        with contextlib.suppress(OSError):
            click.echo(f"rearguard: {clean(' '.join(str(told).splitlines()), 4000)}", err=True)
        sys.exit(told.exit_code)


def _told(e: Exception) -> RearguardError | None:
    """The error to show for an exception that no command expected; None for a bug, which needs its traceback."""
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
    """Open what the caller closed (`>&-`), or the next file that is opened would become standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - for as long as we live
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _drop_output() -> None:
    """Drop output that cannot be written, or Python would complain about it once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
