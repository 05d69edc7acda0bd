"""What was felt, a line a cue: in summaries, in replays, and in golden files."""

from __future__ import annotations

import msgspec

from rearguard.clock import NS_PER_S
from rearguard.text import clean, explain_cue
from rearguard.types import Cue


class CueLine(msgspec.Struct, kw_only=True):
    """A cue as it is told: `t_s` is the source's own time, `true_ttc_s` known only in simulated worlds.

    `repeats`: how often it went on at once.
    """

    t_s: float
    cue: str
    side: str
    track: int | None
    label: str | None
    ttc_s: float | None
    reason: str
    true_ttc_s: float | None = None
    repeats: int = 0

    @classmethod
    def of(
        cls, cue: Cue, first_ns: int, label: str | None = None, true_ttc_s: float | None = None
    ) -> CueLine:
        """A cue, `first_ns` being the moment its source began; `label` is that of its track."""
        return cls(
            t_s=round((cue.at_ns - first_ns) / NS_PER_S, 3),
            cue=cue.cue.value,
            side=cue.side.value,
            track=cue.track,
            label=label,
            ttc_s=_rounded(cue.reason.ttc_s if cue.reason else None),
            reason=explain_cue(cue),
            true_ttc_s=_rounded(true_ttc_s),
        )

    @property
    def told(self) -> str:
        """The line with what it is about and how much time was left."""
        label = f" {clean(self.label)}" if self.label else ""
        left = "" if self.ttc_s is None else f", {self.ttc_s:.1f} s left"
        return f"{self.text}{label}{left}"

    @property
    def text(self) -> str:
        """`3.862 CAUTION left #2`."""
        about = "" if self.track is None else f" #{self.track}"
        return f"{self.t_s:.3f} {self.cue} {self.side}{about}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
