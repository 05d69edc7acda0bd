"""Encounters: whatever is met is one near miss, from first sight to release, told from frames in which it was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.judge.encounter import LONGEST_TRACE
from rearguard.judge.episodes import LINGER_S, Episodes
from rearguard.types import Box, Level, Motion, NearMiss, Reason, ReasonCode, Side, Threat, Verdict

TENTH = 100_000_000
LINGER = math.ceil(LINGER_S * 10) + 1  # frames after which what is let go is told
Told = tuple[Level, float | None]
BOX = Box(0, 0, 10, 30)


@dataclass
class Followed:
    """What an encounter asks of a track: `beside_m` beside the path is where it is now."""

    id: int
    seen_ns: int
    hits: int = 5
    score: float = 0.6
    range_m: float = 5.0
    beside_m: float = 0.0

    @property
    def motion(self) -> Motion:
        beside = max(-1.0, min(1.0, self.beside_m / self.range_m))
        return Motion((math.log(self.range_m), math.asin(beside), 0.0, 0.0), ((0.0,) * 4,) * 4)


def threat(
    level: Level,
    ttc_s: float | None,
    track: int = 1,
    *,
    miss_m: float = 0.2,
    range_m: float = 5.0,
    miss_sd_m: float | None = None,
    box: Box = BOX,
    **changes: object,
) -> Threat:
    reason = Reason(
        code=ReasonCode.SOON, ttc_s=ttc_s, ttc_sd_s=0.1, range_m=range_m, miss_m=miss_m, miss_sd_m=miss_sd_m
    )
    said = {"label": "person", "kind": "detected", "side": Side.LEFT, **changes}
    return Threat(track=track, level=level, box=box, reason=reason, **said)  # type: ignore[arg-type]


def add(
    episodes: Episodes,
    i: int,
    *threats: Threat,
    unseen: Sequence[int] = (),
    hits: int = 5,
    beside_m: float | None = None,
) -> list[NearMiss]:
    """One frame, a tenth of a second after the one before; tracks in `unseen` are only predicted. Where nothing else
    is said, a thing is as far beside the path as it will pass."""
    level = max((t.level for t in threats), default=Level.CLEAR)
    verdict = Verdict(i, i * TENTH, level, Side.LEFT, threats)
    tracks = [
        Followed(
            t.track,
            (i - (t.track in unseen)) * TENTH,
            hits,
            range_m=t.range_m or 5.0,
            beside_m=(t.reason.miss_m or 0.0) if beside_m is None else beside_m,
        )
        for t in threats
    ]
    return episodes.add_verdict(verdict, tracks)  # type: ignore[arg-type]


def tell(story: Sequence[Told | None], track: int = 1) -> tuple[Episodes, list[NearMiss]]:
    """One track's story, None where it is not in the verdict; what ended."""
    episodes, ended = Episodes(), []
    for i, told in enumerate(story):
        ended += add(episodes, i, *([threat(*told, track)] if told else []))
    return episodes, ended


STORY: list[Told | None] = [
    (Level.CLEAR, 2.2),
    (Level.NOTICE, 2.1),
    (Level.CAUTION, 2.0),
    (Level.CRITICAL, 1.9),
    (Level.CRITICAL, 1.8),
    (Level.CAUTION, 4.5),
    (Level.CLEAR, None),
]
NOTHING: list[Told | None] = [None] * LINGER


def test_a_near_miss_holds_its_whole_story() -> None:
    _, (near,) = tell([*STORY, *NOTHING])
    assert near.level is Level.CRITICAL
    assert near.min_ttc_s == pytest.approx(1.8)
    assert near.lead_time_s == 2.0
    assert (near.first_ns, near.warned_ns, near.worst_ns, near.released_ns) == (
        0,
        2 * TENTH,
        4 * TENTH,
        6 * TENTH,
    )
    assert near.worst_seq == 4
    assert [point.level for point in near.trace] == [told[0] for told in STORY[:6] if told]
    assert near.trace[4].reason.ttc_s == 1.8
    assert (near.label, near.side, near.range_m) == ("person", Side.LEFT, 5.0)


