"""`score`: labels are checked, figures are the field's, and a simulated recording scores as the truth says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rearguard.cli.main import cli
from rearguard.errors import BadInput, CutShort
from rearguard.lab.score.budget import Budget, compare
from rearguard.lab.score.figures import figures, precision, rate, ttc_bin
from rearguard.lab.score.labels import Labels, Truth, read_corpus, read_labels
from rearguard.lab.score.mid import BINS_S
from rearguard.lab.score.run import Estimate, FrameScore, Scored, Window
from rearguard.lab.score.truth import read_truth
from rearguard.lab.world.source import SimulatedSource
from rearguard.types import Frame, Level, Side

CORPUS = Path(__file__).parents[2] / "data" / "corpus"


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────


def labels(text: str, folder: Path) -> Labels:
    file = folder / "a.toml"
    file.write_text(text)
    return read_labels(file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("recording = 3", "recording"),
        ("about = 'no recording'", "recording"),
        ("recording = 'a'\nspeed = 3", "speed"),
        ("recording = 'a'\n[[interval]]\nis = 'maybe'\nfrom_s = 0\nto_s = 1", "maybe"),
        ("recording = 'a'\n[[interval]]\nis = 'due'\nfrom_s = 0", "interval 1: needs"),
        ("recording = 'a'\n[[interval]]\nis = 'due'\nfrom_s = 2\nto_s = 1", "ends before it begins"),
        ("recording = ", "a.toml"),
    ],
)
def test_labels_that_make_no_sense_are_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        labels(text, tmp_path)
    assert told in str(refused.value)
    assert "a.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_recordings_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("recording = 'nowhere.mp4'\n")
    (tmp_path / "b.toml").write_text("recording = 'sim:stand'\n")
    found, missing = read_corpus(tmp_path, None)
    assert [e.name for e in found] == ["b"]
    assert len(missing) == 1
    assert "nowhere.mp4" in missing[0]


def test_the_labels_kept_here_are_whole() -> None:
    found, missing = read_corpus(CORPUS, Path("/nowhere"))
    assert len(found) + len(missing) >= 14


# ── what a stretch of levels comes to ───────────────────────────────────────────────────────────────────


def scored(text: str, levels: str, folder: Path) -> Scored:
    """Ten frames a second, one character each: 0 to 3."""
    frames = [
        FrameScore(n / 10, Level(int(c)), Side.CENTRE, float(c), "person", "") for n, c in enumerate(levels)
    ]
    return Scored(labels("recording = 'a'\n" + text, folder), frames, list(range(len(frames))), [])


DUE = "[[interval]]\nis = 'due'\nfrom_frame = 20\nto_frame = 39\ncontact_frame = 45\n"


@pytest.mark.parametrize(
    ("levels", "lead_s", "in_time"),
    [
        ("0" * 30 + "2" * 20, 1.5, True),
        ("0" * 38 + "3" * 12, 0.7, False),
        ("0" * 12 + "2" * 38, 3.3, True),  # a little early is not false
        ("0" * 50, None, False),
        ("0" * 40 + "3" * 10, None, False),  # after the interval
        ("1" * 50, None, False),
    ],
)
def test_a_lead_counts_from_the_first_warning_to_contact(
    tmp_path: Path, levels: str, lead_s: float | None, in_time: bool
) -> None:
    found = scored(DUE + "[[interval]]\nis = 'clear'\nfrom_frame = 0\nto_frame = 19\n", levels, tmp_path)
    due = found.due(found.labels.interval[0])
    assert (due.lead_s, due.in_time) == (lead_s, in_time)
    assert found.false_alarms() == []


@pytest.mark.parametrize(
    ("otherwise", "levels", "false"),
    [
        ("clear", "0002200000000000000", [("CAUTION", 0.3)]),
        ("clear", "0003300000000000000", [("CRITICAL", 0.3)]),
        ("clear", "0002023000000000000", [("CRITICAL", 0.3)]),  # one warning that rises
        ("clear", "0020000000000000200", [("CAUTION", 0.2), ("CAUTION", 1.6)]),
        ("clear", "1111111111111111111", []),
        ("lateral", "0002200000000000000", []),
        ("lateral", "0002300000000000000", [("CRITICAL", 0.4)]),
        ("unlabelled", "3333333333333333333", []),
    ],
)
def test_what_is_false_depends_on_the_label(
    tmp_path: Path, otherwise: str, levels: str, false: list[tuple[str, float]]
) -> None:
    found = scored(f"otherwise = '{otherwise}'\n", levels, tmp_path).false_alarms()
    assert [(a.level.name, a.t_s) for a in found] == false


def test_a_due_warning_that_lasts_into_a_clear_stretch_is_not_a_false_one(tmp_path: Path) -> None:
    clear = "[[interval]]\nis = 'clear'\nfrom_frame = 40\nto_frame = 79\n"
    lasting = "0" * 30 + "3" * 15 + "0" * 35
    assert scored(DUE + clear, lasting, tmp_path).false_alarms() == []
    again = "0" * 30 + "3" * 15 + "0" * 20 + "2" * 15
    assert [a.t_s for a in scored(DUE + clear, again, tmp_path).false_alarms()] == [6.5]


def test_hours_count_where_a_level_would_be_false(tmp_path: Path) -> None:
    text = "otherwise = 'lateral'\n[[interval]]\nis = 'clear'\nfrom_s = 1.0\nto_s = 2.0\n" + DUE.replace(
        "20", "25"
    )
    found = scored(text, "0" * 61, tmp_path)
    assert found.hours(("clear",)) * 3600 == pytest.approx(1.1)
    assert found.hours(("clear", "lateral")) * 3600 == pytest.approx(6.0 - 1.5)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (7, 2.814, 14.42), (100, 81.36, 121.6)],  # Garwood's own table
)
def test_a_rate_has_the_exact_poisson_interval(count: int, low: float, high: float) -> None:
    found = rate(count, 2.0)
    assert found.per_hour == count / 2
    assert found.low == pytest.approx(low / 2, rel=2e-3, abs=1e-3)
    assert found.high == pytest.approx(high / 2, rel=2e-3)


def test_without_time_nothing_is_known_of_a_rate() -> None:
    assert rate(0, 0.0).high == math.inf


def test_times_are_compared_in_the_fields_unit() -> None:
    exact = ttc_bin([Estimate(2.0, 2.0)], *BINS_S[0])
    assert (exact.mid, exact.error_median, exact.bias, exact.failed) == (0, 0, 0, 0)
    late = ttc_bin(
        [Estimate(2.0, 2.2), Estimate(2.0, 2.2), Estimate(2.0, None), Estimate(9.0, 1.0)], *BINS_S[0]
    )
    assert late.frames == 3
    assert late.error_median == pytest.approx(0.1)
    assert late.bias == pytest.approx(0.1)
    assert late.failed == pytest.approx(1 / 3)
    # ln(2.0 / 2.1) and ln(2.2 / 2.3)
    assert late.mid == pytest.approx(1e4 * abs(math.log(2.2 / 2.3) - math.log(2.0 / 2.1)))


def test_average_precision_ranks_by_urgency_and_gives_ties_to_nobody() -> None:
    clear = [Window(None, u) for u in (0.1, 0.2, 0.9)]
    assert precision([Window(1.0, 2.0), *clear], 1.0).ap == 1.0
    assert precision([Window(1.0, 0.5), *clear], 1.0).ap == 0.5
    assert precision([Window(1.0, 0.9), *clear], 1.0).ap == 0.5
    assert precision([Window(1.0, 0.9)], 1.0).ap is None
    assert precision([Window(0.5, 0.9), *clear], 1.0).positives == 0


def test_boxes_that_grow_give_the_time_to_collision(tmp_path: Path) -> None:
    rows = [f"{n},0,0,10,{100 / (4.0 - n / 20):.6f}" for n in range(60)]  # 4 s at 20 frames a second
    (tmp_path / "boxes.csv").write_text("frame,x,y,w,h\n" + "\n".join(rows) + "\n")
    found = read_truth(tmp_path, Truth(file="boxes.csv", ttc_from="height"), 20.0)
    for n in range(10, 50):
        assert found[n][0].ttc_s == pytest.approx(4.0 - n / 20, rel=0.02)
    (tmp_path / "boxes.csv").write_text("frame,x,y,w,h\n0,0,0,10,tall\n")
    with pytest.raises(BadInput, match=r"boxes\.csv"):
        read_truth(tmp_path, Truth(file="boxes.csv", ttc_from="height"), 20.0)


# ── budgets ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_budget_is_exceeded_by_one_and_told_when_it_may_fall() -> None:
    kept = Budget(recordings=0, missed_due=0, late_due=0, false_caution=0, false_critical=0)
    assert compare(kept, figures([])) == ([], [])
    fewer = Budget(recordings=2, missed_due=1, late_due=0, false_caution=3, false_critical=0)
    over, under = compare(fewer, figures([]))
    assert over == ["only 0 of 2 recordings were scored"]
    assert under == ["missed_due is 0: lower it from 1", "false_caution is 0: lower it from 3"]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────

STAND = """
recording = "sim:stand?start=7&duration=3"
fps = 10
[[interval]]
is = "due"
what = "somebody stands there"
from_s = 0
to_s = 2.5
contact_s = 2.8
"""
EMPTY = 'recording = "sim:walk-away?start=30&duration=2"\nfps = 10\notherwise = "clear"\n'
SMALL = "[camera]\nwidth_px = 640\nheight_px = 360\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "stand.toml").write_text(STAND)
    (folder / "empty.toml").write_text(EMPTY)
    (folder / "gone.toml").write_text("recording = 'gone.mp4'\n")
    (folder.parent / "small.cfg").write_text(SMALL)
    return folder


def run(corpus: Path, *args: str) -> Result:
    small = str(corpus.parent / "small.cfg")
    return CliRunner().invoke(cli, ["score", str(corpus), "--config", small, *args], env={"COLUMNS": "140"})


def test_a_corpus_scores_what_its_labels_say(corpus: Path, tmp_path: Path) -> None:
    page = tmp_path / "score.html"
    done = run(corpus, "--json", "--html", str(page), "--jobs", "1")
    assert done.exit_code == 0, (done.output, done.exception)
    told = json.loads(done.stdout)
    assert [r["name"] for r in told["recordings"]] == ["empty", "stand"]
    assert told["figures"]["due"] == told["figures"]["warned"] == 1
    assert told["recordings"][1]["due"][0]["lead_s"] > 0.5
    assert told["figures"]["critical"]["count"] == 0
    assert told["figures"]["caution"]["hours"] == pytest.approx(2.0 / 3600, rel=0.05)
    assert told["missing"][0].startswith("gone: no recording")
    assert "somebody stands there" in page.read_text()


def test_a_budget_that_is_exceeded_is_exit_code_1(corpus: Path, tmp_path: Path) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text("recordings = 9\nmissed_due = 0\nlate_due = 0\nfalse_caution = 0\nfalse_critical = 0\n")
    done = run(corpus, "--only", "empty", "--budget", str(budget))
    assert done.exit_code == 1
    assert "over budget: only 1 of 9 recordings were scored" in done.stderr


def test_a_miss_and_a_false_alarm_are_shown_with_pictures_and_their_cause(tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    (tmp_path / "small.cfg").write_text(SMALL)
    (folder / "false.toml").write_text(STAND.split("[[")[0] + 'otherwise = "clear"\n')
    (folder / "missed.toml").write_text(
        EMPTY.replace('otherwise = "clear"', "") + "[[interval" + STAND.split("[[interval")[1]
    )
    page = tmp_path / "score.html"
    done = run(folder, "--html", str(page), "--jobs", "1")
    assert done.exit_code == 0, (done.output, done.exception)
    text = page.read_text()
    assert "false CRITICAL" in text
    assert "missed" in text
    assert text.count("data:image/jpeg;base64,/9j/") == 10
    assert " s left" in text or "metres" in text or " m " in text  # the number that caused it


def test_of_a_recording_that_is_cut_short_what_there_is_is_scored_and_said(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SimulatedSource.frames

    def cut(self: SimulatedSource) -> Iterator[Frame]:
        for number, frame in enumerate(plain(self)):
            if number == 5:
                raise CutShort("the file ends in the middle of a picture")
            yield frame

    monkeypatch.setattr(SimulatedSource, "frames", cut)
    done = run(corpus, "--only", "empty", "--json", "--jobs", "1")
    assert done.exit_code == 0, (done.output, done.exception)
    told = json.loads(done.stdout)
    assert told["recordings"][0]["frames"] == 5
    assert "empty: the file ends in the middle of a picture" in told["missing"]
