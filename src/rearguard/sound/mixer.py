"""What sounds now, block by block: a cue, and words after it; pure."""

from __future__ import annotations

import numpy as np

from rearguard.sound.synthesis import Samples

_CUT_S = 0.003  # what is cut off fades this quickly, so that it does not click


class Mixer:
    """The newest cue replaces whatever sounds at once; words wait for the cue's end and are dropped by the next one."""

    def __init__(self, rate_hz: int) -> None:
        self._cut = round(_CUT_S * rate_hz)
        self._now: Samples = np.zeros((0, 2), np.float32)
        self._next: list[Samples] = []

    @property
    def busy(self) -> bool:
        """Whether anything is left to be heard."""
        return bool(len(self._now) or self._next)

    def play(self, sound: Samples) -> None:
        """Begin this now."""
        old = self._now[: self._cut]
        if len(old):
            count = min(len(old), len(sound))
            sound = sound.copy()
            fade = np.linspace(1, 0, len(old), dtype=np.float32)[:count, None]
            sound[:count] = np.clip(sound[:count] + old[:count] * fade, -1, 1)
        self._now, self._next = sound, []

    def hush(self) -> None:
        """Nothing more, from now on."""
        self.play(np.zeros((self._cut if len(self._now) else 0, 2), np.float32))

    def add_words(self, sound: Samples) -> None:
        """To be heard when the cue has ended."""
        self._next.append(sound)

    def block(self, count: int) -> Samples:
        """The next so many samples; silence where there is nothing."""
        parts: list[Samples] = []
        left = count
        while left and self.busy:
            if not len(self._now):
                self._now = self._next.pop(0)
            parts.append(self._now[:left])
            left -= len(parts[-1])
            self._now = self._now[len(parts[-1]) :]
        return np.concatenate([*parts, np.zeros((left, 2), np.float32)])
