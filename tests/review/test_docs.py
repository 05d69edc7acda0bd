"""docs/review.md speaks of all review commands, and each teaches by examples."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rearguard.cli.main import COMMANDS, cli

TEXT = (Path(__file__).parents[2] / "docs" / "review.md").read_text(encoding="utf-8")
REVIEW = ("log", "show", "outings", "stats", "review", "report", "export", "pull")


@pytest.mark.parametrize("name", REVIEW)
def test_every_review_command_is_told_and_teaches(name: str) -> None:
    assert re.search(rf"rearguard {name}\b", TEXT)
    assert name in COMMANDS
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    help_text = command.get_help(click.Context(command, info_name=name))
    assert "Examples:" in help_text
    assert "--journal" in help_text
