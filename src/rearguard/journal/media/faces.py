"""Faces that nobody told of: a second look, by another kind of detector, before a picture is stored.

OpenCV ships cascades of Haar features for faces seen from the front and from the side (Viola & Jones 2001, Lienhart &
Maydt 2002). They find few people and many ghosts, which costs nothing here: a ghost is a few blurred leaves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import astuple

from rearguard.journal.media.jpeg import CLIP_QUALITY, from_jpeg, to_jpeg
from rearguard.journal.media.redact import redact
from rearguard.types import Box

if TYPE_CHECKING:
    from rearguard.types import Image

_CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml")
# By apt, opencv-data.
_SHIPPED = (Path("/usr/share/opencv4/haarcascades"), Path("/usr/share/opencv/haarcascades"))
_LEAST_PX = 20  # a smaller face has fewer pixels than it would get blocks
_SCALE, _NEIGHBOURS = 1.25, 3
_MARGIN = 0.25  # of the face's side: the cascades frame eyes and mouth
# Not every picture of a clip is looked at: what is found is hidden, with a wider margin, for this long about it, too.
_SPREAD_NS = 400_000_000
_SPREAD_MARGIN = 0.6


def find_faces(image: Image) -> list[Box]:
    """Where faces may be in a BGR picture (height, width, 3), with a margin; empty where OpenCV came without its
    cascades."""
    import cv2

    frontal, profile = _classifiers()
    if frontal is None or profile is None:
        return []
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    width = grey.shape[1]
    found = [tuple(box) for box in _detect(frontal, grey)]
    found += [tuple(box) for box in _detect(profile, grey)]
    found += [(width - x - w, y, w, h) for x, y, w, h in _detect(profile, cv2.flip(grey, 1))]
    return [
        Box(x - _MARGIN * w, y - _MARGIN * h, x + w * (1 + _MARGIN), y + h * (1 + _MARGIN))
        for x, y, w, h in found
    ]


def hide_faces(stills: Sequence[tuple[int, bytes]], first: int, budget_s: float) -> list[bytes]:
    """The pictures (time in ns, JPEG) with the faces hidden that are found within `budget_s` seconds of looking.

    Picture `first` is looked at whatever the budget, then others, evenly spread. Those without a face stay as they are.
    """
    until_s = time.monotonic() + budget_s
    areas: list[list[Box]] = [[] for _ in stills]
    for n in _spread(len(stills), first):
        for face in find_faces(from_jpeg(stills[n][1])):
            for other, (t_ns, _) in enumerate(stills):
                if abs(t_ns - stills[n][0]) <= _SPREAD_NS:
                    areas[other].append(face if other == n else _wider(face))
        if time.monotonic() > until_s:
            break
    return [
        to_jpeg(redact(from_jpeg(jpeg), found), CLIP_QUALITY) if found else jpeg
        for (_, jpeg), found in zip(stills, areas, strict=True)
    ]


def _spread(count: int, first: int) -> Iterator[int]:
    """All numbers below `count`, `first` first, then at ever finer steps."""
    told = {first}
    yield first
    step = max(1, count // 2)
    while True:
        for n in range(first % step, count, step):
            if n not in told:
                told.add(n)
                yield n
        if step == 1:
            return
        step = (step + 1) // 2


def _wider(face: Box) -> Box:
    x0, y0, x1, y1 = astuple(face)
    dx, dy = _SPREAD_MARGIN * face.width, _SPREAD_MARGIN * face.height
    return Box(x0 - dx, y0 - dy, x1 + dx, y1 + dy)


def _detect(classifier: Any, grey: Any) -> Any:
    return classifier.detectMultiScale(grey, _SCALE, _NEIGHBOURS, minSize=(_LEAST_PX, _LEAST_PX))


@cache
def _classifiers() -> tuple[Any, Any]:
    """The cascades, loaded once; not to be shared between threads. None where a file is missing or not understood."""
    import cv2

    folders = [Path(cv2.data.haarcascades)] if hasattr(cv2, "data") else []
    loaded = []
    for name in _CASCADES:
        path = next((f / name for f in (*folders, *_SHIPPED) if (f / name).is_file()), None)
        classifier = cv2.CascadeClassifier(str(path)) if path is not None else None
        loaded.append(None if classifier is None or classifier.empty() else classifier)
    frontal, profile = loaded
    return frontal, profile
