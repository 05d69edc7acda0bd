"""The hand-over between a source and the detector."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from rearguard.camera.latest import Newest, Prefetch, feed
from rearguard.camera.source import SourceInfo
from rearguard.errors import PartFailed
from rearguard.types import Frame


class Scripted:
    """A source whose frames come from a function."""

    def __init__(self, frames: Callable[[], Iterator[Frame]], *, live: bool) -> None:
        self.info = SourceInfo("scripted", 4, 4, 10.0, 66.0, live)
        self.frames = frames
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def frame(seq: int) -> Frame:
    return Frame(seq, seq, np.zeros((4, 4, 3), np.uint8))


def counted(count: int, then: Exception | None = None) -> Callable[[], Iterator[Frame]]:
    def frames() -> Iterator[Frame]:
        yield from map(frame, range(count))
        if then is not None:
            raise then

    return frames


def test_newest_hands_out_only_the_newest_and_counts_the_rest() -> None:
    done = threading.Event()

    def frames() -> Iterator[Frame]:
        yield from map(frame, range(5))
        done.set()
        time.sleep(0.2)

    newest = Newest(Scripted(frames, live=True))
    done.wait(5)
    got = newest.get(1.0)
    assert got is not None
    assert got.seq == 4
    assert newest.dropped == 4


def test_newest_does_not_hand_out_a_frame_twice() -> None:
    release = threading.Event()

    def frames() -> Iterator[Frame]:
        yield frame(0)
        release.wait(5)

    newest = Newest(Scripted(frames, live=True))
    assert newest.get(1.0) is not None
    assert newest.get(0.05) is None
    assert not newest.ended
    release.set()


def test_the_error_of_a_source_reaches_the_getter_after_its_last_frame() -> None:
    newest = Newest(Scripted(counted(1, PartFailed("camera: gone")), live=True))
    got = newest.get(1.0)
    assert got is not None
    assert got.seq == 0
    with pytest.raises(PartFailed, match="camera: gone"):
        newest.get(1.0)
    assert newest.ended


def test_prefetch_delivers_every_frame_in_order() -> None:
    source = Scripted(counted(50), live=False)
    prefetch = Prefetch(source)
    assert [f.seq for f in prefetch] == list(range(50))
    assert prefetch.ended
    assert prefetch.dropped == 0
    assert source.closed.wait(1)


def test_prefetch_works_ahead_by_no_more_than_two() -> None:
    made: list[int] = []

    def frames() -> Iterator[Frame]:
        for i in range(20):
            made.append(i)
            yield frame(i)

    prefetch = Prefetch(Scripted(frames, live=False))
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert made == [0, 1, 2]  # two wait in the queue, the third in the source's hand
    prefetch.stop()


@pytest.mark.timing
def test_stop_returns_at_once_even_when_the_source_hangs() -> None:
    hang = threading.Event()

    def frames() -> Iterator[Frame]:
        hang.wait(10)
        yield frame(0)

    newest = Newest(Scripted(frames, live=True))
    start = time.monotonic()
    newest.stop()
    assert time.monotonic() - start < 1.0  # the source hangs for 10 s
    assert newest.ended
    assert newest.get(0.01) is None
    hang.set()


@pytest.mark.timing
def test_stop_wakes_a_getter() -> None:
    hang = threading.Event()

    def frames() -> Iterator[Frame]:
        hang.wait(10)
        yield frame(0)

    newest = Newest(Scripted(frames, live=True))
    threading.Timer(0.05, newest.stop).start()
    start = time.monotonic()
    assert newest.get(8.0) is None
    assert time.monotonic() - start < 4.0
    hang.set()


def test_stop_closes_a_prefetched_source() -> None:
    source = Scripted(counted(1000), live=False)
    prefetch = Prefetch(source)
    assert prefetch.get(1.0) is not None
    prefetch.stop()
    assert source.closed.wait(2)


def test_feed_chooses_by_liveness() -> None:
    assert isinstance(feed(Scripted(counted(0), live=True)), Newest)
    assert isinstance(feed(Scripted(counted(0), live=False)), Prefetch)
