"""`config check` refuses what cannot start or protect, and says where, what is allowed and what was meant."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearguard.config import Config, load
from rearguard.config.describe import as_toml
from rearguard.config.explain import line_of
from rearguard.config.sense import problems
from rearguard.errors import BadInput


def check(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = folder / "rearguard.toml"
    path.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "rearguard", "config", "check", str(path)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[cue]\npins = [18, 18]", 2, "GPIO 18 is used twice"),
        ("[cue]\npins = [18]\n[warden]\nbutton_pin = 18", 2, "cue.pins and warden.button_pin"),
        ("[warden]\nbutton_pin = 17\ndeadman_pin = 17", None, "GPIO 17 is used twice"),
        ("[cue]\npins = [18, 4]", 2, "GPIO 4 is pulled high at boot"),
        ("# mine\n\n[detect]\nignore = ['umbrella', 'person']", 4, "'person' must not be ignored"),
        ("[detect]\nignore = ['Person']", 2, "must not be ignored"),
        ("[sound]\nquiet_hours = '22-6'", 2, 'write "22:00-06:30"'),
        ("[sound]\nquiet_hours = '22:00-25:00'", 2, 'write "22:00-06:30"'),
        ("[sound]\nquiet_hours = '07:00-07:00'", 2, "set enabled = false"),
        ("[sound]\nwords = 'recorded'", 2, "needs words_folder"),
        ("[sound]\nwords = 'recorded'\nwords_folder = 'words'", 3, "give a whole path"),
        ("[sound]\nvolume_db = 6", 2, "allowed: -40 to 0"),
        ("[camera]\nfps = 5", 2, "below health.min_fps"),
        ("[camera]\nfps = 9\n[warden]\nheartbeat_s = 0.1", 4, "BLIND all the time"),
        ("[warden]\nheartbeat_s = 2.0\nhung_s = 1.0", 3, "must exceed heartbeat_s"),
        ("[camera]\nexposure_max_us = 20000", 2, "exceeds exposure_dusk_us"),
        ("[camera]\nignore = [[0.0, 0.0, 1.2, 1.0]]", 2, "allowed: list of [0 to 1, 0 to 1, 0 to 1, 0 to 1]"),
        ("[camera]\nignore = [[0.0, 0.5, 0.2]]", 2, "length 4"),
        ("[camera]\nignore = [[0.3, 0.0, 0.2, 1.0]]", 2, "[0.3, 0.0, 0.2, 1.0] is no part of the picture"),
        ("[camera]\nignore = [[0.2, 0.4, 0.2, 0.6]]", 2, "is no part of the picture"),
        ("[camera]\nignore = [[0.0, 0.0, 1.0, 0.3], [0.0, 0.0, 0.25, 1.0]]", 2, "48% of the picture"),
        (
            "[camera]\nignore = [[0.0, 0.9, 0.2, 1.0], [0.4, 0.3, 0.6, 1.0]]",
            2,
            "path would not be seen, 15% may",
        ),
        (
            "[camera]\nignore = [[0.0, 0.9, 0.2, 1.0], [0.4, 0.3, 0.6, 1.0]]",
            2,
            "for [0.4, 0.3, 0.6, 1.0]: move",
        ),
        ("[journal]\nfolder = 'my journal'", 2, "give a whole path"),
        ("[journal]\nfolder = '/proc/here'", 2, "can hold no journal"),
        ("[health]\ndark_luma = 0", 2, "allowed: 4 to 100"),
        ("[health]\ncovered_share = 1.0", 2, "allowed: 0.5 to 0.98"),
        ("[health]\nglare_share = 1.0", 2, "allowed: 0.05 to 0.95"),
        ("[judge]\ncritcal_ttc_s = 2.0", 2, "did you mean critical_ttc_s?"),
        ("[cmera]\nfps = 9", 1, "did you mean camera?"),
        ("[journal]\nclips = 'none'", 2, 'allowed: "full" | "off" | "redacted"'),
        ("[cue]\n  pins = [18, 99]", 2, "cue.pins"),
        ("cue.pins = [18, 18]", 1, "used twice"),
    ],
)
def test_what_cannot_start_or_protect_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int | None, told: str
) -> None:
    path = tmp_path / "rearguard.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sits", ["", "hfov_deg = 102.0", "pitch_deg = -20.0", "rotation_deg = 90"])
def test_a_part_beside_the_path_may_be_ignored(tmp_path: Path, sits: str) -> None:
    path = tmp_path / "rearguard.toml"
    path.write_text(f"[camera]\n{sits}\nignore = [[0.0, 0.1, 0.12, 1.0], [0.9, 0.0, 1.0, 1.0]]\n")
    config = load(path)
    assert config.camera.ignore == ((0.0, 0.1, 0.12, 1.0), (0.9, 0.0, 1.0, 1.0))
    path.write_text(as_toml(config))
    assert load(path) == config


@pytest.mark.parametrize(
    ("region", "free", "hidden"),
    [
        ("[0.0, 0.75, 1.0, 1.0]", "pitch_deg = 15.0", "pitch_deg = -10.0"),  # the path lies higher, or lower
        ("[0.0, 0.0, 0.38, 1.0]", "hfov_deg = 102.0", "hfov_deg = 45.0"),  # and is narrower, or wider
        ("[0.0, 0.75, 1.0, 1.0]", "height_m = 0.6", "height_m = 1.8"),
    ],
)
def test_what_may_be_ignored_follows_from_how_the_camera_sits(
    tmp_path: Path, region: str, free: str, hidden: str
) -> None:
    path = tmp_path / "rearguard.toml"
    path.write_text(f"[camera]\nignore = [{region}]\n{free}\n")
    load(path)
    path.write_text(f"[camera]\nignore = [{region}]\n{hidden}\n")
    with pytest.raises(BadInput, match="of the path would not be seen"):
        load(path)


def test_the_command_tells_every_clash_and_exits_with_2(tmp_path: Path) -> None:
    done = check(tmp_path, "[cue]\npins = [18, 18]\n[camera]\nfps = 5\n[detect]\nignore = ['car']\n")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for part in (
        "rearguard.toml:2: cue.pins",
        "rearguard.toml:4: camera.fps",
        "rearguard.toml:6: detect.ignore",
    ):
        assert sum(part in line for line in lines) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[detect]\nmodel = 'no-such'", "no model called"),
        ("[detect]\nmodel = '/nowhere/it.tflite'", "no such model file"),
        ("[detect]\nignore = ['umbrela']", "did you mean umbrella?"),
        ("[journal]\nfolder = '{folder}/rearguard.toml/journal'", "is no folder"),
    ],
)
def test_what_this_machine_does_not_have_is_told(tmp_path: Path, text: str, told: str) -> None:
    done = check(tmp_path, text.format(folder=tmp_path))
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_defaults_and_the_installed_example_are_good(tmp_path: Path) -> None:
    assert list(problems(Config())) == []
    assert check(tmp_path, as_toml(Config())).returncode == 0
    example = Path(__file__).parents[2] / "install" / "rearguard.toml"
    assert check(tmp_path, example.read_text()).returncode == 0


def test_a_line_is_found_in_whatever_way_it_is_written() -> None:
    text = "camera.fps = 1\n[ cue ]\n# pins = [1]\n  pins=[2]\n[judge]\npins = 3\n"
    assert line_of(text, "cue", "pins") == 4
    assert line_of(text, "camera", "fps") == 1
    assert line_of(text, "cue") == 2
    assert line_of(text, "health", "dark_luma") is None


_KEYS = st.sampled_from(
    ["camera", "cue", "detect", "judge", "health", "fps", "pins", "ignore", "x", "\u202e", "a.b"]
)
_VALUES = st.one_of(
    st.integers(), st.floats(), st.text(max_size=20), st.booleans(), st.lists(st.integers(-2, 99), max_size=4)
)


@given(st.dictionaries(_KEYS, st.one_of(_VALUES, st.dictionaries(_KEYS, _VALUES, max_size=4)), max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_good_or_one_line(tmp_path: Path, content: dict[str, object]) -> None:
    def toml(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(toml(v) for v in value) + "]"
        if isinstance(value, float):
            return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(
                json.dumps(value), json.dumps(value)
            )
        return json.dumps(value)

    path = tmp_path / "any.toml"
    path.write_text("".join(f"{json.dumps(k)} = {toml(v)}\n" for k, v in content.items()))
    with contextlib.suppress(BadInput):  # nothing else may come out
        load(path)
