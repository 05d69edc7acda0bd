"""Where the time of a frame goes: the real pipeline on recorded or simulated frames, one process per row."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rearguard.config import Config
from rearguard.config.detect import Detect
from rearguard.errors import BadInput, CutShort, PartFailed

if TYPE_CHECKING:
    from rearguard.vision.pipeline import Pipeline

WARM_UP = 5
_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration. Times are milliseconds; of each frame, from having it to having judged it.

    `invoke_ms` is the interpreter's own time in a frame (all runs of it), `frame_ms` all of the frame,
    both medians; `overhead_ratio` the median of their quotient, frame by frame. `rss_mib` is the process's
    resident memory at the end, without the sources' own buffers.
    """

    model: str
    runtime: str
    threads: int
    frames: int
    invoke_ms: float
    frame_ms: float
    overhead_ratio: float
    latency_ms: dict[str, float]
    fps: float
    rss_mib: float


def combinations(
    base: Detect, models: Sequence[str], runtimes: Sequence[str], threads: Sequence[int]
) -> list[Detect]:
    """Every model with every runtime and number of threads; empty lists mean: all there are here."""
    from rearguard.detect.model import RUNTIMES, available

    installed = [name for name, module in RUNTIMES.items() if find_spec(module.partition(".")[0])]
    cores = os.cpu_count() or 1
    return [
        msgspec.structs.replace(base, model=model, runtime=runtime, threads=count)
        for model in models or available()
        for runtime in runtimes or installed
        for count in threads or sorted({1, min(2, cores), max(1, min(4, cores) - 1)})
    ]


def run_rows(
    config: Config, detects: Sequence[Detect], source: str, frames: int, on_progress: Callable[[], None]
) -> Iterator[Row]:
    """One `Row` per element of `detects`, in order; `on_progress` is called after each and after taking the frames.

    Frames are taken first, in a process of their own, so that no row pays for the source. Raises what the
    source or the model raises.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        pictures = pool.submit(take_pictures, config, source, frames).result()
        on_progress()
        for detect in detects:
            yield pool.submit(measure_row, msgspec.structs.replace(config, detect=detect), pictures).result()
            on_progress()


def take_pictures(config: Config, source: str, count: int) -> list[bytes]:
    """The first `count` pictures of a source, as JPEG."""
    from rearguard.camera.catalogue import open_source
    from rearguard.journal.media.jpeg import to_jpeg

    recorded = os.path.exists(source)  # at which times is no matter here
    opened = open_source(source, config.camera, fps=config.camera.fps if recorded else None)
    try:
        taken: list[bytes] = []
        with suppress(CutShort):
            for frame in opened.frames():
                taken.append(to_jpeg(frame.image, _JPEG_QUALITY))
                if len(taken) == count:
                    break
    finally:
        opened.close()
    if len(taken) <= WARM_UP:
        raise BadInput(f"{source}: only {len(taken)} frames; a bench needs more than {WARM_UP}")
    return taken


def measure_row(config: Config, pictures: Sequence[bytes]) -> Row:
    """Judge every picture with this configuration, on one pipeline, and time it."""
    from rearguard.clock import NS_PER_S
    from rearguard.detect.detector import Detector
    from rearguard.ego.pinhole import Pinhole
    from rearguard.journal.media.jpeg import from_jpeg
    from rearguard.types import Frame
    from rearguard.vision.pipeline import Pipeline, age_of_file

    first = from_jpeg(pictures[0])
    size = (first.shape[1], first.shape[0])
    detector = Detector(config.detect, size)
    lens = Pinhole.from_fov(*size, config.camera.hfov_deg)
    pipeline: Pipeline = Pipeline(config, lens, detector, age_of_file)
    invoke_ms, frame_ms = [], []
    for seq, jpeg in enumerate(pictures):
        frame = Frame(seq, round(seq / config.camera.fps * NS_PER_S), from_jpeg(jpeg))
        start = time.perf_counter()
        pipeline.process_frame(frame)
        if seq >= WARM_UP:
            frame_ms.append((time.perf_counter() - start) * 1e3)
            invoke_ms.append(detector.invoke_s * 1e3)
    spread = statistics.quantiles(frame_ms, n=20) if len(frame_ms) > 1 else frame_ms * 19
    return Row(
        model=detector.model.name,
        runtime=detector.model.runtime,
        threads=config.detect.threads,
        frames=len(frame_ms),
        invoke_ms=round(statistics.median(invoke_ms), 2),
        frame_ms=round(statistics.median(frame_ms), 2),
        overhead_ratio=round(statistics.median(f / i for f, i in zip(frame_ms, invoke_ms, strict=True)), 3),
        latency_ms={"p50": round(spread[9], 2), "p95": round(spread[18], 2)},
        fps=round(1e3 / statistics.fmean(frame_ms), 1),
        rss_mib=round(_rss_mib(), 1),
    )


def _rss_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError as e:
        raise PartFailed(f"cannot read this process's memory: {e}") from e
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
