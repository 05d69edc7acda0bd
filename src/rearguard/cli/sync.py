"""`rearguard sync`: the device's side of `pull`; reads the journal, changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from rearguard import __version__
from rearguard.cli.journal import journal_option, open_journal
from rearguard.journal.db import schema
from rearguard.journal.paths import CLIPS
from rearguard.journal.trace.files import TRACES, trace_files
from rearguard.journal.transfer import Greeting, TraceEntry, pack, states

_MAX_KEYS = 1 << 20


@click.group("sync")
def sync() -> None:
    """What `rearguard pull` calls on the device, over ssh. JSON, one object a line."""


@sync.command("list")
@journal_option
def sync_list(journal: Path | None) -> None:
    """Print which outings there are, and a digest of the state of each."""
    with open_journal(journal) as opened:
        folder = opened.folder.absolute()
        _write_line(Greeting(__version__, schema.VERSION, str(folder / CLIPS), str(folder / TRACES)))
        for state in states(opened):
            _write_line(state)


@sync.command("traces")
@journal_option
def sync_traces(journal: Path | None) -> None:
    """Print which files of traces there are."""
    with open_journal(journal) as opened:
        for file in trace_files(opened.folder):
            _write_line(TraceEntry(file.path.name, file.bytes))


@sync.command("send")
@journal_option
def sync_send(journal: Path | None) -> None:
    """Print the outings whose keys are on standard input, one a line."""
    keys = sys.stdin.read(_MAX_KEYS).split()
    with open_journal(journal) as opened:
        for key in keys:
            parcel = pack(opened, key)
            if parcel is not None:
                _write_line(parcel)


def _write_line(line: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
