"""Tells pictures that came before: a buffer handed out again, a loop, a still under fresh noise."""

from __future__ import annotations

from collections import deque
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.ego.ignored import Ignored
from rearguard.types import Image

_REMEMBERED_S = 8.0  # a loop longer than this is not told; halved, one of 5 s is not
_YOUNG_S = 0.25  # what is younger may look alike because little has moved
_WIDTH = 40  # of the copies that are compared: noise is averaged away, half a step is not
_LEAST = (
    0.5  # grey levels: the mean difference of two copies of one scene under a sensor's noise is 0.2 to 0.4
)
_MOVING = 4.0  # the usual change from picture to picture must be so many times more, or nothing can be said
_MOVES = (
    2.0  # and this one must differ from the last by so many times more: who stands still sees the same again
)
_AS_USUAL = 0.3  # and by so much of the usual change: who has just stopped sways, and sees the same again
_CONTRAST = 6.0  # grey levels from the mean: plain walls all look alike
_USUAL = 30  # pictures


class Seen(Enum):
    """What a picture is."""

    NEW = "new"
    AGAIN = "again"  # the last one once more
    OLD = "old"  # one from before the last


class Repeats:
    """Tells pictures that came before, byte for byte.

    Noise of a live sensor differs in every frame, so equality means that the same buffer came twice; a camera
    hands out a handful of them in turn, so it need not be the last one.
    """

    def __init__(self, most: int = 300) -> None:
        self._past: deque[int] = deque(maxlen=most)

    def classify_picture(self, coarse: Image) -> Seen:
        """What this coarse copy is."""
        mark = hash((coarse.shape, coarse.tobytes()))
        seen = Seen.NEW
        if self._past and self._past[-1] == mark:
            seen = Seen.AGAIN
        elif mark in self._past:
            seen = Seen.OLD
        self._past.append(mark)
        return seen


class Lookalikes:
    """Tells pictures that show, under fresh noise, what one of the last seconds showed.

    A camera that moves never sees the same twice; one that stands does, so that nothing is said of it. The wearer's
    `own` parts stay the same and are left out.
    """

    def __init__(self, own: Ignored | None = None) -> None:
        self._own = own or Ignored()
        self._past: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._changes: deque[float] = deque(maxlen=_USUAL)

    def shows_old_picture(self, small: Image, at_ns: int) -> bool:
        """Whether this small grey picture shows an old one."""
        size = (_WIDTH, max(1, round(_WIDTH * small.shape[0] / small.shape[1])))
        copy = cv2.resize(small, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        if (seen := self._own.seen(size)) is not None:
            copy = copy[seen.ravel() > 0]
        copy -= copy.mean()
        if self._past and self._past[-1][1].shape != copy.shape:
            self._past.clear()
        while self._past and at_ns - self._past[0][0] > _REMEMBERED_S * NS_PER_S:
            self._past.popleft()
        old = False
        if self._past:
            change = float(np.abs(copy - self._past[-1][1]).mean())
            past = [one for then_ns, one in self._past if at_ns - then_ns > _YOUNG_S * NS_PER_S]
            usual = float(np.median(self._changes)) if self._changes else 0.0
            moves = usual > _MOVING * _LEAST and change > max(_MOVES * _LEAST, _AS_USUAL * usual)
            if past and moves and float(np.abs(copy).mean()) > _CONTRAST:
                old = float(np.abs(np.stack(past) - copy).mean(axis=1).min()) < _LEAST
            if not old:
                self._changes.append(change)
        self._past.append((at_ns, copy))
        return old
