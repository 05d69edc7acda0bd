"""Traces of simulated outings, written as an outing writes them."""

from __future__ import annotations

import os
from pathlib import Path

from journal_kit import Told, a_start
from msgspec.structs import replace

from rearguard.config import Config
from rearguard.config.journal import Journal as Settings
from rearguard.ego.pinhole import Pinhole
from rearguard.journal.trace.files import trace_files
from rearguard.journal.trace.writer import TraceWriter
from rearguard.lab.world import boxes, catalogue
from rearguard.types import Observation, Verdict
from rearguard.vision.rules import Rules

LENS = Pinhole.from_fov(1280, 720, 66.0)
AGE_S = 0.041_5


def a_trace(
    folder: Path, world: str = "stand", frames: int = 10_000, seed: int = 1, **changes: object
) -> list[tuple[Observation, Verdict]]:
    """The trace of an outing in a world of noisy boxes, begun 60 s before it meets; and what was judged."""
    start = a_start(**changes)
    writer = TraceWriter(folder, start, LENS, 66.0, Told(), settings=Settings())
    rules = Rules(Config(), LENS)
    judged = []
    for frame in boxes.observe(catalogue.scene(world, start=60.0), fps=15.0, seed=seed):
        if len(judged) == frames:
            break
        at_ns = start.origin_ns + frame.seen.captured_ns
        seen = replace(frame.seen.rounded(), captured_ns=at_ns)
        verdict = rules.judge_frame(seen, AGE_S)[1]
        writer.add(seen, AGE_S, verdict)
        judged.append((seen, verdict))
    assert writer.close(10)
    return judged


def dated(folder: Path, key: str, changed_s: float) -> None:
    """Give a trace's files a time."""
    for file in trace_files(folder, key):
        os.utime(file.path, (changed_s, changed_s))
