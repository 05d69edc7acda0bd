"""docs/review.md speaks of commands and options that there are, and of all review commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from rearguard.cli.main import COMMANDS, cli

TEXT = (Path(__file__).parents[1] / "docs" / "review.md").read_text(encoding="utf-8")
LINES = [
    line.split("#")[0].strip()
    for line in TEXT.splitlines()
    if re.match(r"    (ssh \S+ )?(sudo -u rearguard )?rearguard ", line)
]
LINES += re.findall(r"`((?:sudo -u rearguard )?rearguard [^`.]+)`", TEXT)
REVIEW = ("log", "show", "outings", "stats", "review", "report", "export", "pull")


@pytest.mark.parametrize("line", LINES)
def test_every_command_in_the_text_is_there(line: str) -> None:
    words = shlex.split(line.replace("...", ""))
    words = words[words.index("rearguard", 1 if words[0] == "sudo" and words[2] == "rearguard" else 0) :]
    if words[:2] == ["rearguard", "rearguard"]:
        words = words[1:]
    command: click.Command = cli
    context = click.Context(cli)
    for word in words[1:]:
        if isinstance(command, click.Group) and (found := command.get_command(context, word)) is not None:
            command = found
        elif word.startswith("-"):
            assert any(word in option.opts for option in command.params), f"{command.name} has no {word}"


def test_the_text_was_found() -> None:
    assert len(LINES) >= 15


@pytest.mark.parametrize("name", REVIEW)
def test_every_review_command_is_told_and_teaches(name: str) -> None:
    assert re.search(rf"rearguard {name}\b", TEXT)
    assert name in COMMANDS
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    help_text = command.get_help(click.Context(command, info_name=name))
    assert "Examples:" in help_text
    assert "--journal" in help_text
