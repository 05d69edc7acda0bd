"""True times to collision, from a table or from how hand-made boxes grow."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from rearguard.errors import BadInput
from rearguard.lab.score.labels import Truth
from rearguard.types import Box

_MAX_BYTES = 32 << 20
_LEAST_FRAMES = 5  # for a slope
_LONGEST_S = 20.0  # what grows slower than that does not come


class TrueTtc(msgspec.Struct, frozen=True):
    """The truth of one frame: seconds to collision, and where the thing is, if that is known."""

    ttc_s: float
    box: Box | None


def read_truth(folder: Path, truth: Truth, fps: float) -> dict[int, list[TrueTtc]]:
    """The truths by frame. TTC = s / (ds/dt), the slope of ln s fitted over `window_s` around each frame.

    Raises `BadInput` naming file and line.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder / truth.file, truth.columns):
        if truth.track in (None, row.get("track")) and _number(row["frame"]) >= truth.from_frame:
            rows.setdefault(row.get("track", ""), []).append(row)
    found: dict[int, list[TrueTtc]] = {}
    for of_track in rows.values():
        for frame, true in _of_track(folder / truth.file, of_track, truth, fps):
            found.setdefault(frame, []).append(true)
    return found


def _rows(path: Path, names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 20} MiB, no table of truth")
        text = path.read_text(encoding="utf-8-sig").replace("\t", ",")
        for number, row in enumerate(csv.DictReader(text.splitlines(), names or None)):
            yield {"frame": str(number)} | {k: v for k, v in row.items() if k is not None and v is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise BadInput(f"{path}: cannot read the truth: {e}") from e


def _of_track(
    path: Path, rows: list[dict[str, str]], truth: Truth, fps: float
) -> Iterator[tuple[int, TrueTtc]]:
    try:
        frames = np.array([int(float(row["frame"])) for row in rows])
        boxes = [_box(row) for row in rows]
        whole = np.array([row.get("truncated") != "1" and row.get("occluded") != "1" for row in rows])
        if truth.ttc_from == "ttc_s":
            for frame, row, box in zip(frames, rows, boxes, strict=True):
                ttc_s = float(row["ttc_s"])
                if 0 < ttc_s <= _LONGEST_S:
                    yield int(frame), TrueTtc(ttc_s, box)
            return
        sizes = np.array([_size(row, truth.ttc_from) for row in rows])
    except (KeyError, ValueError, TypeError) as e:
        raise BadInput(f"{path}: a row lacks a number, or a column: {e}") from e
    half = max(1, round(0.5 * truth.window_s * fps))
    for frame, box, is_whole in zip(frames, boxes, whole, strict=True):
        near = whole & (np.abs(frames - frame) <= half) & (sizes > 0)
        if not is_whole or near.sum() < min(_LEAST_FRAMES, 2 * half + 1):
            continue
        rate = np.polyfit(frames[near] / fps, np.log(sizes[near]), 1)[0]
        if rate > 1 / _LONGEST_S:
            yield int(frame), TrueTtc(float(1 / rate), box)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf  # told with the row


def _box(row: dict[str, str]) -> Box | None:
    if not {"x", "y", "w", "h"} <= row.keys():
        return None
    x, y, w, h = (float(row[k]) for k in "xywh")
    return Box(x, y, x + w, y + h)


def _size(row: dict[str, str], what: str) -> float:
    if what == "height":
        return float(row["h"])
    return math.sqrt(float(row["area"]) if "area" in row else float(row["w"]) * float(row["h"]))
