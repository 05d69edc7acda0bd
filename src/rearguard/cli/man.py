"""`rearguard man FOLDER`: the manual pages, made of the commands' own help by click-man."""

from __future__ import annotations

from pathlib import Path

import click

from rearguard import __version__
from rearguard.cli.options import FOLDER
from rearguard.errors import BadInput
from rearguard.output import output

_EPILOG = """
\b
Examples:
  sudo rearguard man /usr/local/share/man/man1       then: man rearguard-log
"""


@click.command("man", epilog=_EPILOG)
@click.argument("folder", type=FOLDER)
def man(folder: Path) -> None:
    """Write the manual pages into FOLDER, one a command; what is there already is left alone."""
    written = 0
    for name, text in pages().items():
        path = folder / f"{name}.1"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        with output(path, mode=0o644, make_folder=True) as file:
            file.write(text.encode())
        written += 1
    click.echo(f"{folder}: {written} pages written")


def pages() -> dict[str, str]:
    """Every manual page by its name: rearguard, rearguard-log, ... Raises `BadInput` where click-man is missing."""
    try:
        from click_man.core import generate_man_page
    except ImportError as e:
        raise BadInput("manual pages need click-man: pip install 'rearguard[review]'") from e
    from rearguard.cli.main import COMMANDS, cli

    # In full: click cuts what it derives.
    cli.short_help = "a rear-collision warning for people who run backwards"
    parent = click.Context(cli, info_name="rearguard")
    found = {"rearguard": generate_man_page(parent, version=__version__, date=f"rearguard {__version__}")}
    listed = "\n".join(f".TP\n\\fBrearguard-{name}\\fP(1)\n{about}" for name, (_, about) in COMMANDS.items())
    found["rearguard"] += f"\n.SH COMMANDS\n{listed}\n"
    for name, (_, about) in COMMANDS.items():
        command = cli.get_command(parent, name)
        assert command is not None
        command.short_help = about
        ctx = click.Context(command, info_name=name, parent=parent)
        page = generate_man_page(ctx, version=__version__, date=f"rearguard {__version__}")
        found[f"rearguard-{name}"] = page + _examples(command.epilog or "")
    return found


def _examples(epilog: str) -> str:
    """The epilog as it is laid out, its mark for click taken out."""
    lines = [line for line in epilog.strip("\n").splitlines() if line.strip() != "\b"]
    if not lines:
        return ""
    lines = [line.replace("\\", "\\e") for line in lines]
    safe = "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)
    return f"\n.SH NOTES\n.nf\n{safe}\n.fi\n"
