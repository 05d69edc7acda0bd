"""Labelled pictures in the formats people have; which one a folder is follows from what is in it."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rearguard.detect.classes import COCO
from rearguard.errors import BadInput
from rearguard.types import Box

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_MAX_TEXT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Truth:
    """One labelled thing. `doubtful`: may be found or not (occluded, a crowd); it counts neither way."""

    label: str
    box: Box
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and what is in it; boxes are fractions of its sides where `fractions`, else pixels."""

    path: Path
    truths: tuple[Truth, ...]
    fractions: bool = False

    def in_pixels(self, width: int, height: int) -> tuple[Truth, ...]:
        """The truths with boxes in pixels of a picture of this size."""
        if not self.fractions:
            return self.truths
        boxes = (t.box for t in self.truths)
        scaled = (Box(b.x0 * width, b.y0 * height, b.x1 * width, b.y1 * height) for b in boxes)
        return tuple(replace(t, box=box) for t, box in zip(self.truths, scaled, strict=True))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled pictures, in order; `labels` are those that occur."""

    name: str
    format: str
    pictures: tuple[Labelled, ...]

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(t.label for p in self.pictures for t in p.truths)


def read_dataset(folder: Path) -> Dataset:
    """The labelled pictures in `folder`; raises `BadInput` naming the file and line that is wrong.

    Understood are Penn-Fudan (`annotations/*.txt` beside `images/`), YOLO (`labels/*.txt` with class of
    COCO's 80, centre and size as fractions, beside `images/`), and a table `boxes.csv`
    (`frame,label,x,y,w,h`, optional `occluded`) beside numbered pictures.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder of labelled pictures")
    for name, (marker, read) in FORMATS.items():
        if (folder / marker).exists():
            pictures = tuple(read(folder))
            if not pictures:
                raise BadInput(f"{folder}: looks like {name}, but holds no labelled picture")
            return Dataset(folder.resolve().name, name, pictures)
    known = ", ".join(f"{marker} ({name})" for name, (marker, _) in FORMATS.items())
    raise BadInput(f"{folder}: no labels of a known format; looked for {known}")


def _penn_fudan(folder: Path) -> list[Labelled]:
    number = r"(\d{1,6})"
    corners = re.compile(rf"Bounding box.*: \({number}, {number}\) - \({number}, {number}\)")
    result = []
    for path in sorted((folder / "annotations").glob("*.txt")):
        found = [tuple(map(int, m.groups())) for m in corners.finditer(_text(path))]
        if not found:
            raise BadInput(f"{path}: has no line 'Bounding box … (Xmin, Ymin) - (Xmax, Ymax) : …'")
        truths = tuple(Truth("person", Box(x0 - 1, y0 - 1, x1, y1)) for x0, y0, x1, y1 in found)
        result.append(Labelled(_picture(folder / "images", path.stem), truths))
    return result


def _yolo(folder: Path) -> list[Labelled]:
    result = []
    for path in sorted((folder / "labels").glob("*.txt")):
        truths = []
        for number, line in enumerate(_text(path).splitlines(), 1):
            if not line.strip():
                continue
            try:
                index, cx, cy, w, h = line.split()
                x, y, w2, h2 = float(cx), float(cy), float(w) / 2, float(h) / 2
                if not 0 <= int(index) < len(COCO):
                    raise ValueError
            except ValueError:
                raise BadInput(f"{path}:{number}: not 'class cx cy w h' with a class of COCO's 80") from None
            if not all(0 <= v <= 1 for v in (x, y, 2 * w2, 2 * h2)):
                raise BadInput(f"{path}:{number}: centre and size must be fractions from 0 to 1")
            truths.append(Truth(COCO[int(index)], Box(x - w2, y - h2, x + w2, y + h2)))
        result.append(Labelled(_picture(folder / "images", path.stem), tuple(truths), fractions=True))
    return result


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from csv.DictReader(_text(path).splitlines())
    except csv.Error as e:
        raise BadInput(f"{path}: not a table: {e}") from e


def _table(folder: Path) -> list[Labelled]:
    path = folder / "boxes.csv"
    rows: dict[int, list[Truth]] = {}
    for number, row in enumerate(_rows(path), 2):
        try:
            x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
            if not (all(map(math.isfinite, (x, y, w, h))) and w > 0 and h > 0):
                raise ValueError
            truth = Truth(row["label"], Box(x, y, x + w, y + h), row.get("occluded") == "1")
            rows.setdefault(int(row["frame"]), []).append(truth)
        except (KeyError, TypeError, ValueError):
            raise BadInput(
                f"{path}:{number}: needs frame,label,x,y,w,h with numbers, width and height above 0"
            ) from None
    pictures: dict[int, Path] = {}
    for p in sorted(folder.iterdir()):
        if p.suffix.lower() in PICTURES and p.stem.isdecimal():
            if int(p.stem) in pictures:
                raise BadInput(f"{p}: {pictures[int(p.stem)].name} has the same number")
            pictures[int(p.stem)] = p
    lost = sorted(set(rows) - set(pictures))
    if lost:
        raise BadInput(f"{path}: labels frame {lost[0]}, but there is no such picture")
    # A picture without rows is one where nothing was to be labelled.
    return [Labelled(pictures[n], tuple(rows.get(n, ()))) for n in sorted(pictures)]


# name → (file or folder that tells the format, how to read it); the first that fits wins.
FORMATS: dict[str, tuple[str, Callable[[Path], list[Labelled]]]] = {
    "table": ("boxes.csv", _table),
    "penn-fudan": ("annotations", _penn_fudan),
    "yolo": ("labels", _yolo),
}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_TEXT_BYTES >> 20} MiB, not a file of labels")
        return path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path}: cannot read the labels: {e}") from e


def _picture(folder: Path, stem: str) -> Path:
    for suffix in (*PICTURES, *map(str.upper, PICTURES)):  # cameras write .JPG
        if (folder / (stem + suffix)).is_file():
            return folder / (stem + suffix)
    raise BadInput(f"{folder}: no picture {stem} for its labels (looked for {', '.join(PICTURES)})")
