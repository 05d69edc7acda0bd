"""Label files as they come with models: one name a line, numbered lines, TensorFlow's `.pbtxt`, YAML, JSON."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

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
    text = text.removeprefix("\ufeff")
    told = notation(text)
    if told is not None:
        names = told.get("names", told) if isinstance(told, dict) else told
        return by_number(names) if isinstance(names, (dict, list)) else ()
    if re.search(r"^names\s*:", text, re.MULTILINE):
        return _of_yaml(text)
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
    numbered = [_numbered(line) for line in lines if line]
    if len(numbered) > 1 and numbered[0] is None and re.fullmatch(r"\w+\s*[,;\t]\s*\w+", lines[0]):
        del numbered[0]  # the heads of a table
    if lines and all(numbered):
        return by_number({m[1]: m[2] for m in numbered if m and int(m[1]) < _MOST})
    return tuple(lines)


def _numbered(line: str) -> re.Match[str] | None:
    return re.fullmatch(r"(\d{1,5})\s*[:,;\s]\s*(.+)", line)


def notation(text: str) -> dict[Any, Any] | list[Any] | None:
    """The dictionary or list that a text is, in JSON or, as older exporters write it, in Python's notation."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            told = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return told if isinstance(told, (dict, list)) else None
    return None


def by_number(names: dict[Any, Any] | list[Any]) -> tuple[str, ...]:
    """Names by class number; a number that is none is passed over."""
    pairs = enumerate(names) if isinstance(names, list) else names.items()
    named = {int(n): str(name) for n, name in pairs if re.fullmatch(r"\d{1,4}", str(n))}
    return tuple(named.get(i, "") for i in range(max(named, default=-1) + 1))


def _of_yaml(text: str) -> tuple[str, ...]:
    """The names in the YAML that YOLO's trainers and exporters write: `names:` with a list or with numbered names."""
    _, _, after = re.split(r"^(names)\s*:", text, maxsplit=1, flags=re.MULTILINE)
    flow = re.match(r"\s*(\[[^\]]*\]|\{[^}]*\})", after)
    if flow:
        inner = [part.strip() for part in flow[1][1:-1].split(",")][:_MOST]
    else:
        block = re.match(r"[^\n]*\n((?:[ \t]*-[^\n]*(?:\n|\Z)|[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)*)", after)
        inner = [line.strip().removeprefix("-").strip() for line in (block[1] if block else "").splitlines()][
            :_MOST
        ]
    parts = [part.split(" #")[0].strip() for part in inner if part and not part.startswith("#")]
    numbered = [re.fullmatch(r"[\"']?(\d{1,4})[\"']?\s*:\s*(.*)", part) for part in parts]
    if parts and all(numbered):
        return by_number({m[1]: m[2].strip("\"'") for m in numbered if m})
    return tuple(part.strip("\"'") for part in parts)


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