def test_the_same_thing_met_again_later_is_another_near_miss() -> None:
    calm: list[Told | None] = [(Level.CLEAR, None)] * LINGER
    episodes, ended = tell([*STORY, *calm, *STORY, *calm])
    assert [near.level for near in ended] == [Level.CRITICAL, Level.CRITICAL]
    assert ended[0].released_ns < ended[1].first_ns
    assert not {p.seq for p in ended[0].trace} & {p.seq for p in ended[1].trace}
    assert episodes.finish(99 * TENTH) == []


def test_a_level_that_comes_and_goes_is_one_near_miss() -> None:
    _, (near,) = tell([*STORY, *STORY, *STORY, *NOTHING])
    assert near.warned_ns == 2 * TENTH
    assert near.released_ns == 20 * TENTH
    assert len(near.trace) == 20


def test_who_vanishes_is_told_once_it_does_not_come_back() -> None:
    _, ended = tell([*STORY[:5], *NOTHING[:-5]])
    assert ended == []
    _, (near,) = tell([*STORY[:5], *NOTHING])
    assert near.released_ns == 5 * TENTH
    assert near.level is Level.CRITICAL


def test_one_thing_that_is_lost_and_found_as_another_track_is_one_near_miss() -> None:
    episodes, ended = Episodes(), []
    for i in range(30):
        left_s = 3.0 - 0.1 * i
        level = Level.CAUTION if left_s > 2 else Level.CRITICAL
        if i < 15:
            ended += add(episodes, i, threat(level, left_s, track=1), hits=i)
        elif i >= 19:  # found anew, and off by a third at first
            ended += add(episodes, i, threat(level, left_s * 1.3, track=2, label="dog"), hits=i - 19)
        else:
            ended += add(episodes, i)
    ended += episodes.finish(30 * TENTH)
    (near,) = ended
    assert (near.track, near.label, near.lead_time_s) == (1, "person", 3.0)
    assert near.first_ns == 0
    assert len(near.trace) == 26


@pytest.mark.parametrize(("range_m", "told_s", "rows"), [(1.8, 3.4, 1), (5.5, 3.4, 2), (3.6, 0.3, 1)])
def test_what_is_found_where_the_lost_one_should_be_is_the_same_unless_it_is_far_behind_and_met_later(
    range_m: float, told_s: float, rows: int
) -> None:
    """Of who is cut by the picture's edge a new track tells too much time; who comes next stands in their middle."""
    episodes, ended = Episodes(), []
    for i in range(16):
        left_s = 1.5 - 0.1 * i
        threats = [threat(Level.CRITICAL, left_s, range_m=2.5 * left_s)]
        if i == 14:
            new = threat(Level.CRITICAL, told_s, 2, range_m=range_m, box=Box(1, 2, 13, 33))
            threats = [*threats, new]
        ended += add(episodes, i, *threats, unseen=[1] if i > 10 else [])
    ended += episodes.finish(16 * TENTH)
    assert [near.track for near in ended] == [1, 2][:rows]


def test_two_in_one_line_are_two_though_one_stands_in_the_middle_of_the_other() -> None:
    """They are met at different moments; that the first one's track ends up on the second changes nothing."""
    episodes, ended = Episodes(), []
    for i in range(42):
        later_s = 4.3 - 0.1 * i
        second = threat(Level.CAUTION, later_s, 2, range_m=2.5 * later_s, box=Box(4, 8, 8, 20))
        first_s = 2.0 - 0.1 * i
        first = threat(Level.CRITICAL, first_s, range_m=2.5 * first_s) if i < 20 else None
        if 22 <= i < 25:
            first = threat(Level.CAUTION, later_s, range_m=2.5 * later_s, box=second.box)
        ended += add(episodes, i, *filter(None, (first, second)))
    assert sorted(near.track for near in [*ended, *episodes.finish(42 * TENTH)]) == [1, 2]


