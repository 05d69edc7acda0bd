"""Trackers compared: whose box is whose is read or refused, a switch is a switch, and real footage keeps its level."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rearguard.cli.main import cli
from rearguard.config import Config
from rearguard.errors import BadInput, NotFound, PartFailed
from rearguard.lab.score import other_trackers
from rearguard.lab.score.identities import Owned, read_identities
from rearguard.lab.score.labels import Identities
from rearguard.lab.score.tracking import TrackingScore, _Run, compare_trackers
from rearguard.lab.world.source import SimulatedSource
from rearguard.types import Box, Detection

CORPUS = Path(__file__).parents[2] / "data" / "corpus"
CVML = """<dataset><frame number="3"><objectlist><object id="7">
<box h="20" w="10" xc="105" yc="60"/></object></objectlist></frame></dataset>"""


def read(folder: Path, name: str, text: str, label: str = "person") -> dict[int, list[Owned]]:
    (folder / name).write_text(text)
    return read_identities(folder, Identities(file=name, label=label))


# ── whose box is whose ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "frame,track,label,x,y,w,h\n3,7,person,100,50,10,20\n3,8,dog,0,0,5,5\n"),
        ("a.csv", "track,frame,x,y,w,h,more\n7,3,100,50,10,20,1\n"),
        ("gt.txt", "4,7,100,50,10,20,1,1,0.8\n4,9,100,50,10,20,0,1,1\n4,10,1,1,9,9,1,3,1\n"),
        ("gt.txt", "4,7,100,50,10,20\n"),
        ("tracks.xml", CVML),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, name, text) == {3: [Owned("7", Box(100, 50, 110, 70))]}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "frame,track,x,y,w,h\n0,A,1,1,5,5\n0,A,2,2,5,5\n", "two boxes of A"),
        ("a.csv", "frame,track,x,y,w,h\n0,A,1,1,0,5\n", "a.csv:2"),
        ("a.csv", "frame,track,x,y,w,h\n0,,1,1,5,5\n", "a.csv:2"),
        ("a.csv", "frame,track,x,y,w,h\nnan,A,1,1,5,5\n", "a.csv:2"),
        ("a.csv", "frame,track,x,y,w,h\n", "no box of a person"),
        ("a.json", "{}", "read from .csv, .txt, .xml"),
        ("gt.txt", "1\n", "gt.txt:1"),
        ("t.xml", "<dataset><frame number='1'><object id='1'/></frame></dataset>", "frame 1"),
        ("t.xml", "<dataset>", "no XML"),
        ("t.xml", '<!DOCTYPE d [<!ENTITY a "aaaa">]><d>&a;</d>', "entities"),
    ],
)
def test_identities_that_make_no_sense_are_refused_in_one_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(BadInput) as refused:
        read(tmp_path, name, text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        read_identities(tmp_path, Identities(file="nowhere.csv"))


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────

LEFT, RIGHT = Box(0, 0, 20, 60), Box(100, 0, 120, 60)


def score(frames: list[list[tuple[int, Box]]], least_px: float = 0.0) -> TrackingScore:
    """Two people who stand still, and what a tracker told of them."""
    pytest.importorskip("motmetrics", reason="the extra `bench` is not installed")
    run = _Run(Identities(file="a.csv", least_height_px=least_px))
    for number, told in enumerate(frames):
        run.add(number, [Owned("ann", LEFT), Owned("bob", RIGHT)], told)
    return run.score("two", "a tracker")


def test_who_keeps_every_name_has_all_of_everything() -> None:
    found = score([[(5, LEFT), (6, RIGHT)]] * 4)
    assert (found.idf1, found.mota, found.recall, found.precision) == (1, 1, 1, 1)
    assert (found.switches, found.switched, found.frames) == (0, [], 4)


def test_a_name_that_changes_is_a_switch_told_with_its_frame() -> None:
    found = score([[(5, LEFT), (6, RIGHT)]] * 2 + [[(5, LEFT)]] + [[(5, LEFT), (9, RIGHT)]] * 2)
    assert found.switches == found.fragmentations == 1
    (switch,) = found.switched
    assert (switch.frame, switch.who, switch.before, switch.after) == (3, "bob", 6, 9)
    assert found.recall == 0.9
    assert found.idf1 == pytest.approx(
        2 * 7 / (9 + 10), abs=1e-4
    )  # of bob's four boxes the two of one track count


def test_what_nobody_labels_is_not_false() -> None:
    small = Box(300, 0, 310, 20)
    assert score([[(5, LEFT), (6, RIGHT), (7, small)]] * 4).precision == pytest.approx(2 / 3, abs=1e-4)
    assert score([[(5, LEFT), (6, RIGHT), (7, small)]] * 4, least_px=50).precision == 1


def test_the_general_trackers_follow_somebody_who_walks() -> None:
    there, left_out = other_trackers.available()
    assert len(there) + len(left_out) == len(other_trackers.OTHERS)
    if not there:
        pytest.skip(f"no general tracker is installed: {left_out}")
    for name in there:
        tracker = other_trackers.make(name, 10.0, 0.3)
        told = [tracker.update([Detection(Box(3 * n, 0, 3 * n + 40, 100), "person", 0.8)]) for n in range(12)]
        assert {n for n, _ in told[-1]} == {n for n, _ in told[6]}, name
        assert len(told[-1]) == 1
        assert told[-1][0][1].iou(Box(33, 0, 73, 100)) > 0.9


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A second and a half of somebody who walks towards the camera, labelled by the simulation."""
    rows = ["frame,track,x,y,w,h"]
    source = SimulatedSource("sim:walk-toward?start=14", Config().camera, fps=10)
    for number in range(15):
        for thing in source.renderer.truth(number / 10):
            if thing.box is not None and thing.label == "person":
                b = thing.box
                rows.append(f"{number},{thing.name},{b.x0},{b.y0},{b.width},{b.height}")
    (tmp_path / "who.csv").write_text("\n".join(rows))
    (tmp_path / "walk.toml").write_text(
        "recording = 'sim:walk-toward?start=14'\nfps = 10\n[identities]\nfile = 'who.csv'\nframes = 15\n"
    )
    (tmp_path / "other.toml").write_text("recording = 'sim:stand'\n")
    return tmp_path


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["trackers", *map(str, words)], env={"COLUMNS": "140"})


