"""A second look for faces before a picture is stored."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from rearguard.journal.media import faces
from rearguard.journal.media.faces import find_faces, hide_faces
from rearguard.journal.media.jpeg import from_jpeg, shrink, to_jpeg
from rearguard.journal.media.snapshot import Snapshot, encode
from rearguard.types import Box

NOISE = np.random.default_rng(3).integers(0, 255, (180, 320, 3), dtype=np.uint8)


def test_faces_that_no_detector_told_of_are_found_in_photos(shared_data: Path) -> None:
    import cv2

    photos = [cv2.imread(str(p)) for p in sorted((shared_data / "pennfudan" / "images").glob("*"))[:12]]
    found = [find_faces(shrink(photo, 640)) for photo in photos]
    assert sum(map(len, found)) >= 3
    photo, boxes = next((shrink(p, 640), f) for p, f in zip(photos, found, strict=True) if f)
    stored = encode(Snapshot(photo), "redacted")
    assert stored is not None
    b = boxes[0]
    part = (slice(max(0, int(b.y0)), int(b.y1)), slice(max(0, int(b.x0)), int(b.x1)))
    off = np.abs(from_jpeg(stored.jpeg)[part].astype(float) - photo[part])
    assert off.mean() > 8  # blocks, not the face


def test_what_one_picture_shows_is_hidden_in_those_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one of a second's pictures is looked at when there is no time for more."""
    monkeypatch.setattr(faces, "find_faces", lambda _: [Box(100, 60, 140, 100)])
    stills = [(n * 100_000_000, to_jpeg(NOISE)) for n in range(20)]
    hidden = hide_faces(stills, 10, budget_s=0.0)
    changed = [before != after for (_, before), after in zip(stills, hidden, strict=True)]
    assert changed == [abs(n - 10) <= 4 for n in range(20)]
    part = from_jpeg(hidden[12])[60:100, 100:140]
    assert part.std() < 0.5 * from_jpeg(stills[12][1])[60:100, 100:140].std()


def test_with_time_every_picture_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def find(image: np.ndarray) -> list[Box]:
        looked.append(round(float(image.mean())))
        return []

    monkeypatch.setattr(faces, "find_faces", find)
    stills = [(n, to_jpeg(np.full((32, 32, 3), 10 * n, np.uint8))) for n in range(20)]
    assert hide_faces(stills, 7, budget_s=60.0) == [jpeg for _, jpeg in stills]
    assert looked[0] == 70
    assert sorted(looked) == [10 * n for n in range(20)]


@pytest.mark.timing
def test_looking_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "find_faces", lambda _: time.sleep(0.05) or [])
    begun = time.monotonic()
    hide_faces([(n, to_jpeg(NOISE)) for n in range(200)], 0, budget_s=0.2)
    assert time.monotonic() - begun < 3


def test_without_the_cascades_nothing_is_found_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "_classifiers", lambda: (None, None))
    assert find_faces(NOISE) == []