@pytest.mark.parametrize(("range_m", "rows"), [(8.5, 1), (14.0, 2)])
def test_who_is_found_as_far_away_as_they_should_be_is_the_same_though_the_camera_swung(
    range_m: float, rows: int
) -> None:
    """The box is elsewhere in the picture and the time told is another: the distance decides."""
    episodes, ended = Episodes(), []
    for i in range(10):
        if i < 5:
            ended += add(episodes, i, threat(Level.CAUTION, 6.0, range_m=10.0))
        elif i >= 8:
            found = threat(Level.CRITICAL, 1.5, 2, range_m=range_m, box=Box(300, 0, 310, 30))
            ended += add(episodes, i, found)
        else:
            ended += add(episodes, i)
    assert len([*ended, *episodes.finish(10 * TENTH)]) == rows


def test_two_who_would_be_met_at_the_same_moment_but_are_far_apart_are_two() -> None:
    """A new track's time may be off by a half; that it is three times as far away is so."""
    episodes, ended = Episodes(), []
    for i in range(12):
        left_s = 2.5 - 0.1 * i
        if i < 6:
            ended += add(episodes, i, threat(Level.CAUTION, left_s, range_m=2.5 * left_s))
        else:
            ended += add(
                episodes, i, threat(Level.CAUTION, left_s, 2, range_m=14.0, box=Box(300, 0, 310, 30))
            )
    assert len([*ended, *episodes.finish(12 * TENTH)]) == 2


def test_the_detector_and_looming_tell_of_one_thing_and_the_detector_names_it() -> None:
    episodes, ended = Episodes(), []
    for i in range(20):
        left_s = 2.5 - 0.1 * i
        patch = threat(
            Level.CRITICAL,
            left_s + 0.3,
            -1,
            miss_m=-0.2,
            label="obstacle",
            kind="looming",
            box=Box(2, 2, 9, 20),
        )
        seen = [patch, threat(Level.CRITICAL, left_s)] if i > 8 else [patch]
        ended += add(episodes, i, *seen)
    ended += episodes.finish(20 * TENTH)
    (near,) = ended
    assert (near.label, near.kind) == ("person", "detected")
    assert near.warned_ns == 0
    assert near.lead_time_s == 2.8


def test_two_people_side_by_side_are_two_near_misses() -> None:
    """They are met at the same moment and nearly at the same place, but were seen next to each other."""
    episodes, ended = Episodes(), []
    for i in range(20):
        left_s = 2.9 - 0.1 * i
        ended += add(
            episodes,
            i,
            threat(Level.CAUTION, left_s, 1, miss_m=-0.3, box=Box(100, 50, 120, 110)),
            threat(Level.CAUTION, left_s, 2, miss_m=0.3, box=Box(122, 50, 142, 110)),
        )
    ended += episodes.finish(20 * TENTH)
    assert sorted(near.track for near in ended) == [1, 2]


def test_things_met_at_different_places_or_moments_are_two_near_misses() -> None:
    for other in ({"miss_m": 3.0}, {"later_s": 2.5}):
        episodes, ended = Episodes(), []
        for i in range(25):
            left_s = 2.8 - 0.1 * i
            second = threat(
                Level.CAUTION, left_s + other.get("later_s", 0.0), 2, miss_m=other.get("miss_m", 0.2)
            )
            ended += add(episodes, i, threat(Level.CAUTION, left_s, 1), second)
        assert len([*ended, *episodes.finish(25 * TENTH)]) == 2, other


def test_frames_in_which_nobody_saw_it_tell_nothing() -> None:
    """A track that is only predicted counts down by itself: its numbers are no measurement."""
    episodes = Episodes()
    for i in range(20):
        add(episodes, i, threat(Level.CRITICAL, 2.0 - 0.1 * i), unseen=[1] if i > 8 else [])
    assert episodes.worst_seqs == {8}
    (near,) = episodes.finish(20 * TENTH)
    assert near.worst_seq == 8
    assert near.min_ttc_s == pytest.approx(2.0 - 0.8)
    assert [p.seen for p in near.trace] == [True] * 9 + [False] * 11
    assert near.released_ns == 20 * TENTH


