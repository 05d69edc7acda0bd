"""Replay: the same settings give the same cues, other settings tell the difference, bad files one line."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearguard.cli.main import cli
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.config.camera import Camera
from rearguard.config.judge import Judge
from rearguard.errors import BadInput, RearguardError
from rearguard.journal.place import DATABASE
from rearguard.judge.judge import Memory, judge
from rearguard.replay import recording as rec
from rearguard.replay import see as seeing
from rearguard.replay.again import Cue, verdicts
from rearguard.replay.again import replay as again
from rearguard.replay.compare import changes
from rearguard.vision.pipeline import Pipeline, Step
from rearguard.words import Box, Detection, EgoMotion, Lateral, Track
from rearguard.world import boxes, catalogue
from tests.journal_kit import MONO_NS, a_near_miss, a_writer

LATER = Config(judge=Judge(critical_ttc_s=1.2))


def a_recording(world: str = "stand", **values: float) -> rec.Recording:
    """A world's noisy boxes as if a detector had seen them."""
    looks = [
        rec.Look(
            k.seq, k.captured_ns, [rec.Found.of(d) for d in k.detections], rec.Turn.of(k.ego), [], [], ()
        )
        for k in boxes.looks(catalogue.scene(world, **values), fps=10.0, seed=1)
    ]
    header = rec.Header(source=f"sim:{world}", width_px=1280, height_px=720, hfov_deg=66.0, looked="x")
    return rec.Recording(header, looks)


# ── the rules again ─────────────────────────────────────────────────────────────────────────────────────


def test_a_standing_person_is_felt_again_level_by_level() -> None:
    result = again(a_recording(start=14.0), Config())
    named = [cue.cue for cue in result.cues]
    assert "CRITICAL" in named
    assert named.index("CRITICAL") == max(named.index(n) for n in set(named))
    assert result.frames == sum(result.levels.values()) > 40
    assert result.levels["CRITICAL"] >= 10


def test_other_settings_move_the_warning() -> None:
    recording = a_recording(start=14.0)
    rows = changes(again(recording, Config()).cues, again(recording, LATER).cues)
    critical = next(r for r in rows if r.before is not None and r.before.cue == "CRITICAL")
    assert critical.what == "later"
    assert critical.moved_s is not None
    assert 0.3 < critical.moved_s < 1.5


def test_what_is_replayed_is_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Step] = []
    plain = Pipeline.step

    def noted(self: Pipeline, *args: object) -> Step:
        steps.append(plain(self, *args))  # type: ignore[arg-type]
        return steps[-1]

    monkeypatch.setattr(Pipeline, "step", noted)
    config = Config(camera=Camera(width_px=640, height_px=360))
    recording = seeing.see("sim:stand?start=5.5&duration=1.5", config, fps=10)
    replayed = list(verdicts(recording, config))
    assert len(replayed) == len(steps) == 16
    assert [v.level for v in replayed] == [s.verdict.level for s in steps]
    assert max(v.level for v in replayed) > 0
    for verdict, step in zip(replayed, steps, strict=True):
        for ours, theirs in zip(verdict.threats, step.verdict.threats, strict=True):
            assert ours.track == theirs.track
            assert ours.ttc_s == pytest.approx(theirs.ttc_s, rel=0.02)


def cue(t_s: float, name: str = "CAUTION", side: str = "left") -> Cue:
    return Cue(t_s=t_s, cue=name, side=side, track=2, label="person", ttc_s=3.0, reason="")


def test_a_ledger_line_reads_as_documented() -> None:
    assert cue(3.862).line == "3.862 CAUTION left #2"


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
def test_ledgers_are_told_apart(before: list[Cue], after: list[Cue], what: list[str]) -> None:
    assert [row.what for row in changes(before, after)] == what


@given(*(st.lists(st.builds(cue, st.floats(0, 100), st.sampled_from(["CAUTION", "NOTICE"]))) for _ in "ab"))
def test_no_cue_is_left_out_of_a_comparison(before: list[Cue], after: list[Cue]) -> None:
    rows = changes(before, after)
    assert sorted(c.t_s for c in before) == sorted(r.before.t_s for r in rows if r.before)
    assert sorted(c.t_s for c in after) == sorted(r.after.t_s for r in rows if r.after)


# ── files of detections ─────────────────────────────────────────────────────────────────────────────────