def test_a_recording_goes_through_every_tracker(corpus: Path) -> None:
    pytest.importorskip("motmetrics", reason="the extra `bench` is not installed")
    done = command(corpus, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["scores"]) + len(told["left_out"]) == 1 + len(other_trackers.OTHERS)
    own = told["scores"][0]
    assert (own["recording"], own["tracker"], own["frames"], own["switches"]) == ("walk", "rearguard", 15, 0)
    assert own["recall"] > 0.6


def test_what_is_lacking_is_one_line(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (corpus / "walk.toml").unlink()
    none = command(corpus).exception
    assert isinstance(none, NotFound)
    assert "whose box is whose" in str(none)
    away = command(CORPUS, "--pictures", corpus / "nowhere").exception
    assert isinstance(away, NotFound)
    assert str(away).count("no recording ") == 3, "told of two, and that there is none"
    monkeypatch.setattr(other_trackers, "find_spec", lambda _: None)
    there, left_out = other_trackers.available()
    assert there == []
    assert "pip install 'rearguard[bench]'; left out" in left_out[0]


def test_without_the_extra_it_says_what_to_install(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "motmetrics", None)
    failed = command(corpus).exception
    assert isinstance(failed, PartFailed)
    assert "pip install 'rearguard[bench]'" in str(failed)


# ── real footage ────────────────────────────────────────────────────────────────────────────────────────


# Measured, less a small margin: recording → IDF1, MOTA, recall, precision at the least, and switches at the most.
HELD = {"stroller": (0.72, 0.72, 0.86, 0.85, 6), "elevated": (0.71, 0.51, 0.89, 0.69, 17)}


@pytest.mark.parametrize("name", ["stroller", pytest.param("elevated", marks=pytest.mark.slow)])
def test_real_footage_keeps_its_level(shared_data: Path, name: str) -> None:
    pytest.importorskip("motmetrics", reason="the extra `bench` is not installed")
    from rearguard.lab.score.labels import read_corpus

    (entry,) = [e for e in read_corpus(CORPUS, shared_data)[0] if e.name == name]
    (own,) = compare_trackers(entry, Config(), [])
    idf1, mota, recall, precision, switches = HELD[name]
    assert own.idf1 >= idf1, own
    assert own.mota >= mota, own
    assert own.recall >= recall, own
    assert own.precision >= precision, own
    assert own.switches <= switches, own
