"""An outing's trace, read back: its head, its frames in order, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rearguard.errors import BadInput, NotFound
from rearguard.journal.trace.files import TraceFile, by_outing, files_in, open_trace, trace_files
from rearguard.journal.trace.format import Head, Read, TraceFrame, read
from rearguard.text import clean


@dataclass
class Trace:
    """An outing's trace. `frames` reads as it goes; `damaged` fills with one line for each file that is not whole."""

    head: Head
    files: list[TraceFile]
    damaged: list[str] = field(default_factory=list)

    def frames(self) -> Iterator[TraceFrame]:
        """Every frame, in order of time; what does not go on in time is left out and told."""
        last_ns: int | None = None
        for file in self.files:
            told = Read()
            try:
                with open_trace(file.path) as opened:
                    for block in read(opened, told):
                        for frame in block:
                            if last_ns is not None and frame.seen.captured_ns <= last_ns:
                                told.damaged, told.why = True, "time does not go on in it"
                                continue
                            last_ns = frame.seen.captured_ns
                            yield frame
            except OSError as e:
                told.damaged, told.why = True, e.strerror or str(e)
            if told.damaged:
                self.damaged.append(f"{file.path.name}: {clean(told.why, 200)}")

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)


def traces(folder: Path) -> list[Trace]:
    """The traces in a journal's folder, or in a folder of trace files, by outing; those without a readable head
    are left out. Raises OSError."""
    files = trace_files(folder) or files_in(folder)
    found = [_trace(of_outing) for of_outing in by_outing(files).values()]
    return sorted((t for t in found if t is not None), key=lambda t: (t.head.wall_s, t.head.outing_key))


def trace_of(folder: Path, key: str) -> Trace:
    """The trace of one outing. Raises `NotFound` where there is none, `BadInput` where it cannot be read."""
    files = trace_files(folder, key) or files_in(folder, key)
    if not files:
        raise NotFound(f"no trace of outing {key} in {folder}: journal.trace was off, or it has expired")
    trace = _trace(files)
    if trace is None:
        raise BadInput(f"{files[0].path}: {_head(files[0].path)[1]}; the outing cannot be judged from it")
    return trace


def _trace(files: list[TraceFile]) -> Trace | None:
    for file in files:  # a head is in each of them
        head, _ = _head(file.path)
        if head is not None and head.outing_key == file.key:
            return Trace(head, files)
    return None


def _head(path: Path) -> tuple[Head | None, str]:
    """A file's head, and what is wrong with it where there is none."""
    told = Read()
    try:
        with open_trace(path) as opened:
            next(read(opened, told), None)
    except OSError as e:
        return None, e.strerror or str(e)
    return told.head, clean(told.why, 200) or "cut before its head"
