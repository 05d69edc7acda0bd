"""Replay: the same settings give the same cues, other settings tell the difference, bad files one line."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_kit import MONO_NS, a_near_miss, a_writer
from msgspec.structs import replace

from rearguard.cli.main import cli
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.config.judge import Judge
from rearguard.cue.ledger import CueLine
from rearguard.errors import BadInput, RearguardError
from rearguard.journal.paths import DATABASE
from rearguard.judge.judge import Memory, judge
from rearguard.lab.replay import record as seeing
from rearguard.lab.replay import recording as rec
from rearguard.lab.replay.compare import changes
from rearguard.lab.replay.rejudge import felt, verdicts
from rearguard.lab.replay.rejudge import replay as again
from rearguard.lab.world import boxes, catalogue
from rearguard.types import (
    Box,
    Detection,
    EgoMotion,
    EgoState,
    Growth,
    Level,
    LoomingPatch,
    Motion,
    Observation,
    Reason,
    ReasonCode,
    Side,
    Threat,
    Track,
    Verdict,
)
from rearguard.vision.pipeline import FrameResult, Pipeline

LATER = Config(judge=Judge(critical_ttc_s=1.2))


def a_recording(world: str = "stand", **values: float) -> rec.Recording:
    """A world's noisy boxes as if a detector had seen them."""
    frames = boxes.observe(catalogue.scene(world, **values), fps=10.0, seed=1)
    header = rec.Header(source=f"sim:{world}", width_px=1280, height_px=720, hfov_deg=66.0, looked="x")
    return rec.Recording(header, [frame.seen.rounded() for frame in frames])


# ── the rules again ─────────────────────────────────────────────────────────────────────────────────────


def test_a_standing_person_is_felt_again_level_by_level() -> None:
    result = again(a_recording(start=14.0), Config())
    named = [cue.cue for cue in result.cues]
    assert "CRITICAL" in named
    assert named.index("CRITICAL") == max(named.index(n) for n in set(named))
    assert result.frames == sum(result.levels.values()) > 40
    assert result.levels["CRITICAL"] >= 10


def test_a_low_thing_is_felt_as_one_and_somebody_behind_it_when_they_are_as_near() -> None:
    reason = Reason(code=ReasonCode.SOON, ttc_s=2.0)
    where = Side.CENTRE, Box(600, 500, 640, 540), reason
    kerb = Threat(-2, "low obstacle", "low", Level.CAUTION, *where)
    person = Threat(7, "person", "detected", Level.CAUTION, *where)
    seen = [(Level.CAUTION, (kerb,))] * 12 + [(Level.CAUTION, (person, kerb))] * 12
    frames = [Verdict(n, n * NS_PER_S // 10, level, Side.CENTRE, t) for n, (level, t) in enumerate(seen)]
    told = [(cue.cue, cue.label) for cue in felt(frames, Config()).cues]
    assert told == [("LOW", "low obstacle"), ("CAUTION", "person")]


def test_other_settings_move_the_warning() -> None:
    recording = a_recording(start=14.0)
    rows = changes(again(recording, Config()).cues, again(recording, LATER).cues)
    critical = next(r for r in rows if r.before is not None and r.before.cue == "CRITICAL")
    assert critical.what == "later"
    assert critical.moved_s is not None
    assert 0.3 < critical.moved_s < 1.8


def test_what_is_replayed_is_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[FrameResult] = []
    plain = Pipeline.process_frame

    def noted(self: Pipeline, *args: object) -> FrameResult:
        steps.append(plain(self, *args))  # type: ignore[arg-type]
        return steps[-1]

    monkeypatch.setattr(Pipeline, "process_frame", noted)
    config = Config(camera=Camera(width_px=640, height_px=360))
    recording = seeing.record("sim:stand?start=5.5&duration=1.5", config, fps=10)
    replayed = list(verdicts(recording, config))
    assert len(replayed) == len(steps) == 16
    assert [v.level for v in replayed] == [s.verdict.level for s in steps]
    assert max(v.level for v in replayed) > 0
    for verdict, step in zip(replayed, steps, strict=True):
        for ours, theirs in zip(verdict.threats, step.verdict.threats, strict=True):
            assert ours.track == theirs.track
            assert ours.ttc_s == pytest.approx(theirs.ttc_s, rel=0.02)


def cue(t_s: float, name: str = "CAUTION", side: str = "left") -> CueLine:
    return CueLine(t_s=t_s, cue=name, side=side, track=2, label="person", ttc_s=3.0, reason="")


def test_a_ledger_line_reads_as_documented() -> None:
    assert cue(3.862).text == "3.862 CAUTION left #2"


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ([cue(1.0)], [cue(1.0)], ["same"]),
        ([cue(1.0)], [cue(1.4)], ["later"]),
        ([cue(1.4)], [cue(1.0)], ["earlier"]),
        ([cue(1.0)], [cue(1.0, side="right")], ["side"]),
        ([cue(1.0)], [cue(9.0)], ["gone", "new"]),
        ([cue(1.0)], [cue(1.0, "CRITICAL")], ["gone", "new"]),
        ([cue(1.0), cue(2.0)], [cue(2.0)], ["gone", "same"]),
        ([], [], []),
    ],
)
def test_ledgers_are_told_apart(before: list[CueLine], after: list[CueLine], what: list[str]) -> None:
    assert [row.what for row in changes(before, after)] == what


