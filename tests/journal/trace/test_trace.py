"""A trace: what was judged is read back and judged again to the last bit, whatever was cut, damaged or added."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_kit import Told, a_start
from trace_kit import AGE_S, LENS, a_trace, dated

from rearguard.config import Config
from rearguard.config.journal import Journal as Settings
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import NotFound
from rearguard.journal import retention
from rearguard.journal.db.store import Journal
from rearguard.journal.trace import columns
from rearguard.journal.trace.files import TRACES, delete_traces, too_much, trace_files, trace_name
from rearguard.journal.trace.format import TraceFrame, check, head_block
from rearguard.journal.trace.reader import trace_of, traces
from rearguard.journal.trace.writer import TraceWriter
from rearguard.lab.world import boxes, catalogue
from rearguard.types import Fault, Observation
from rearguard.vision.rules import Rules


def test_an_outing_is_judged_again_from_its_trace_to_the_last_bit(tmp_path: Path) -> None:
    judged = a_trace(tmp_path)
    trace = traces(tmp_path)[0]
    frames = list(trace.frames())
    assert [f.seen for f in frames] == [seen for seen, _ in judged]
    assert {f.age_s for f in frames} == {AGE_S}
    config = msgspec.json.decode(trace.head.config, type=Config)
    rules = Rules(config, Pinhole.from_fov(trace.head.width_px, trace.head.height_px, trace.head.hfov_deg))
    for frame, (_, then) in zip(frames, judged, strict=True):
        again = rules.judge_frame(frame.seen, frame.age_s)[1]
        assert again == then
        assert check(again) == frame.check
    assert max(f.level for f in frames) == 3
    assert min(f.level for f in frames) == 0  # silence is in it too


def test_a_verdict_that_differs_in_one_bit_has_another_checksum() -> None:
    rules = Rules(Config(), LENS)
    seen = [f.seen.rounded() for f in boxes.observe(catalogue.scene("stand", start=14.0), fps=15.0, seed=1)]
    verdict = [rules.judge_frame(s)[1] for s in seen][-1]
    worst = verdict.threats[0]
    ttc_s = worst.reason.ttc_s
    assert ttc_s is not None
    reason = msgspec.structs.replace(worst.reason, ttc_s=ttc_s * (1 + 2**-52))
    other = msgspec.structs.replace(verdict, threats=(msgspec.structs.replace(worst, reason=reason),))
    assert check(other) != check(msgspec.structs.replace(verdict, threats=(worst,)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.97])
def test_a_cut_costs_no_more_than_its_last_block(tmp_path: Path, share: float) -> None:
    judged = a_trace(tmp_path)
    (file,) = trace_files(tmp_path)
    head = len(head_block(traces(tmp_path)[0].head))
    os.truncate(file.path, head + round((file.bytes - head) * share))
    trace = traces(tmp_path)[0]
    frames = list(trace.frames())
    assert [f.seen for f in frames] == [seen for seen, _ in judged][: len(frames)]
    assert (
        len(judged) * share - 1.5 * 64 <= len(frames) < len(judged)
    )  # a block of a file has 64 frames at most
    assert trace.damaged == []


def test_what_is_on_the_disk_lags_less_than_two_seconds_behind(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, a_start(), LENS, 66.0, Told(), settings=Settings())
    rules = Rules(Config(), LENS)
    added: list[tuple[float, int]] = []
    end = time.monotonic() + 4.5
    frames = boxes.observe(catalogue.scene("stand"), fps=15.0, seed=1)
    worst = 0.0
    while time.monotonic() < end:
        seen = next(frames).seen.rounded()
        writer.add(seen, 0.0, rules.judge_frame(seen)[1])
        added.append((time.monotonic(), seen.seq))
        time.sleep(1 / 15)
        found = traces(tmp_path)
        stored = max((f.seen.seq for t in found for f in t.frames()), default=-1)
        waiting = [at for at, seq in added if seq > stored]
        worst = max(worst, time.monotonic() - waiting[0] if waiting else 0.0)
    assert writer.close()
    assert worst < 2.0


def test_a_damaged_file_is_told_and_costs_only_what_follows_in_it(tmp_path: Path) -> None:
    judged = a_trace(tmp_path)
    (file,) = trace_files(tmp_path)
    data = bytearray(file.path.read_bytes())
    data[len(data) // 2] ^= 1
    file.path.write_bytes(data)
    trace = traces(tmp_path)[0]
    frames = list(trace.frames())
    assert 0 < len(frames) < len(judged)
    assert [f.seen for f in frames] == [seen for seen, _ in judged][: len(frames)]
    assert len(trace.damaged) == 1
    assert file.path.name in trace.damaged[0]


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_whatever_lies_there_reading_ends_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    a_short_trace(folder)
    (file,) = trace_files(folder)
    data = bytearray(file.path.read_bytes())
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    file.path.write_bytes(data)
    for trace in traces(folder):
        list(trace.frames())


def a_short_trace(folder: Path, key: str = "0" * 16, changed_s: float | None = None) -> None:
    a_trace(folder, frames=5, key=key)
    if changed_s is not None:
        dated(folder, key, changed_s)


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────


class Old(msgspec.Struct, frozen=True, array_like=True):
    word: str
    gone: float
    number: int
    inner: tuple[Fault, ...] = ()


class New(msgspec.Struct, frozen=True, array_like=True):
    number: int
    word: str
    added: float = 7.5
    inner: tuple[Fault, ...] = ()


class Newer(msgspec.Struct, frozen=True):
    needed: int


def test_fields_that_came_and_went_are_matched_by_name() -> None:
    old = [Old("a", 0.1, 2, (Fault.DARK,)), Old("b", 1e300, -(2**60)), Old("a", float("inf"), 0)]
    shape = msgspec.json.decode(msgspec.json.encode(columns.shape_of(Old)))
    data = columns.encode(shape, old)
    assert columns.decode(shape, data, 3, Old) == old
    assert columns.decode(shape, data, 3, New) == [New(o.number, o.word, 7.5, o.inner) for o in old]
    with pytest.raises(columns.Damaged, match="needed"):
        columns.decode(shape, data, 3, Newer)


numbers = st.floats(allow_nan=False) | st.integers(-(10**9), 10**9).map(lambda n: n / 1000)


class Odd(msgspec.Struct, frozen=True):
    number: float
    perhaps: float | None
    many: tuple[tuple[str, ...], ...]
    words: dict[str, int]
    whole: int
    yes: bool


odd = st.builds(
    Odd,
    number=numbers,
    perhaps=st.none() | numbers,
    many=st.lists(st.lists(st.text(max_size=3), max_size=2).map(tuple), max_size=3).map(tuple),
    words=st.dictionaries(st.text(max_size=2), st.integers(-5, 5), max_size=2),
    whole=st.integers(-(2**61), 2**61),
    yes=st.booleans(),
)


@given(st.lists(odd, max_size=12))
def test_columns_give_back_what_they_were_given(values: list[Odd]) -> None:
    shape = columns.shape_of(Odd)
    found = columns.decode(shape, columns.encode(shape, values), len(values), Odd)
    assert found == values
    assert [str(v.number) for v in found] == [str(v.number) for v in values]  # -0.0 too


def test_a_crowd_takes_no_more_than_ten_megabytes_an_hour(tmp_path: Path) -> None:
    """Twelve boxes of noise a frame, at 15 frames a second, with the texture of half of them."""
    chance = random.Random(5)
    template = next(boxes.observe(catalogue.scene("stand"), fps=15.0, seed=1)).seen
    rules = Rules(Config(), LENS)
    writer = TraceWriter(tmp_path, a_start(), LENS, 66.0, Told(), settings=Settings())
    frames = 450
    for n in range(frames):
        seen = crowd(template, n, chance)
        writer.add(seen, round(chance.uniform(0.03, 0.05), 6), rules.judge_frame(seen)[1])
    assert writer.close(20)
    an_hour = sum(f.bytes for f in trace_files(tmp_path)) / frames * 15 * 3600
    assert an_hour < 11e6  # pure noise, which no person who walks is


def crowd(template: Observation, n: int, chance: random.Random) -> Observation:
    from rearguard.types import Box, Detection, EgoMotion, Growth

    detections = []
    for i in range(12):
        x, y = 100.0 * i + chance.gauss(0, 2), 300 + chance.gauss(0, 2)
        box = Box(x, y, x + 40 + chance.gauss(0, 1), y + 90 + chance.gauss(0, 1))
        detections.append(Detection(box, "person", chance.uniform(0.15, 0.9)))
    growth = tuple(Growth(i, chance.gauss(0, 0.01), chance.uniform(0.005, 0.02)) for i in range(6))
    ego = EgoMotion(chance.gauss(0, 0.01), chance.gauss(0, 0.01), chance.gauss(0, 0.01), 0.8)
    at_ns = n * 66_666_667 + chance.randrange(100_000)
    return msgspec.structs.replace(
        template, seq=n, captured_ns=at_ns, detections=tuple(detections), ego=ego, growth=growth
    ).rounded()


# ── keeping and failing ─────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_outings_go_first_and_never_the_one_that_is_written(tmp_path: Path) -> None:
    keys = [f"{n:016x}" for n in range(3)]
    for n, key in enumerate(keys):
        a_short_trace(tmp_path, key, changed_s=1000.0 + n)
    files = trace_files(tmp_path)
    each = files[0].bytes
    assert too_much(files, 3 * each + 100, set()) == set()
    assert too_much(files, 2 * each + 100, set()) == {keys[0]}
    assert too_much(files, 2 * each + 100, {keys[0]}) == {keys[1]}
    assert delete_traces(tmp_path, {keys[0]}) == 1
    assert [f.key for f in trace_files(tmp_path)] == keys[1:]


@pytest.mark.parametrize(("synced", "left"), [(True, 1), (False, 2)])
def test_traces_expire_by_their_age_and_only_by_a_clock_that_is_right(
    tmp_path: Path, synced: bool, left: int
) -> None:
    now_s = time.time()
    a_short_trace(tmp_path, "0" * 16, changed_s=now_s - 91 * 86400)
    a_short_trace(tmp_path, "1" * 16, changed_s=now_s - 89 * 86400)
    with Journal.open(tmp_path) as journal:
        retention.expire(journal, Settings(), now_s, synced=synced)
    assert len(trace_files(tmp_path)) == left


def test_a_card_that_takes_nothing_is_told_once_and_written_again_when_it_does(tmp_path: Path) -> None:
    told = Told()
    in_the_way = tmp_path / TRACES
    in_the_way.write_text("no folder")
    writer = TraceWriter(tmp_path, a_start(), LENS, 66.0, told, settings=Settings())
    seen = next(boxes.observe(catalogue.scene("stand"), fps=15.0, seed=1)).seen.rounded()
    writer.add(seen, 0.0, Rules(Config(), LENS).judge_frame(seen)[1])
    until = time.monotonic() + 10
    while not told.lines and time.monotonic() < until:
        time.sleep(0.05)
    assert told.faults == [Fault.JOURNAL_FAILED]
    in_the_way.unlink()
    assert writer.close(10)
    assert told.faults == [Fault.JOURNAL_FAILED, None]
    assert [f.seen for f in traces(tmp_path)[0].frames()] == [seen]


def test_an_outing_without_a_trace_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"journal\.trace was off"):
        trace_of(tmp_path, "0" * 16)


def test_what_only_looks_like_a_trace_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / TRACES).mkdir()
    (tmp_path / TRACES / "notes.txt").write_text("mine")
    (tmp_path / TRACES / trace_name("0" * 16, 1)).symlink_to("/etc/passwd")
    assert trace_files(tmp_path) == []
    assert delete_traces(tmp_path, {"0" * 16}) == 0


def test_a_frame_takes_the_shape_of_whatever_an_observation_is() -> None:
    shape = columns.shape_of(TraceFrame)
    assert set(shape["struct"]["seen"]["struct"]) == set(Observation.__struct_fields__)
