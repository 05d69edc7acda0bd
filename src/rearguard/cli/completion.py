"""`rearguard completion SHELL`: what makes the shell complete commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_EPILOG = """
\b
Examples:
  rearguard completion bash >> ~/.bashrc
  rearguard completion zsh >> ~/.zshrc
  rearguard completion fish > ~/.config/fish/completions/rearguard.fish
"""


@click.command("completion", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the lines that make SHELL complete commands, options and values: worlds after `sim:`, labels, cues."""
    from rearguard.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    if shell == "bash":  # whose words end at a colon, and ours go on: sim:stand
        click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//:}")
    click.echo(kind(cli, {}, "rearguard", "_REARGUARD_COMPLETE").source())
