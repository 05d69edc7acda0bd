"""Label files as they come with models: one name a line, numbered lines, or TensorFlow's `.pbtxt`."""

from __future__ import annotations

import re
from pathlib import Path

from rearguard.detect.classes import COCO
from rearguard.errors import BadInput

_MAX_BYTES = 1 << 20
_MOST = 10_000
_NO_NAME = frozenset({"???", "", "n/a", "none", "unknown"})
UNNAMED = "unnamed"
# What others call what rearguard knows; names are compared in small letters, `_` and `-` as spaces.
_SAME = {
    "people": "person", "pedestrian": "person", "human": "person", "man": "person", "woman": "person", "boy": "person",
    "girl": "person", "persons": "person", "bike": "bicycle", "cycle": "bicycle", "motorbike": "motorcycle",
    "motor bike": "motorcycle", "aeroplane": "airplane", "lorry": "truck", "van": "car", "automobile": "car",
    "sofa": "couch", "pottedplant": "potted plant", "diningtable": "dining table", "tvmonitor": "tv", "tram": "train",
    "football": "sports ball", "ball": "sports ball",
}  # fmt: skip


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in a label file, by class number. Raises `BadInput`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 20} MiB, no list of labels")
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError as e:
        raise BadInput(f"{path}: cannot read the labels: {e.strerror}") from e
    found = parse_labels(text)
    if not found:
        raise BadInput(f"{path}: no labels in it; one name a line is wanted")
    return found


def parse_labels(text: str) -> tuple[str, ...]:
    """The names in the text of a label file, by class number; a `.pbtxt` counts from 1."""
    items = re.findall(r"item\s*\{([^{}]*)\}", text)
    if items:
        named: dict[int, str] = {}
        for item in items[:_MOST]:
            number = re.search(r"\bid\s*:\s*(\d{1,5})", item)
            names = dict(re.findall(r"\b(display_name|name)\s*:\s*['\"]([^'\"]*)['\"]", item))
            if number and names and 0 < int(number[1]) <= _MOST:
                named[int(number[1]) - 1] = names.get("display_name") or names["name"]
        return tuple(named.get(i, "") for i in range(max(named, default=-1) + 1))
    lines = [line.strip() for line in text.splitlines()[:_MOST]]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [re.fullmatch(r"(\d{1,5})\s*[:,\s]\s*(.+)", line) for line in lines if line]
    if lines and all(numbered):
        by_number = {int(m[1]): m[2] for m in numbered if m and int(m[1]) < _MOST}
        return tuple(by_number.get(i, "") for i in range(max(by_number, default=-1) + 1))
    return tuple(lines)


def fit_labels(labels: tuple[str, ...], classes: int | None) -> tuple[str, ...]:
    """The labels as rearguard calls them, one for each of the network's classes (None: not known how many).

    A first `???` or `background` that the network does not count is left out.
    """
    if (
        labels
        and labels[0].strip().lower() in (*_NO_NAME, "background", "__background__")
        and (classes is None or len(labels) == classes + 1)
    ):
        labels = labels[1:]
    named = tuple(map(tidy, labels))
    return named if classes is None else (*named, *[UNNAMED] * (classes - len(named)))[:classes]


def tidy(label: str) -> str:
    """A label in small letters, as rearguard calls it."""
    name = " ".join(re.sub(r"[_\-\s]+", " ", label).lower().split())[:80]
    if name in _NO_NAME:
        return UNNAMED
    name = "".join(c for c in name if c.isprintable())
    return _SAME.get(name, name) if name not in COCO else name
