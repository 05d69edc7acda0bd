"""Take a device's journal home: only what is new, each outing whole, each file checked against its digest."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from rearguard.errors import BadInput, PartFailed, RearguardError
from rearguard.journal.db import insert, schema
from rearguard.journal.db.rows import MediaRecord
from rearguard.journal.db.store import Journal
from rearguard.journal.housekeeping import WriterLock
from rearguard.journal.paths import CLIPS, DATABASE, FILE_MODE, make_inner_folder, sync_folder
from rearguard.journal.transfer import Greeting, State, merge, unpack
from rearguard.review.pull_traces import Progress, pull_traces, size
from rearguard.review.remote import Remote
from rearguard.text import clean

INCOMING = "incoming"
_PER_CALL = 200  # outings asked for in one ssh call
_FILES_PER_CALL = 1000
_ONLY_NUMBERS = "numbers:"  # before the state of an outing whose pictures were not asked for


@dataclass
class Result:
    """What a pull brought."""

    outings: int = 0
    near_misses: int = 0
    files: int = 0
    missing_files: int = 0  # gone there meanwhile, or not readable
    bytes: int = 0
    traces: int = 0  # files of them, new or longer than they were
    trace_bytes: int = 0


@dataclass
class _Wanted:
    """Files still to fetch, and which outings are complete once they are here."""

    files: dict[str, tuple[int, MediaRecord]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


def pull(
    journal: Journal,
    remote: Remote,
    *,
    device: str | None,
    pictures: bool,
    traces: bool = False,
    progress: Progress,
) -> Result:
    """Fetch what changed since the last time: numbers, pictures, traces. What arrived before a cut is kept, and not
    fetched again.

    Raises `PartFailed` when the connection or the journal fails, `BadInput` when the other side makes no sense.
    """
    lock = WriterLock(journal.folder)  # an outing that begins here meanwhile must not sweep up new pictures
    try:
        lock.share()
        greeting, there = _list(remote)
        known = {row["outing_key"]: row["state"] for row in journal.select("SELECT * FROM pulled", [])}
        enough = ("",) if pictures else ("", _ONLY_NUMBERS)
        keys = [s.key for s in there if known.get(s.key) not in [mark + s.state for mark in enough]]
        result, wanted = Result(), _Wanted()
        for start in range(0, len(keys), _PER_CALL):
            _numbers(journal, remote, keys[start : start + _PER_CALL], device, result, wanted)
            progress("outings", min(start + _PER_CALL, len(keys)), len(keys))
        try:
            if pictures:
                _files(journal, remote, greeting.clips, wanted, result, progress)
        finally:
            _done(journal, wanted)
        if traces and greeting.traces:
            result.traces, result.trace_bytes = pull_traces(journal, remote, greeting.traces, progress)
    except sqlite3.Error as e:
        room = "; make room and run it again" if "full" in str(e) else ""
        raise PartFailed(f"{journal.folder / DATABASE}: cannot be written: {e}{room}") from e
    except OSError as e:
        room = "; make room and run it again" if e.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise PartFailed(f"{journal.folder}: cannot be written: {e.strerror or e}{room}") from e
    finally:
        lock.release()
    return result


def _list(remote: Remote) -> tuple[Greeting, list[State]]:
    """What the device has."""
    lines = remote.lines(["sync", "list"])
    try:
        first = next(lines, b"")
        if not first:
            raise BadInput(
                f"{remote.host}: {remote.command!r} there does not answer as rearguard does; see --command"
            )
        greeting = msgspec.json.decode(first, type=Greeting)
        if greeting.journal != schema.VERSION:
            older = "there" if greeting.journal < schema.VERSION else "here"
            raise BadInput(
                f"{remote.host}: rearguard {clean(greeting.rearguard, 40)} there writes journals of version "
                f"{greeting.journal}, this one reads {schema.VERSION}; update rearguard {older}"
            )
        return greeting, [msgspec.json.decode(line, type=State) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BadInput(
            f"{remote.host}: its rearguard answered something else (does its shell print a greeting?): "
            f"{clean(str(e), 200)}"
        ) from e


def _numbers(
    journal: Journal, remote: Remote, keys: list[str], device: str | None, result: Result, wanted: _Wanted
) -> None:
    """Fetch outings; each is in the journal as soon as its line is here."""
    asked = set(keys)
    for line in remote.lines(["sync", "send"], "\n".join(keys) + "\n"):
        parcel = unpack(line)
        if parcel.key not in asked:
            raise BadInput(f"{remote.host}: sent an outing that nobody asked for")
        try:
            missing = merge(journal, parcel, device)
        except sqlite3.IntegrityError as e:
            raise BadInput(
                f"{remote.host}: outing {parcel.key} holds values that no journal takes: {e}"
            ) from e
        result.outings += 1
        result.near_misses += len(parcel.near_misses)
        wanted.files |= missing
        wanted.states[parcel.key] = parcel.state


def _files(
    journal: Journal, remote: Remote, folder: str, wanted: _Wanted, result: Result, progress: Progress
) -> None:
    """Fetch pictures and clips, newest first, and put each in its place once its digest is right."""
    incoming = journal.folder / INCOMING
    make_inner_folder(incoming)
    names = list(wanted.files)
    total = sum(media.bytes for _, media in wanted.files.values())
    taken = 0
    for start in range(0, len(names), _FILES_PER_CALL):
        batch = names[start : start + _FILES_PER_CALL]

        def tick(batch: list[str] = batch, taken: int = taken) -> None:
            progress("pictures", min(total, taken + sum(size(incoming / n) for n in batch)), total)

        try:
            _fetch_twice(remote, folder, batch, incoming, wanted, tick)
        except RearguardError:
            _accept(journal, incoming, batch, wanted, result)
            raise
        _accept(journal, incoming, batch, wanted, result)
        taken = result.bytes
    result.missing_files = len(wanted.files)
    with contextlib.suppress(OSError):  # what is left is half a file, to go on with
        incoming.rmdir()


def _fetch_twice(
    remote: Remote, folder: str, batch: list[str], incoming: Path, wanted: _Wanted, tick: Callable[[], None]
) -> None:
    """What came in two parts that do not fit is fetched once more as a whole."""
    remote.fetch(folder, batch, incoming, tick)
    broken = [n for n in batch if (incoming / n).exists() and not _right(incoming / n, wanted.files[n][1])]
    if broken:
        for name in broken:
            (incoming / name).unlink()
        remote.fetch(folder, broken, incoming, tick)


def _accept(journal: Journal, incoming: Path, batch: list[str], wanted: _Wanted, result: Result) -> None:
    """Move whole files into the clip folder, and then name them in the database."""
    clips = journal.folder / CLIPS
    here = [n for n in batch if (incoming / n).exists() and _right(incoming / n, wanted.files[n][1])]
    for name in here:
        (incoming / name).chmod(FILE_MODE)
        (incoming / name).rename(clips / name)
    if here:
        sync_folder(clips)
    with journal.transaction(durable=True) as db:
        for name in here:
            near_miss_id, media = wanted.files.pop(name)
            insert.media(db, near_miss_id, media)
            result.files += 1
            result.bytes += media.bytes


def _done(journal: Journal, wanted: _Wanted) -> None:
    """Remember the outings of which everything that was asked for is here."""
    lacking = {name.split("-")[0] for name in wanted.files}
    rows = [
        (key, state if key not in lacking else _ONLY_NUMBERS + state) for key, state in wanted.states.items()
    ]
    with journal.transaction(durable=True) as db:
        db.executemany("INSERT OR REPLACE INTO pulled (outing_key, state) VALUES (?, ?)", rows)


def _right(path: Path, media: MediaRecord) -> bool:
    if size(path) != media.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == media.sha256
