"""Things to log: near misses, starts and pictures as tests need them."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from rearguard.clock import Stamp
from rearguard.config import Config
from rearguard.journal.db.rows import OutingStart, outing_start
from rearguard.journal.writer import JournalWriter
from rearguard.types import Box, Fault, Level, NearMiss, Reason, ReasonCode, Side, TracePoint

WALL_S = float(int(time.time()) - 3600)  # an hour ago: nothing has expired
P = ParamSpec("P")
T = TypeVar("T")
MONO_NS = 5_000_000_000_000


def a_start(**changes: object) -> OutingStart:
    """An outing of a live source that began at a known moment."""
    import msgspec

    start = outing_start(Config(), "sim:test", realtime=True, model="ssd", model_digest="ab" * 32)
    start = msgspec.structs.replace(start, stamp=Stamp(MONO_NS, "boot-1", WALL_S, True), device="pi-1")
    return msgspec.structs.replace(start, **changes)


def a_near_miss(at_s: float = 10.0, **changes: object) -> NearMiss:
    """A person from the left, worst `at_s` seconds into the outing, 21 frames at 10 per second."""
    worst_ns = MONO_NS + round(at_s * 1e9)
    trace = tuple(
        TracePoint(
            t_ns=worst_ns + (n - 15) * 100_000_000,
            seq=int(at_s * 10) + n - 15,
            box=Box(100 - n, 100 - n, 140 + n, 200 + 2 * n),
            level=Level.CLEAR if n < 4 else Level.CAUTION if n < 12 else Level.CRITICAL,
            reason=Reason(
                code=ReasonCode.SOON if n >= 4 else ReasonCode.NOT_SOON,
                ttc_s=3.4 - 0.12 * n if n <= 15 else None,
                ttc_sd_s=0.2,
                limit_s=None if n < 4 else 3.0 if n < 12 else 2.0,
                range_m=9.0 - 0.4 * n,
                miss_m=0.1,
                miss_sd_m=0.3,
                probability=0.9,
            ),
        )
        for n in range(21)
    )
    seen = NearMiss(
        track=7,
        label="person",
        kind="detected",
        side=Side.LEFT,
        level=Level.CRITICAL,
        min_ttc_s=1.6,
        range_m=3.0,
        lead_time_s=2.9,
        first_ns=trace[0].t_ns,
        warned_ns=trace[4].t_ns,
        worst_ns=worst_ns,
        released_ns=trace[-1].t_ns,
        worst_seq=trace[15].seq,
        trace=trace,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


class Told:
    """Remembers what the writer told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Fault | None, str]] = []

    def __call__(self, fault: Fault | None, line: str) -> None:
        self.lines.append((fault, line))

    @property
    def faults(self) -> list[Fault | None]:
        return [fault for fault, _ in self.lines]


def a_writer(folder: Path, told: Told | None = None, **changes: object) -> JournalWriter:
    """A writer of `a_start`'s outing."""
    start = changes.pop("start", None) or a_start()
    return JournalWriter(folder, start, told or Told(), **changes)  # type: ignore[arg-type]


def let_in(folder: Path) -> None:
    """Let anybody go down to a folder below pytest's own."""
    for path in (folder, *folder.parents):
        if path.parent == Path("/") or path == Path("/tmp"):
            break
        path.chmod(path.stat().st_mode | 0o011)


def as_stranger(gid: int, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `ask`, a function of a module, gives somebody in this group. For root only.

    In a process of its own, because becoming somebody else is for good; not a forked one, which
    would begin with locks that threads of this one hold. What this process has of the standard
    library it has from the beginning: the interpreter may lie in a folder closed to strangers.
    """
    library = [name for name in sys.modules if name.partition(".")[0] in sys.stdlib_module_names]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(_import_all, library).result(60)
        return pool.submit(_ask_as, gid, ask, *args, **kwargs).result(60)


def _import_all(modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)


def _ask_as(gid: int, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(54399)
    return ask(*args, **kwargs)
