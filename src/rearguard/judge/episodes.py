"""Near misses out of verdicts: an episode runs from a track's first sight to its release.

Pure: verdicts in, finished near misses out.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from rearguard.words import Level, NearMiss, Threat, TracePoint, Verdict

# About a minute at 15 fps: the rest of a longer episode is not where the danger was.
_LONGEST_TRACE = 900


@dataclass
class Episode:
    """One track's story so far."""

    first_ns: int
    trace: deque[TracePoint] = field(default_factory=lambda: deque(maxlen=_LONGEST_TRACE))
    warned_ns: int | None = None
    lead_time_s: float | None = None
    peak: Threat | None = None
    worst: tuple[TracePoint, Threat] | None = None
    last_ns: int = 0


class Episodes:
    """Watches verdicts, gives out near misses as they end."""

    def __init__(self) -> None:
        self._open: dict[int, Episode] = {}

    def step(self, verdict: Verdict) -> list[NearMiss]:
        """Take in a verdict; return the near misses that ended with it."""
        ended: list[NearMiss] = []
        seen = set()
        for threat in verdict.threats:
            seen.add(threat.track)
            episode = self._open.setdefault(threat.track, Episode(verdict.captured_ns))
            if episode.warned_ns is not None and threat.level is Level.CLEAR:
                ended.append(_close(threat.track, episode, verdict.captured_ns))
                # What it does from here on is a new episode.
                episode = self._open[threat.track] = Episode(verdict.captured_ns)
            _add(episode, threat, verdict)
        for track in [t for t in self._open if t not in seen]:
            episode = self._open.pop(track)
            if episode.warned_ns is not None:
                ended.append(_close(track, episode, verdict.captured_ns))
        return ended

    def finish(self, at_ns: int) -> list[NearMiss]:
        """End all open episodes, at the end of an outing."""
        ended = [_close(t, e, at_ns) for t, e in self._open.items() if e.warned_ns is not None]
        self._open.clear()
        return ended

    @property
    def worst_now(self) -> set[int]:
        """Tracks whose worst moment so far is the newest frame: the picture worth keeping."""
        return {t for t, e in self._open.items() if e.worst is not None and e.worst[0].t_ns == e.last_ns}


def _add(episode: Episode, threat: Threat, verdict: Verdict) -> None:
    point = TracePoint(
        t_ns=verdict.captured_ns,
        seq=verdict.seq,
        box=threat.box,
        ttc_s=threat.ttc_s,
        ttc_sd_s=threat.ttc_sd_s,
        range_m=threat.range_m,
        miss_m=threat.miss_m,
        level=threat.level,
        reasons=threat.reasons,
    )
    episode.trace.append(point)
    episode.last_ns = verdict.captured_ns
    if threat.level < Level.CAUTION:
        return
    if episode.warned_ns is None:
        episode.warned_ns = verdict.captured_ns
        episode.lead_time_s = threat.ttc_s
    if episode.peak is None or threat.level > episode.peak.level:
        episode.peak = threat
    if episode.worst is None or _time_left(point) < _time_left(episode.worst[0]):
        episode.worst = (point, threat)


def _time_left(point: TracePoint) -> float:
    return math.inf if point.ttc_s is None else point.ttc_s


def _close(track: int, episode: Episode, at_ns: int) -> NearMiss:
    assert episode.peak is not None
    assert episode.worst is not None
    assert episode.warned_ns is not None
    point, threat = episode.worst
    return NearMiss(
        track=track,
        label=threat.label,
        kind=threat.kind,
        side=threat.side,
        level=episode.peak.level,
        min_ttc_s=point.ttc_s,
        range_m=point.range_m,
        lead_time_s=episode.lead_time_s,
        first_ns=episode.first_ns,
        warned_ns=episode.warned_ns,
        worst_ns=point.t_ns,
        released_ns=at_ns,
        worst_seq=point.seq,
        trace=tuple(episode.trace),
    )