def test_one_box_that_is_off_does_not_make_the_worst_moment() -> None:
    story: list[Told | None] = [(Level.CAUTION, 3.0 - 0.1 * i) for i in range(15)]
    story[5] = (Level.CRITICAL, 0.9)
    episodes, _ = tell(story)
    (near,) = episodes.finish(15 * TENTH)
    assert (near.worst_seq, near.min_ttc_s) == (14, pytest.approx(1.6))


def test_a_wearer_who_stops_ends_the_countdown() -> None:
    story: list[Told | None] = [(Level.CRITICAL, 2.5 - 0.1 * i) for i in range(10)]
    story += [(Level.CRITICAL, 2.5 + 0.4 * i) for i in range(10)]
    episodes, _ = tell(story)
    (near,) = episodes.finish(20 * TENTH)
    assert (near.worst_seq, near.min_ttc_s) == (9, pytest.approx(1.6))


def test_a_new_track_that_contradicts_a_known_one_is_not_believed() -> None:
    """Of somebody cut by the picture's edge the detector finds the upper half, and takes it for a whole one."""
    episodes = Episodes()
    for i in range(20):
        left_s = 2.5 - 0.1 * i
        one = threat(Level.CRITICAL, left_s, 1, range_m=2.5 * left_s)
        other = threat(Level.CRITICAL, left_s, 2, range_m=5.0 * left_s)
        add(episodes, i, *([one] if i < 15 else [other]), hits=20 if i < 15 else 3)
    (near,) = episodes.finish(20 * TENTH)
    assert (near.worst_seq, near.min_ttc_s, near.range_m) == (14, pytest.approx(1.1), pytest.approx(2.75))


def test_how_far_from_the_wearer_it_passed_is_told_and_how_sure_that_is() -> None:
    """The nearer it is, the surer; what is not seen to the end may have stepped aside."""
    doubts = []
    for last in (19, 10):
        episodes = Episodes()
        for i in range(20):
            left_s = 2.0 - 0.1 * i
            told = threat(Level.CRITICAL, left_s, miss_m=-0.4, miss_sd_m=0.1 + 0.2 * left_s)
            add(episodes, i, told, unseen=[1] if i > last else [])
        (near,) = episodes.finish(20 * TENTH)
        assert near.pass_m == pytest.approx(0.4)
        assert near.pass_sd_m is not None
        doubts.append(near.pass_sd_m)
    assert doubts[0] < 0.2
    assert doubts[1] > 0.5


def test_on_which_side_it_passed_is_told_by_the_same_sighting() -> None:
    """In the last moment somebody close by fills the picture, and may be headed anywhere."""
    episodes = Episodes()
    for i in range(20):
        left_s = 2.0 - 0.1 * i
        sure = {"miss_m": -0.4, "miss_sd_m": 0.1, "side": Side.LEFT}
        unsure = {"miss_m": 0.7, "miss_sd_m": 2.3, "side": Side.RIGHT}
        add(episodes, i, threat(Level.CRITICAL, left_s, **(sure if i < 19 else unsure)))  # type: ignore[arg-type]
    (near,) = episodes.finish(20 * TENTH)
    assert (near.worst_seq, near.side, near.pass_m) == (19, Side.LEFT, pytest.approx(0.4))


def test_who_steps_aside_in_the_last_moment_passes_between_where_they_are_and_where_they_are_headed() -> None:
    """Half of a step is seen; nobody goes on at its speed until the moment of contact."""
    episodes = Episodes()
    for i in range(17):
        left_s = 2.0 - 0.1 * i
        step = {"miss_m": -2.0, "miss_sd_m": 0.6} if i >= 15 else {"miss_m": 0.1, "miss_sd_m": 0.1}
        told = threat(Level.CRITICAL, left_s, range_m=2.5 * left_s, **step)  # type: ignore[arg-type]
        add(episodes, i, told, beside_m=-0.9 if i >= 15 else 0.1)
    (near,) = episodes.finish(17 * TENTH)
    assert near.pass_m == pytest.approx(1.45)
    assert near.pass_sd_m is not None
    assert 0.9 < near.pass_sd_m < 1.5


