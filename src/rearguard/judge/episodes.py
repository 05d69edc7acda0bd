"""Near misses out of verdicts: one for each thing met, from its first sight to its release.

A thing may pass through several tracks, and be followed by the detector and by its looming at once. Tracks that warn of
the same contact, its moment and its place, are one encounter, unless they were seen apart. Pure: verdicts and
tracks in, finished near misses out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from rearguard.clock import NS_PER_S
from rearguard.judge.encounter import Encounter, follows
from rearguard.judge.sighting import Sighting, same_contact, seen_apart, sightings
from rearguard.types import NearMiss, Passage, Track, Verdict

# What is let go is the same thing still when it warns again within this time: lost from sight, and found anew.
LINGER_S = 2.5


class Episodes:
    """Watches verdicts, gives out near misses as they end."""

    def __init__(self) -> None:
        self._open: list[Encounter] = []
        self._passages: list[Passage] = []
        self._of: dict[int, Encounter] = {}  # track → what it is a track of
        self._apart: Counter[frozenset[int]] = (
            Counter()
        )  # pairs of tracks → frames in which both were seen, apart

    def add_verdict(self, verdict: Verdict, tracks: Sequence[Track]) -> list[NearMiss]:
        """Take in a frame's verdict and the tracks it was made of; return the near misses that ended with it."""
        now_ns = verdict.captured_ns
        found = list(sightings(verdict, tracks))
        groups: dict[int, list[Sighting]] = {}
        for sighting in found:
            track = sighting.threat.track
            encounter = self._of.get(track)
            if encounter is None or encounter.is_left_for(sighting):
                self._forget({track})
                encounter = self._of[track] = Encounter(now_ns)
                self._open.append(encounter)
            groups.setdefault(id(encounter), []).append(sighting)
        self._note_apart(found)
        for encounter in self._open:
            if id(encounter) in groups:
                encounter.add(groups[id(encounter)])
            else:
                encounter.pause(now_ns)
        self._unite()
        return self._end(now_ns, set(groups))

    def finish(self, at_ns: int) -> list[NearMiss]:
        """End all open encounters, at the end of an outing."""
        ended = [e.tell(at_ns) for e in self._open if e.warned_ns is not None]
        for encounter in self._open:
            self._note_passage(encounter)
        self._open.clear()
        self._of.clear()
        self._apart.clear()
        return ended

    def take_passages(self) -> list[Passage]:
        """What has passed since this was last asked, warned of or not."""
        taken, self._passages = self._passages, []
        return taken

    def _note_passage(self, encounter: Encounter) -> None:
        passage = encounter.passage()
        if passage is not None:
            self._passages.append(passage)

    @property
    def worst_seqs(self) -> set[int]:
        """The frames that are the worst moment so far of what is going on: the pictures worth keeping."""
        return {e.worst.seq for e in self._open if e.worst is not None}

    def _note_apart(self, found: list[Sighting]) -> None:
        for a, b in combinations([s for s in found if s.seen and s.detected], 2):
            pair = frozenset((a.threat.track, b.threat.track))
            self._apart[pair] += 1 if seen_apart(a, b) else -1

    def _unite(self) -> None:
        """Make one of encounters that warn of the same contact."""
        warned = [e for e in self._open if e.warned_ns is not None]
        for a, b in combinations(sorted(warned, key=lambda e: e.first_ns), 2):
            if a in self._open and b in self._open and self._same(a, b):
                a.absorb(b)
                self._open.remove(b)
                self._of.update({track: a for track, of in self._of.items() if of is b})

    def _same(self, a: Encounter, b: Encounter) -> bool:
        one, two = a.newest, b.newest
        if one is None or two is None or not (same_contact(one, two) or follows(a, b)):
            return False
        return all(self._apart[frozenset((x, y))] <= 0 for x in a.tracks for y in b.tracks)

    def _end(self, now_ns: int, present: set[int]) -> list[NearMiss]:
        ended: list[NearMiss] = []
        for encounter in list(self._open):
            warned = encounter.warned_ns is not None
            cooled = encounter.released_ns is not None
            if warned and cooled and now_ns - encounter.last_hot_ns > LINGER_S * NS_PER_S:
                ended.append(encounter.tell(now_ns))
            elif warned or id(encounter) in present:
                continue
            self._note_passage(encounter)
            self._open.remove(encounter)
            tracks = {track for track, of in self._of.items() if of is encounter}
            for track in tracks:
                del self._of[track]
            self._forget(tracks)
        return ended

    def _forget(self, tracks: set[int]) -> None:
        for pair in [p for p in self._apart if p & tracks]:
            del self._apart[pair]
