"""Take a device's traces home: each file from where the last pull left it, as a trace only ever grows.

Every block of a trace has a checksum of its own, so that nothing else needs to be compared; and a file that was cut
on its way is read as far as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from rearguard.errors import BadInput
from rearguard.journal.db.store import Journal
from rearguard.journal.paths import FILE_MODE, make_inner_folder, sync_folder
from rearguard.journal.trace.files import TRACES, parse_name
from rearguard.journal.transfer import TraceEntry
from rearguard.review.remote import Remote
from rearguard.text import clean

_FILES_PER_CALL = 200

Progress = Callable[[str, int, int], None]  # what, done, of how many


def size(path: Path) -> int:
    """Bytes of a file here, 0 where there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def pull_traces(journal: Journal, remote: Remote, folder: str, progress: Progress) -> tuple[int, int]:
    """Fetch what is new of the traces of outings that are in the journal here; files and bytes that came.

    What was deleted here with its outing stays deleted. Raises `PartFailed` when the connection fails, `BadInput`
    when the other side makes no sense, OSError.
    """
    here = journal.folder / TRACES
    make_inner_folder(here)
    known = {row["key"] for row in journal.select("SELECT key FROM outing", [])}
    wanted = {
        entry.name: entry.bytes - size(here / entry.name)
        for entry in _list(remote)
        if (named := parse_name(entry.name)) is not None and named[0] in known
    }
    names = [name for name, lacking in wanted.items() if lacking > 0]
    total = sum(wanted[name] for name in names)
    before = {name: size(here / name) for name in names}

    def came(some: list[str]) -> int:
        return sum(max(0, size(here / name) - before[name]) for name in some)

    try:
        for start in range(0, len(names), _FILES_PER_CALL):
            batch = names[start : start + _FILES_PER_CALL]
            remote.fetch(folder, batch, here, lambda: progress("traces", min(total, came(names)), total))
    finally:
        arrived = [name for name in names if came([name])]
        for name in arrived:
            (here / name).chmod(FILE_MODE)
        if arrived:
            sync_folder(here)
    return len(arrived), came(names)


def _list(remote: Remote) -> list[TraceEntry]:
    try:
        return [msgspec.json.decode(line, type=TraceEntry) for line in remote.lines(["sync", "traces"])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(f"{remote.host}: its list of traces makes no sense: {clean(str(e), 200)}") from e
