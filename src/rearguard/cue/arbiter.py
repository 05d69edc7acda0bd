"""Which cue plays when: the latest state in, at most one cue to start out; pure, time injected.

The rules, in the order they matter:

1. What is CRITICAL starts at once, over anything, and is never muted, delayed or rate-limited: LOW, too, while the low
   thing that it tells of is.
2. A more urgent cue cuts off a less urgent one at once. A cue whose reason is gone gives way to any other
   after its minimum hold; otherwise a cue that has begun plays to its end.
3. A lasting threat is re-armed when its pattern ends; NOTICE of the same thing only after `notice_gap_s`.
   Going down a level is not news: it is never told by NOTICE.
4. A fault is told when it comes and again at an interval while it lasts; one cut off at once was not told.
5. A mute holds back everything below CRITICAL, except signs of life and the first telling of a new BLIND or
   FAULT: a failure must not be mistaken for calm.
6. When nothing else was felt for `alive_every_s` and rearguard is watching, the alive tick plays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from rearguard.clock import NS_PER_S
from rearguard.config.cue import Cue as CueConfig
from rearguard.cue.table import CUES, FAULTS, Kind, threat_cue
from rearguard.types import Cue, CueName, Fault, Level, Reason, Side

# A fault that flickers is not told more often than this, from the end of one telling to the next.
_FLICKER_GAP_S = 1.0
# Different things noticed one after the other, from the end of a threat cue.
_NOTICE_APART_S = 2.0
# An announcement that could not be played within this time is no longer news.
_STALE_S = 3.0
_NEVER_MUTED = {CueName.ALIVE, CueName.MUTED, CueName.SHUTDOWN}
_NO_SIGHT = {CueName.BLIND, CueName.FAULT}


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


@dataclass(frozen=True, slots=True)
class Situation:
    """The present state, from the newest judged frame and the warden's own knowledge.

    `watching`: the self-test passed and fresh frames arrive; only then does the alive tick play. `low`: the level is
    that of something to trip over. `drift`: the side on which the wearer is about to leave the lane.
    """

    level: Level = Level.CLEAR
    side: Side = Side.CENTRE
    track: int | None = None
    reason: Reason | None = None
    seq: int | None = None
    faults: frozenset[Fault] = frozenset()
    watching: bool = False
    low: bool = False
    drift: Side | None = None

    @property
    def threat_cue(self) -> CueName | None:
        """The cue that its level calls for."""
        return threat_cue(self.level, self.low)


def fault_cues(faults: frozenset[Fault]) -> dict[CueName, tuple[Fault, ...]]:
    """The fault cues these faults call for, each with the faults it tells of."""
    found: dict[CueName, tuple[Fault, ...]] = {}
    for fault in sorted(faults):
        found[FAULTS[fault].cue] = (*found.get(FAULTS[fault].cue, ()), fault)
    return found


def _is_critical(cue: CueName, situation: Situation) -> bool:
    """Whether a cue tells of something CRITICAL now."""
    return situation.level is Level.CRITICAL and cue is situation.threat_cue


def _rank(cue: CueName, situation: Situation) -> int:
    """How urgent a cue is now."""
    return CUES[CueName.CRITICAL if _is_critical(cue, situation) else cue].priority


class Arbiter:
    """Decides which cue starts; remembers only what was played and when."""

    def __init__(self, config: CueConfig, repeat_every_s: float = 5.0, mute_s: float = 60.0) -> None:
        self._alive_ns = _ns(config.alive_every_s)
        self._notice_ns = _ns(config.notice_gap_s)
        self._clear_cue = config.clear_cue
        self._drift_cue = config.drift_cue
        self._repeat_s = repeat_every_s
        self._mute_ns = _ns(mute_s)
        self._playing: Cue | None = None
        self._hold_ns = 0
        self._ends_ns = 0
        self._felt_ns: int | None = None  # end of the last cue of any kind
        self._threat_ns: int | None = None  # end of the last threat cue
        self._ended: dict[CueName, int] = {}
        self._told: dict[int | None, int] = {}  # track → end of the last threat cue about it
        # Fault cues called for at the last look → told since they came.
        self._standing: dict[CueName, bool] = {}
        self._news: dict[CueName, tuple[int, Side]] = {}  # → when it goes stale, and where it is felt
        self._muted_until_ns: int | None = None
        self._was = Level.CLEAR
        self._drifted: Side | None = None

    @property
    def playing(self) -> Cue | None:
        """What plays, or played last."""
        return self._playing

    def muted(self, now_ns: int) -> bool:
        """Whether cues below CRITICAL are held back."""
        return self._muted_until_ns is not None and now_ns < self._muted_until_ns

    def blindness_is_muted(self, now_ns: int) -> bool:
        """Whether rearguard is blind, has told so, and is muted: its silence is the wearer's own wish."""
        blind = [told for cue, told in self._standing.items() if cue in _NO_SIGHT]
        return self.muted(now_ns) and bool(blind) and all(blind)

    def mute(self, now_ns: int) -> None:
        """Hold back everything below CRITICAL for a while; the wearer feels MUTED."""
        self._muted_until_ns = now_ns + self._mute_ns
        # No mute is unknown to the wearer, after CRITICAL too.
        self._news[CueName.MUTED] = self._muted_until_ns, Side.CENTRE

    def announce(self, cue: CueName, now_ns: int, side: Side = Side.CENTRE) -> None:
        """Ask for a one-off cue; it plays as soon as nothing more urgent does, or is dropped after 3 s."""
        self._news[cue] = now_ns + _ns(_STALE_S), side

    def decide(self, now_ns: int, situation: Situation) -> Cue | None:
        """The cue to start now, replacing what plays, or None to leave things as they are."""
        self._note_changes(now_ns, situation)
        due = [start for at_ns, start in self._wanted(now_ns, situation) if at_ns <= now_ns]
        best = max(due, key=lambda start: _rank(start.cue, situation), default=None)
        if best is None or not self._may_start(best, now_ns, situation):
            return None
        best = replace(best, at_ns=now_ns, repeat=self._is_repeat(best, now_ns))
        self._begin(best, now_ns)
        return best

    def next_due_ns(self, now_ns: int, situation: Situation) -> int | None:
        """When `decide` should be asked again if nothing changes until then; None: not before a change."""
        times = [at_ns for at_ns, _ in self._wanted(now_ns, situation)]
        times += [self._hold_ns, self._ends_ns]
        return min((t for t in times if t > now_ns), default=None)

    def stop(self, now_ns: int) -> None:
        """What played was cut off from outside."""
        self._ends_ns = min(self._ends_ns, now_ns)

    def lasts_until(self, ends_ns: int) -> None:
        """What plays takes longer than its row says: it is felt on other motors than its own."""
        if self._playing is None or ends_ns <= self._ends_ns:
            return
        self._end_at(ends_ns)

    def _note_changes(self, now_ns: int, situation: Situation) -> None:
        """Take note of what changed since the last look."""
        cues = fault_cues(situation.faults)
        self._standing = {cue: self._standing.get(cue, False) for cue in cues}
        if self._clear_cue and situation.level == Level.CLEAR and self._was >= Level.CAUTION:
            self.announce(CueName.CLEAR, now_ns)
        self._was = situation.level
        if self._drift_cue and situation.drift is not None and situation.drift is not self._drifted:
            self.announce(CueName.DRIFT, now_ns, situation.drift)
        self._drifted = situation.drift
        self._news = {cue: news for cue, news in self._news.items() if news[0] > now_ns}
        self._told = {track: end for track, end in self._told.items() if now_ns - end < self._notice_ns}

    def _wanted(self, now_ns: int, situation: Situation) -> Iterator[tuple[int, Cue]]:
        """Every cue there is a reason for, with the time it is due (in the past: at once)."""
        for at_ns, start in self._reasons(situation):
            if not self.muted(now_ns) or self._is_never_muted(start.cue, situation):
                yield at_ns, start
            elif self._muted_until_ns is not None:
                yield max(at_ns, self._muted_until_ns), start

    def _reasons(self, situation: Situation) -> Iterator[tuple[int, Cue]]:
        cue = situation.threat_cue
        if cue is not None:
            start = Cue(
                at_ns=0,
                cue=cue,
                side=situation.side,
                seq=situation.seq,
                track=situation.track,
                reason=situation.reason,
            )
            yield (self._notice_due_ns(situation.track) if cue is CueName.NOTICE else 0), start
        cues = fault_cues(situation.faults)
        for told, faults in cues.items():
            yield self._fault_due_ns(told, faults), Cue(at_ns=0, cue=told, seq=situation.seq, faults=faults)
        for news, (_, side) in self._news.items():
            yield 0, Cue(at_ns=0, cue=news, side=side)
        if situation.watching and not _NO_SIGHT & cues.keys():
            due = 0 if self._felt_ns is None else self._felt_ns + self._alive_ns
            yield due, Cue(at_ns=0, cue=CueName.ALIVE, seq=situation.seq)

    def _notice_due_ns(self, track: int | None) -> int:
        apart = 0 if self._threat_ns is None else self._threat_ns + _ns(_NOTICE_APART_S)
        return max(apart, self._told[track] + self._notice_ns if track in self._told else 0)

    def _fault_due_ns(self, cue: CueName, faults: tuple[Fault, ...]) -> int:
        if cue not in self._ended:
            return 0
        as_blind = any(FAULTS[fault].hides_path for fault in faults)
        factor = 1.0 if as_blind else CUES[cue].repeat_gap_s or 1.0
        gap_s = self._repeat_s * factor if self._standing.get(cue) else _FLICKER_GAP_S
        return self._ended[cue] + _ns(gap_s)

    def _is_never_muted(self, cue: CueName, situation: Situation) -> bool:
        return cue in _NEVER_MUTED or _is_critical(cue, situation) or self._is_new_blindness(cue)

    def _is_new_blindness(self, cue: CueName) -> bool:
        return cue in _NO_SIGHT and not self._standing.get(cue, False)

    def _may_start(self, start: Cue, now_ns: int, situation: Situation) -> bool:
        if self._playing is None or now_ns >= self._ends_ns:
            return True
        if start.cue is self._playing.cue:
            return False
        if _rank(start.cue, situation) > _rank(self._playing.cue, situation):
            return True
        return now_ns >= self._hold_ns and not self._still_due(situation)

    def _still_due(self, situation: Situation) -> bool:
        """Whether there is still a reason for what plays."""
        playing = self._playing
        if playing is None or CUES[playing.cue].kind is Kind.INFO:
            return True
        if CUES[playing.cue].kind is Kind.FAULT:
            return playing.cue in fault_cues(situation.faults)
        return situation.threat_cue is playing.cue

    def _is_repeat(self, start: Cue, now_ns: int) -> bool:
        if CUES[start.cue].kind is Kind.FAULT:
            return self._standing.get(start.cue, False)
        last = self._playing
        return (
            CUES[start.cue].kind is Kind.THREAT
            and last is not None
            and last.cue is start.cue
            and last.track == start.track
            and now_ns - self._ends_ns < _ns(_FLICKER_GAP_S)
        )

    def _cut(self, by: CueName, now_ns: int) -> None:
        """A fault whose first telling was too short to be felt has not been told."""
        cut = self._playing
        if cut is None or CUES[cut.cue].kind is not Kind.FAULT or cut.cue is by or cut.repeat:
            return
        if now_ns < self._hold_ns:
            self._standing[cut.cue], self._ended[cut.cue] = False, now_ns

    def _begin(self, start: Cue, now_ns: int) -> None:
        row = CUES[start.cue]
        self._cut(start.cue, now_ns)
        self._playing = start
        self._hold_ns = now_ns + _ns(row.min_hold_s)
        self._end_at(now_ns + _ns(row.length_s))
        self._news.pop(start.cue, None)
        if row.kind is Kind.FAULT:
            self._standing[start.cue] = True

    def _end_at(self, ends_ns: int) -> None:
        """What plays ends then."""
        assert self._playing is not None
        self._ends_ns = self._felt_ns = self._ended[self._playing.cue] = ends_ns
        if CUES[self._playing.cue].kind is Kind.THREAT:
            self._threat_ns = self._told[self._playing.track] = ends_ns
