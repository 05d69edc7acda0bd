"""`rearguard sync`: the device's side of `pull`; reads the journal, changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from rearguard import __version__
from rearguard.cli.journal import journal_option, open_journal
from rearguard.journal import schema
from rearguard.journal.parcel import Greeting, pack, states
from rearguard.journal.place import CLIPS

_MAX_KEYS = 1 << 20


@click.group("sync")
def sync() -> None:
    """What `rearguard pull` calls on the device, over ssh. JSON, one object a line."""


@sync.command("list")
@journal_option
def sync_list(journal: Path | None) -> None:
    """Print which outings there are, and a digest of the state of each."""
    with open_journal(journal) as opened:
        _say(Greeting(__version__, schema.VERSION, str((opened.folder / CLIPS).absolute())))
        for state in states(opened):
            _say(state)


@sync.command("send")
@journal_option
def sync_send(journal: Path | None) -> None:
    """Print the outings whose keys are on standard input, one a line."""
    keys = sys.stdin.read(_MAX_KEYS).split()
    with open_journal(journal) as opened:
        for key in keys:
            parcel = pack(opened, key)
            if parcel is not None:
                _say(parcel)


def _say(line: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