@given(*(st.lists(st.builds(cue, st.floats(0, 100), st.sampled_from(["CAUTION", "NOTICE"]))) for _ in "ab"))
def test_no_cue_is_left_out_of_a_comparison(before: list[CueLine], after: list[CueLine]) -> None:
    rows = changes(before, after)
    assert sorted(c.t_s for c in before) == sorted(r.before.t_s for r in rows if r.before)
    assert sorted(c.t_s for c in after) == sorted(r.after.t_s for r in rows if r.after)


# ── files of detections ─────────────────────────────────────────────────────────────────────────────────


def a_loom() -> LoomingPatch:
    return LoomingPatch(0.5, 0.05, -0.1, 0.3, 4.0, Box(1.5, 2, 300, 400), 8.0)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = a_recording(start=10.0)
    first = recording.seen[0]
    recording = rec.Recording(recording.header, [replace(first, looming=(a_loom(),)), *recording.seen[1:]])
    path = tmp_path / "seen.jsonl"
    rec.write(path, recording)
    assert rec.read(path) == recording
    assert [p.name for p in tmp_path.iterdir()] == ["seen.jsonl"]


def test_what_is_rounded_keeps_its_worth_and_is_rounded_for_good() -> None:
    growth = Growth(0, 0.0123456789, 1e-9)
    box = Box(10.123456, 20, 30.5, 40)
    seen = Observation(
        1, 2, (Detection(box, "person", 0.7654321),), EgoMotion(0.1, -0.2, 0.01, 0.9), (growth,)
    )
    told = seen.rounded()
    assert told.detections[0].box.x0 == pytest.approx(10.123456, abs=1e-3)
    assert told.ego == seen.ego
    assert told.growth[0].sd > 0
    assert told.rounded() == told


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    recording = a_recording(start=10.0)
    few = [recording.header, *recording.seen[:6], rec.End(6)]
    return [msgspec.json.encode(part) + b"\n" for part in few]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda _: [], "line 1"),
        (lambda _: [b"\x89PNG\r\n\x1a\n" + b"\0" * 99], "line 1"),
        (lambda x: x[:-1], "cut short after 6 frames"),
        (lambda x: [*x[:-1], b'{"frames":7}\n'], "7 frames"),
        (lambda x: [*x, b"{}\n"], "there are others"),
        (lambda x: [x[0], x[2], x[1], *x[3:]], "time does not go on"),
        (lambda x: [x[0], x[1], x[1], *x[3:]], "time does not go on"),
        (lambda x: [x[0].replace(b"1280", b"0"), *x[1:]], "line 1"),
        (lambda x: [x[0].replace(b'detections":2', b'detections":99'), *x[1:]], "another version"),
        (lambda x: [x[0], b"[0,0,[[[NaN,0,1,1],\"person\",1]],[0,0,0,0],[],[],[]]\n"], "line 2"),
        (lambda x: [x[0], b"[0,0,[[[1e999,0,1,1],\"person\",1]],[0,0,0,0],[],[],[]]\n"], "line 2"),
        (lambda x: [x[0].replace(b"{", b'{"\\u001b[31m\\n":1,', 1), *x[1:]], "line 1"),
        (lambda x: [x[0], b"[" * 100_000 + b"\n"], "line 2"),
        (lambda x: [x[0], b"[" + b"0," * 1_000_000], "too long"),
    ],
)  # fmt: skip
def test_a_spoilt_file_of_detections_is_named_with_its_line(
    tmp_path: Path, lines: list[bytes], spoil: object, told: str
) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_bytes(b"".join(spoil(lines)))  # type: ignore[operator]
    with pytest.raises(BadInput, match=told) as error:
        rec.read(path)
    assert str(path) in str(error.value)
    assert str(error.value).isprintable()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), cut=st.integers(0, 9), put=st.binary(max_size=9))