def test_a_track_that_goes_on_with_who_comes_next_is_two_near_misses() -> None:
    """The first one is gone; their track finds the next one, far behind."""
    episodes, ended = Episodes(), []
    for i in range(50):
        left_s = 2.0 - 0.1 * i if i < 20 else 5.0 - 0.1 * i
        told = threat(Level.CRITICAL, left_s, range_m=2.5 * left_s)
        ended += add(episodes, i, *([] if 20 <= i < 25 else [told]))
    ended += episodes.finish(50 * TENTH)
    assert [near.worst_seq for near in ended] == [19, 49]


def test_notice_alone_is_no_near_miss() -> None:
    episodes, ended = tell([(Level.NOTICE, 3.8), (Level.NOTICE, 3.5), (Level.CLEAR, None), *NOTHING])
    assert ended == []
    assert episodes.finish(9 * TENTH) == []


def test_the_end_of_an_outing_closes_what_is_open() -> None:
    episodes, ended = tell(STORY[:4])
    assert ended == []
    (near,) = episodes.finish(77 * TENTH)
    assert (near.level, near.min_ttc_s, near.released_ns) == (Level.CRITICAL, pytest.approx(1.9), 77 * TENTH)
    assert episodes.finish(78 * TENTH) == []


def test_a_long_episode_keeps_its_worst_moment_and_not_every_frame() -> None:
    story: list[Told | None] = [(Level.CAUTION, 2.8)] * 100
    story += [(Level.CRITICAL, 2.7 - 0.1 * i) for i in range(20)]
    story += [(Level.CAUTION, 2.8)] * 2000
    episodes, _ = tell(story)
    (near,) = episodes.finish(3000 * TENTH)
    assert near.min_ttc_s == pytest.approx(0.8)
    assert near.worst_seq == 119
    assert len(near.trace) == LONGEST_TRACE


def test_the_worst_moment_is_known_while_it_goes_on() -> None:
    episodes = Episodes()
    worst = []
    for i, told in enumerate(STORY):
        assert told is not None
        add(episodes, i, threat(*told))
        worst.append(episodes.worst_seqs)
    assert worst == [set(), set(), {2}, {3}, {4}, {4}, {4}]


told = st.one_of(st.none(), st.tuples(st.sampled_from(Level), st.one_of(st.none(), st.floats(0.1, 9))))


@given(st.lists(told, max_size=80))
def test_every_warning_is_in_exactly_one_near_miss(story: list[Told | None]) -> None:
    episodes, ended = tell(story)
    ended += episodes.finish(len(story) * TENTH)
    warned = [i for i, x in enumerate(story) if x is not None and x[0] >= Level.CAUTION]
    found = [p.seq for near in ended for p in near.trace if p.level >= Level.CAUTION]
    assert found == warned
    for near in ended:
        assert near.level == max(p.level for p in near.trace) >= Level.CAUTION
        assert near.first_ns <= near.warned_ns <= near.worst_ns <= near.released_ns
        worst = next(p for p in near.trace if p.seq == near.worst_seq)
        assert worst.level >= Level.CAUTION
        assert (near.min_ttc_s is None) or near.min_ttc_s >= 0


def test_what_passes_without_a_warning_is_told_as_a_number() -> None:
    episodes = Episodes()
    for i in range(20):
        away_m = 2.0 + abs(i - 10) * 0.5
        told = threat(Level.CLEAR, 3.0 - 0.1 * i, range_m=away_m, miss_m=-2.0, miss_sd_m=0.2)
        assert add(episodes, i, told) == []
    assert episodes.take_passages() == []
    assert add(episodes, 20) == []
    (passage,) = episodes.take_passages()
    assert (passage.at_ns, passage.level, passage.range_m) == (10 * TENTH, Level.CLEAR, 2.0)
    assert (passage.label, passage.side, passage.pass_m) == ("person", Side.LEFT, pytest.approx(2.0))
    assert episodes.take_passages() == []


def test_what_stays_far_or_is_hardly_seen_does_not_pass() -> None:
    for count, away_m in ((20, 9.0), (3, 2.0)):
        episodes = Episodes()
        for i in range(count):
            add(episodes, i, threat(Level.CLEAR, 3.0, range_m=away_m))
        episodes.finish(30 * TENTH)
        assert episodes.take_passages() == []