def a_loom() -> Track:
    return Track(
        -3, "obstacle", Box(1.5, 2, 300, 400), 0.7, 5, 1, 5, 9, 0.5, 0.05, 2.0, 4.0,
        Lateral(0.1, 0.0, 0.09, 0.0, 0.01), kind="looming",
    )  # fmt: skip


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = a_recording(start=10.0)
    first = recording.looks[0]
    loomed = msgspec.structs.replace(first, loomed=[rec.Loom.of(a_loom())])
    recording = rec.Recording(recording.header, [loomed, *recording.looks[1:]])
    path = tmp_path / "seen.jsonl"
    rec.write(path, recording)
    assert rec.read(path) == recording
    assert [p.name for p in tmp_path.iterdir()] == ["seen.jsonl"]
    told = rec.read(path).looks[0].loomed[0].track(5)
    assert (told.box, told.ttc_s, told.lateral) == (a_loom().box, 2.0, a_loom().lateral)


def test_a_detection_and_a_turn_keep_their_worth() -> None:
    told = rec.Found.of(Detection(Box(10.12345, 20, 30.5, 40), "person", 0.7654321)).detection
    assert told.box.x0 == pytest.approx(10.12345, abs=1e-4)
    assert (told.box.x1, told.label, told.score) == (30.5, "person", 0.76543)
    ego = EgoMotion(0.1, -0.2, 0.01, 0.9)
    assert rec.Turn.of(ego).ego == ego


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    recording = a_recording(start=10.0)
    few = [recording.header, *recording.looks[:6], rec.End(6)]
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
        (lambda x: [x[0].replace(b'detections":1', b'detections":99'), *x[1:]], "another version"),
        (lambda x: [x[0], b"[0,0,[[NaN,0,1,1,\"person\",1]],[0,0,0,0],[],[],[]]\n"], "line 2"),
        (lambda x: [x[0], b"[0,0,[[1e999,0,1,1,\"person\",1]],[0,0,0,0],[],[],[]]\n"], "line 2"),
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
    assert again(recording, Config()).frames == len(recording.looks) == 6


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────


def call(*args: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["replay", *map(str, args)])
    if isinstance(result.exception, RearguardError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """One outing with one near miss whose trace the judge made, at 3 m/s from 12 m."""
    memory, trace = Memory(), []
    for i in range(36):
        gap = 12.0 - 0.3 * i
        track = Track(
            7, "person", Box(600, 300, 600 + 300 / gap, 300 + 900 / gap), 0.9, MONO_NS + i * NS_PER_S // 10,
            MONO_NS - NS_PER_S, MONO_NS, 20, 3.0 / gap, 0.02, gap / 3.0, gap, Lateral(0.1, 0, 0.04, 0, 0),
        )  # fmt: skip
        memory, verdict = judge(memory, [track], Judge(), seq=i, captured_ns=track.at_ns, latency_s=0.1)
        threat = verdict.threats[0]
        point = replace(a_near_miss().trace[0], t_ns=track.at_ns, seq=i, box=track.box, level=threat.level)
        trace.append(
            replace(
                point,
                ttc_s=threat.ttc_s,
                ttc_sd_s=threat.ttc_sd_s,
                range_m=threat.range_m,
                miss_m=threat.miss_m,
                reasons=threat.reasons,
            )
        )
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
    assert near["before"]["critical_left_s"] == pytest.approx(2.25, abs=0.15)
    assert near["after"]["critical_left_s"] == pytest.approx(1.25, abs=0.15)
    critical = next(r for r in near["changes"] if r["before"] and r["before"]["cue"] == "CRITICAL")
    assert critical["what"] == "later"
    assert "CRITICAL later by 1.00 s" in call(1, "--journal", journal, "--config", config)[1]


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
    with sqlite3.connect(journal / DATABASE) as db:
        db.execute('UPDATE outing SET config = \'{"judge": {"of_tomorrow": 1}}\'')
    code, out = call(1, "--journal", journal)
    assert code == 2
    assert "--against" in out
    code, out = call(1, "--journal", journal, "--against", toml(tmp_path, ""), "--json")
    assert code == 0
    assert json.loads(out)["near_misses"][0]["before"]["level"] == "CRITICAL"


def test_a_damaged_trace_is_refused_and_not_guessed_at(journal: Path) -> None:
    with sqlite3.connect(journal / DATABASE) as db:
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
    rec.write(path, rec.Recording(header, a_recording(start=14.0).looks))
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