def test_no_damage_to_a_file_makes_more_than_one_line_of_complaint(
    tmp_path: Path, lines: list[bytes], where: float, cut: int, put: bytes
) -> None:
    whole = b"".join(lines)
    at = int(where * len(whole))
    path = tmp_path / "seen.jsonl"
    path.write_bytes(whole[:at] + put + whole[at + cut :])
    try:
        recording = rec.read(path)
    except BadInput:
        return
    assert again(recording, Config()).frames == len(recording.seen) == 6


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────


def call(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["replay", *map(str, args)])
    if isinstance(result.exception, RearguardError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def straight_on(gap_m: float, speed_m_s: float) -> Motion:
    rows = ((0.01, 0, 0, 0), (0, (0.2 / gap_m) ** 2, 0, 0), (0, 0, 4e-4, 0), (0, 0, 0, 1e-6))
    return Motion((math.log(gap_m), 0.1 / gap_m, -speed_m_s / gap_m, 0.0), rows)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """One outing with one near miss whose trace the judge made, at 3 m/s from 12 m."""
    memory, trace = Memory(), []
    for i in range(36):
        gap = 12.0 - 0.3 * i
        track = Track(
            7, "person", Box(600, 300, 600 + 300 / gap, 300 + 900 / gap), 0.9, MONO_NS + i * NS_PER_S // 10,
            MONO_NS - NS_PER_S, MONO_NS, 20, 0.98, straight_on(gap, 3.0),
        )  # fmt: skip
        memory, verdict = judge(
            memory, [track], Judge(), EgoState(), seq=i, captured_ns=track.at_ns, latency_s=0.1
        )
        threat = verdict.threats[0]
        point = replace(a_near_miss().trace[0], t_ns=track.at_ns, seq=i, box=track.box, level=threat.level)
        trace.append(replace(point, reason=threat.reason))
    folder = tmp_path / "journal"
    near = a_near_miss(
        first_ns=trace[0].t_ns - NS_PER_S,
        warned_ns=trace[5].t_ns,
        worst_ns=trace[-1].t_ns,
        released_ns=trace[-1].t_ns,
        trace=tuple(trace),
    )
    writer = a_writer(folder)
    writer.near_miss(near).result(timeout=10)
    writer.close()
    return folder


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_an_outing_under_its_own_settings_says_what_was_recorded(journal: Path, tmp_path: Path) -> None:
    code, out = call(1, "--journal", journal, "--config", toml(tmp_path, ""), "--json")
    assert code == 0
    (near,) = json.loads(out)["near_misses"]
    assert near["recorded"] == near["before"]["level"] == near["after"]["level"] == "CRITICAL"
    assert near["frames"] == 36
    assert near["agree"] == 1.0
    assert near["changes"]
    assert {row["what"] for row in near["changes"]} == {"same"}


def test_an_outing_under_other_settings_tells_the_difference(journal: Path, tmp_path: Path) -> None:
    config = toml(tmp_path, "[judge]\ncritical_ttc_s = 1.0\n")
    code, out = call(1, "--journal", journal, "--config", config, "--json")
    (near,) = json.loads(out)["near_misses"]
    assert code == 0
    assert near["before"]["critical_left_s"] == pytest.approx(2.4, abs=0.15)
    assert near["after"]["critical_left_s"] == pytest.approx(1.4, abs=0.15)
    critical = next(r for r in near["changes"] if r["before"] and r["before"]["cue"] == "CRITICAL")
    assert critical["what"] == "later"
    assert "CRITICAL later by 1.00 s" in call(1, "--journal", journal, "--config", config)[1]


def test_no_word_that_is_told_changes_what_is_replayed(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def numbers() -> object:
        args = (
            1,
            "--journal",
            journal,
            "--config",
            toml(tmp_path, "[judge]\ncritical_ttc_s = 1.0\n"),
            "--json",
        )
        found = json.loads(call(*args)[1])
        for near in found["near_misses"]:
            for cue in (*near["before"]["replayed"]["cues"], *near["after"]["replayed"]["cues"]):
                del cue["reason"]
            near["changes"] = [row["what"] for row in near["changes"]]
        return found

    told = numbers()
    for part in ("_what", "_where"):
        monkeypatch.setattr(
            f"rearguard.text.{part}", lambda _: "passes 9.9 ± 7.7 m off, lost from sight, held"
        )
    assert numbers() == told


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("99",), 1, "no outing 99"),
        (("1", "--fps", "10"), 2, "--fps"),
        (("nothing-of-the-sort",), 2, "nothing-of-the-sort"),
        (("sim:nowhere",), 2, "sim:nowhere"),
        (("webcam:0",), 2, "cannot be replayed"),
        (("1", "--config", "/nowhere/x.toml"), 2, "/nowhere/x.toml"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_line(
    journal: Path, args: tuple[str, ...], code: int, told: str
) -> None:
    got, out = call(*args, "--journal", journal)
    assert got == code
    assert told in out
    assert "\n" not in out.strip()


def test_an_outing_of_settings_not_understood_needs_others_to_compare_with(
    journal: Path, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(journal / DATABASE)) as db, db:
        db.execute('UPDATE outing SET config = \'{"judge": {"of_tomorrow": 1}}\'')
    code, out = call(1, "--journal", journal)
    assert code == 2
    assert "--against" in out
    code, out = call(1, "--journal", journal, "--against", toml(tmp_path, ""), "--json")
    assert code == 0
    assert json.loads(out)["near_misses"][0]["before"]["level"] == "CRITICAL"


def test_a_damaged_trace_is_refused_and_not_guessed_at(journal: Path) -> None:
    with contextlib.closing(sqlite3.connect(journal / DATABASE)) as db, db:
        db.execute("UPDATE trace SET t_ns = 5 WHERE n = 7")
    code, out = call(1, "--journal", journal)
    assert code == 2
    assert "does not go on in time" in out


def test_kept_detections_stand_in_for_the_pictures(tmp_path: Path) -> None:
    path, config = tmp_path / "seen.jsonl", toml(tmp_path, "[judge]\ncritical_ttc_s = 1.2\n")
    word = "sim:stand?start=14"
    header = rec.Header(
        source=word,
        width_px=1280,
        height_px=720,
        hfov_deg=66.0,
        looked=seeing.looked(word, Config(), 10.0, 0),
    )
    rec.write(path, rec.Recording(header, a_recording(start=14.0).seen))
    args = (word, "--fps", 10, "--config", config, "--detections", path)
    code, out = call(*args, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["before"]["frames"] == told["after"]["frames"] > 40
    assert "later" in {row["what"] for row in told["changes"]}
    assert "later by" in call(*args)[1]
    # Neither another source nor other eyes may be given these detections.
    assert call("sim:wall", *args[1:])[0] == 2
    assert call(word, "--fps", 12, "--detections", path)[0] == 2


def test_another_file_of_the_same_name_is_looked_at_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    first = seeing.looked(str(path), Config(), None, 0)
    assert seeing.looked(str(path), Config(), None, 0) == first
    path.write_bytes(b"two, longer")
    assert seeing.looked(str(path), Config(), None, 0) != first


def test_a_recording_without_a_frame_is_refused(tmp_path: Path) -> None:
    header = rec.Header(
        source="sim:x",
        width_px=64,
        height_px=64,
        hfov_deg=60,
        looked=seeing.looked("sim:x", Config(), None, 0),
    )
    path = tmp_path / "empty.jsonl"
    rec.write(path, rec.Recording(header, []))
    code, out = call("sim:x", "--detections", path)
    assert code == 2
    assert "no frame" in out
