"""Episodes: a near miss is one thing's story from first sight to release, with its worst moment."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rearguard.judge.episodes import Episodes
from rearguard.words import Box, Level, NearMiss, Side, Threat, Verdict

TENTH = 100_000_000
Told = tuple[Level, float | None]


def threat(level: Level, ttc_s: float | None, track: int = 1) -> Threat:
    return Threat(
        track, "person", "detected", level, Side.LEFT, ttc_s, 0.1, 5.0, 0.2, Box(0, 0, 10, 30), (level.name,)
    )


def verdict(i: int, *threats: Threat) -> Verdict:
    level = max((t.level for t in threats), default=Level.CLEAR)
    return Verdict(i, i * TENTH, level, Side.LEFT, threats)


def tell(story: Sequence[Told | None], track: int = 1) -> tuple[Episodes, list[NearMiss]]:
    """One track's story, None where it is not in the verdict; what ended."""
    episodes, ended = Episodes(), []
    for i, told in enumerate(story):
        ended += episodes.step(verdict(i, threat(*told, track)) if told else verdict(i))
    return episodes, ended


STORY: list[Told | None] = [
    (Level.CLEAR, 6.0),
    (Level.NOTICE, 3.8),
    (Level.CAUTION, 2.9),
    (Level.CRITICAL, 1.9),
    (Level.CRITICAL, 1.1),
    (Level.CAUTION, 2.5),
    (Level.CLEAR, None),
]


def test_a_near_miss_holds_its_whole_story() -> None:
    _, (near,) = tell(STORY)
    assert near.level is Level.CRITICAL
    assert near.min_ttc_s == 1.1
    assert near.lead_time_s == 2.9
    assert (near.first_ns, near.warned_ns, near.worst_ns, near.released_ns) == (
        0,
        2 * TENTH,
        4 * TENTH,
        6 * TENTH,
    )
    assert near.worst_seq == 4
    assert [point.level for point in near.trace] == [told[0] for told in STORY[:6] if told]
    assert near.trace[4].reasons == ("CRITICAL",)
    assert (near.label, near.side, near.range_m) == ("person", Side.LEFT, 5.0)


def test_it_is_told_once_and_what_follows_is_another() -> None:
    episodes, ended = tell([*STORY, *STORY])
    assert [near.level for near in ended] == [Level.CRITICAL, Level.CRITICAL]
    # The second begins where the first was released, so that no frame is in both.
    assert ended[0].released_ns == ended[1].first_ns
    assert not {p.seq for p in ended[0].trace} & {p.seq for p in ended[1].trace}
    assert episodes.finish(99 * TENTH) == []


def test_who_vanishes_is_closed() -> None:
    _, (near,) = tell([*STORY[:5], None])
    assert near.released_ns == 5 * TENTH
    assert near.level is Level.CRITICAL


def test_notice_alone_is_no_near_miss() -> None:
    episodes, ended = tell([(Level.NOTICE, 3.8), (Level.NOTICE, 3.5), (Level.CLEAR, None), None])
    assert ended == []
    assert episodes.finish(9 * TENTH) == []


def test_the_end_of_an_outing_closes_what_is_open() -> None:
    episodes, ended = tell(STORY[:4])
    assert ended == []
    (near,) = episodes.finish(77 * TENTH)
    assert (near.level, near.min_ttc_s, near.released_ns) == (Level.CRITICAL, 1.9, 77 * TENTH)
    assert episodes.finish(78 * TENTH) == []


def test_two_threats_at_once_are_two_stories() -> None:
    episodes, ended = Episodes(), []
    for i in range(5):
        late = (threat(Level.CRITICAL, 1.5, track=2),) if i < 3 else ()
        ended += episodes.step(verdict(i, *late, threat(Level.CAUTION, 2.8 - 0.1 * i, track=1)))
    assert [near.track for near in ended] == [2]
    (other,) = episodes.finish(5 * TENTH)
    assert (other.track, other.level, len(other.trace)) == (1, Level.CAUTION, 5)


def test_a_long_episode_keeps_its_worst_moment_and_not_every_frame() -> None:
    story: list[Told | None] = [(Level.CAUTION, 2.8)] * 100
    story += [(Level.CRITICAL, 0.7), *[(Level.CAUTION, 2.8)] * 2000]
    episodes, _ = tell(story)
    (near,) = episodes.finish(3000 * TENTH)
    assert near.min_ttc_s == 0.7
    assert near.worst_seq == 100
    assert len(near.trace) == 900


def test_the_worst_moment_is_known_while_it_is_the_newest() -> None:
    episodes = Episodes()
    worst = []
    for i, told in enumerate(STORY):
        assert told is not None
        episodes.step(verdict(i, threat(*told)))
        worst.append(episodes.worst_now)
    assert worst == [set(), set(), {1}, {1}, {1}, set(), set()]


told = st.one_of(st.none(), st.tuples(st.sampled_from(Level), st.one_of(st.none(), st.floats(0.1, 9))))


@given(st.lists(told, max_size=40))
def test_every_warning_is_in_exactly_one_near_miss(story: list[Told | None]) -> None:
    episodes, ended = tell(story)
    ended += episodes.finish(len(story) * TENTH)
    warned = [i for i, x in enumerate(story) if x is not None and x[0] >= Level.CAUTION]
    found = [p.seq for near in ended for p in near.trace if p.level >= Level.CAUTION]
    assert found == warned
    for near in ended:
        assert near.level == max(p.level for p in near.trace) >= Level.CAUTION
        assert near.first_ns <= near.warned_ns <= near.worst_ns <= near.released_ns
        ttcs = [p.ttc_s for p in near.trace if p.level >= Level.CAUTION and p.ttc_s is not None]
        assert near.min_ttc_s == min(ttcs, default=None)
