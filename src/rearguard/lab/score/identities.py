"""Whose box is whose in a recording, frame by frame: the truth that trackers are compared with."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from rearguard.errors import BadInput
from rearguard.lab.score.labels import Identities
from rearguard.text import clean
from rearguard.types import Box

_MAX_BYTES = 32 << 20
_CVML_NUMBERS = ("xc", "yc", "w", "h")


class Owned(NamedTuple):
    """A box in pixels, and whose it is."""

    who: str
    box: Box


def read_identities(folder: Path, of: Identities) -> dict[int, list[Owned]]:
    """The labelled boxes by frame, counted from 0.

    By the file's ending: `.csv` is a table with the columns frame, track, x, y, w, h and perhaps label; `.txt` is MOT
    Challenge's `gt.txt` (frame from 1, id, left, top, width, height, 1 where it counts, class: 1 is a person); `.xml`
    is CVML as PETS has it. Raises `BadInput` naming file and line.
    """
    path = folder / of.file
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise BadInput(f"{path}: identities are read from {', '.join(sorted(_READERS))}; see docs/score.md")
    found: dict[int, list[Owned]] = {}
    for frame, owned in read(path, of.label):
        there = found.setdefault(frame, [])
        if any(o.who == owned.who for o in there):
            raise BadInput(f"{path}: frame {frame} has two boxes of {clean(owned.who, 40)}")
        there.append(owned)
    if not found:
        raise BadInput(f"{path}: no box of a {clean(of.label, 40)} in it")
    return found


def _table(path: Path, label: str) -> Iterator[tuple[int, Owned]]:
    try:
        for number, row in enumerate(csv.DictReader(_text(path).splitlines()), 2):
            if row.get("label") in (None, label):
                numbers = [row.get(key) for key in ("frame", "x", "y", "w", "h")]
                yield _owned(f"{path}:{number}", row.get("track"), numbers)
    except csv.Error as e:
        raise BadInput(f"{path}: not a table: {e}") from e


def _mot_challenge(path: Path, label: str) -> Iterator[tuple[int, Owned]]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        values = [v.strip() for v in line.split(",")]
        counts = values[6:7] in ([], ["1"]) and values[7:8] in ([], ["1"])
        if line.strip() and counts and label == "person":
            who = values[1] if len(values) > 1 else None
            frame, owned = _owned(f"{path}:{number}", who, [values[0], *values[2:6]])
            yield frame - 1, owned


def _cvml(path: Path, label: str) -> Iterator[tuple[int, Owned]]:
    text = _text(path)
    if "<!" in text.replace("<!--", ""):
        raise BadInput(f"{path}: has a document type or entities of its own, which labels do not need")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as e:
        raise BadInput(f"{path}: no XML: {e}") from e
    if label != "person":
        return
    for frame in root.iter("frame"):
        for thing in frame.iter("object"):
            box = thing.find("box")
            numbers = [None if box is None else box.get(key) for key in _CVML_NUMBERS]
            where = f"{path}: frame {clean(str(frame.get('number')), 20)}"
            number, owned = _owned(where, thing.get("id"), [frame.get("number"), *numbers])
            b = owned.box
            half_w, half_h = 0.5 * b.width, 0.5 * b.height
            middle = Box(b.x0 - half_w, b.y0 - half_h, b.x1 - half_w, b.y1 - half_h)
            yield number, Owned(owned.who, middle)


def _owned(where: str, who: str | None, texts: Sequence[str | None]) -> tuple[int, Owned]:
    """The frame, and the box of (x, y, width, height), out of five texts."""
    try:
        frame, x, y, w, h = (float(t or "") for t in texts)
        if not who or not all(map(math.isfinite, (frame, x, y, w, h))) or w <= 0 or h <= 0:
            raise ValueError
    except ValueError:
        raise BadInput(f"{where}: needs a frame, whose box it is, x, y, width and height above 0") from None
    return int(frame), Owned(who, Box(x, y, x + w, y + h))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 20} MiB, no labels")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot read the identities: {e}") from e


_READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, Owned]]]] = {
    ".csv": _table,
    ".txt": _mot_challenge,
    ".xml": _cvml,
}
