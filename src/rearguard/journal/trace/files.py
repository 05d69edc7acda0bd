"""The files of traces in a journal's folder: names, how much there is, and deleting them.

`traces/KEY-N.trace`: KEY is the outing's, N counts its files from 1; a new one begins every ten minutes.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rearguard.journal.paths import sync_folder

TRACES = "traces"
_NAME = re.compile(r"([0-9a-f]{16})-([0-9]{1,6})\.trace")


@dataclass(frozen=True, slots=True)
class TraceFile:
    """One file of a trace."""

    path: Path
    key: str
    number: int
    bytes: int
    changed_s: float


def trace_name(key: str, number: int) -> str:
    """The name of an outing's file."""
    return f"{key}-{number}.trace"


def parse_name(name: str) -> tuple[str, int] | None:
    """Key and number of a file by its name; None for a name that no trace has."""
    found = _NAME.fullmatch(name)
    return None if found is None else (found[1], int(found[2]))


def trace_files(folder: Path, key: str | None = None) -> list[TraceFile]:
    """The files of all outings, or of one, in a journal's folder, in order. Raises OSError but for no folder."""
    return files_in(folder / TRACES, key)


def files_in(traces: Path, key: str | None = None) -> list[TraceFile]:
    """The same of the folder that they lie in."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(traces) as entries:
        for entry in entries:
            named = parse_name(entry.name)
            if (
                named is None
                or (key is not None and named[0] != key)
                or not entry.is_file(follow_symlinks=False)
            ):
                continue
            about = entry.stat(follow_symlinks=False)
            found.append(TraceFile(Path(entry.path), *named, about.st_size, about.st_mtime))
    return sorted(found, key=lambda f: (f.key, f.number))


def by_outing(files: Iterable[TraceFile]) -> dict[str, list[TraceFile]]:
    """Files by the key of their outing, each in order."""
    found: dict[str, list[TraceFile]] = {}
    for file in files:
        found.setdefault(file.key, []).append(file)
    return found


@contextlib.contextmanager
def open_trace(path: Path) -> Iterator[BinaryIO]:
    """A trace to read; no link, pipe or device is followed. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        yield file


def delete_traces(folder: Path, keys: Iterable[str]) -> int:
    """Delete all files of these outings; how many there were. Raises OSError."""
    wanted = set(keys)
    gone = 0
    for file in trace_files(folder) if wanted else ():
        if file.key in wanted:
            with contextlib.suppress(FileNotFoundError):
                file.path.unlink()
                gone += 1
    if gone:
        sync_folder(folder / TRACES)
    return gone


def too_much(files: list[TraceFile], most_bytes: int, keep: set[str]) -> set[str]:
    """The outings whose traces must go so that the rest fits: oldest first, whole ones, none of those to `keep`."""
    outings = by_outing(files)
    total = sum(f.bytes for f in files)
    gone: set[str] = set()
    for key in sorted(outings.keys() - keep, key=lambda k: max(f.changed_s for f in outings[k])):
        if total <= most_bytes:
            break
        gone.add(key)
        total -= sum(f.bytes for f in outings[key])
    return gone
