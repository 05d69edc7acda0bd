"""`rearguard buzz` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sound_kit import recordings, use_fake

from rearguard.cli import buzz as module
from rearguard.cli.buzz import buzz, rhythm
from rearguard.cue.table import CUES
from rearguard.errors import BadInput
from rearguard.types import CueName


@pytest.fixture(autouse=True)
def no_pins_and_no_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def run(*args: str, answers: str = ""):
    return CliRunner().invoke(buzz, list(args), input=answers, catch_exceptions=False)


def test_without_a_cue_all_are_listed_with_their_meaning() -> None:
    text = run().output
    for row in CUES.values():
        assert row.name in text
        assert row.meaning in text


def test_caution_is_shown_as_its_rhythm() -> None:
    result = run("caution")
    assert "CAUTION    ##..##........  the motor" in result.stdout
    assert result.stderr.count("no GPIO here") == 1


def test_rhythm_tells_strength_and_length() -> None:
    assert rhythm(CUES[CueName.MUTED]) == "+++++.....+++++....."
    assert rhythm(CUES[CueName.CRITICAL]) == "##.##.##.##."


def test_what_a_broken_motor_changes_can_be_learnt() -> None:
    assert "##.##.##.##......##." in run("critical", "--moved").stdout
    assert run().output.count("its motor being broken") == 5


def test_json_lists_every_cue_most_urgent_first() -> None:
    rows = json.loads(run("--json").stdout)
    assert len(rows) == 14
    assert rows[0]["cue"] == "CRITICAL"
    assert rows[0]["pattern"] == [[0.1, 0.05, "strong"]] * 4


def test_json_of_one_cue_says_what_was_played() -> None:
    played = json.loads(run("alive", "--side", "left", "--json").stdout)
    assert (played["cue"], played["side"], played["times"]) == ("ALIVE", "left", 1)


@pytest.mark.parametrize(
    "args", [("no-such",), ("--learn", "alive"), ("--learn", "--json"), ("--moved",), ("blind", "--moved")]
)
def test_what_cannot_be_played_is_one_line(args: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as e:
        run(*args)
    assert "\n" not in str(e.value)


def test_learning_teaches_and_quizzes(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[str] = []
    monkeypatch.setattr(module, "_play", lambda _o, row, *_a, **_k: played.append(row.name))
    monkeypatch.setattr(module.time, "sleep", lambda _s: None)
    monkeypatch.setattr(module.random, "shuffle", lambda names: None)  # noqa: ARG005
    lessons = "\n" * 9
    text = run("--learn", answers=lessons + "notice\nCRITICAL\n3\n\n").output
    assert played[:4] == ["NOTICE", "NOTICE", "CAUTION", "CAUTION"]
    assert "That was CAUTION" in text
    assert "2 of 3 right." in text


def test_learning_ends_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_play", lambda *_a, **_k: None)
    monkeypatch.setattr(module.time, "sleep", lambda _s: None)
    assert run("--learn", answers="").stdout.endswith("No question answered.\n")


@pytest.fixture
def with_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with sound, on the stand-in for a device; its folder."""
    (tmp_path / "rearguard").mkdir()
    (tmp_path / "rearguard" / "rearguard.toml").write_text(
        "[sound]\nenabled = true\nquiet_hours = '00:00-23:59'\n"
    )
    return use_fake(monkeypatch, tmp_path / "device")


def test_with_sound_a_cue_is_heard_too_at_any_hour(with_sound: Path) -> None:
    result = run("caution", "--side", "right")
    assert "CAUTION    ##..##" in result.stdout
    [heard] = recordings(with_sound)
    assert abs(heard.samples[:, 1]).max() > 2.5 * abs(heard.samples[:, 0]).max() > 0


def test_without_its_device_a_cue_is_felt_all_the_same(
    with_sound: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (with_sound / "lost").touch()
    result = run("caution")
    assert "CAUTION    ##..##" in result.stdout
    assert "there is no sound output; plug one in" in result.stderr + capfd.readouterr().err
    assert not recordings(with_sound)


def test_learning_says_the_name_of_a_cue_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        module, "_play", lambda _o, row, *_a, named=False, **_k: said.append((row.name, named))
    )
    monkeypatch.setattr(module.time, "sleep", lambda _s: None)
    run("--learn", answers="\n" * 20)
    assert said[:3] == [("NOTICE", False), ("NOTICE", True), ("CAUTION", False)]
    assert not any(name for _, name in said[18:])  # the quiz gives nothing away
