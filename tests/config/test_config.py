"""The configuration refuses what cannot be meant, naming the field, and can be printed and read back."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rearguard.cli.main import cli
from rearguard.config import Config, digest, load
from rearguard.config.describe import as_toml
from rearguard.config.journal import Journal
from rearguard.errors import BadInput


def written(folder: Path, text: str) -> Path:
    path = folder / "rearguard.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[judge]\ncritcal_ttc_s = 2.0", "critcal_ttc_s"),
        ("[judge]\ncaution_ttc_s = 99", "judge.caution_ttc_s"),
        ("[judge]\ncaution_ttc_s = 'soon'", "judge.caution_ttc_s"),
        ("[judge]\ncaution_ttc_s = 1.0", "must fall in that order"),
        ("[detect]\nweak_score = 0.9", "weak_score must not exceed"),
        ("[cue]\npins = [99]", "cue.pins"),
        ("[nonsense]\na = 1", "nonsense"),
        ("[judge\n", "not valid TOML"),
        ("[judge]\ncaution_ttc_s = nan", "judge.caution_ttc_s"),
    ],
)
def test_a_bad_file_is_one_line_naming_the_field(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(written(tmp_path, text))
    assert named in str(caught.value)
    assert "rearguard.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_and_files_too_large_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rearguard.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not valid TOML"):
        load(path)
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(BadInput, match="larger than"):
        load(path)
    with pytest.raises(BadInput, match="cannot read"):
        load(tmp_path / "absent.toml")


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    assert load(written(tmp_path, as_toml(Config()))) == Config()


def test_every_setting_says_what_it_trades() -> None:
    lines = as_toml(Config()).splitlines()
    for i, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert len(lines[i - 1]) > 15, f"no explanation over {line}"


def test_every_number_has_bounds() -> None:
    for section in msgspec.structs.fields(Config):
        info = msgspec.inspect.type_info(section.type)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            kind = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
            if isinstance(kind, msgspec.inspect.FloatType | msgspec.inspect.IntType):
                assert kind.ge is not None, field.name
                assert kind.le is not None, field.name


def test_the_digest_tells_configurations_apart(tmp_path: Path) -> None:
    other = load(written(tmp_path, "[judge]\nrelease_s = 1.0"))
    assert digest(other) != digest(Config())
    assert digest(Config()) == digest(Config())


def test_the_command_line_checks_a_file_with_an_exit_code(tmp_path: Path) -> None:
    good = CliRunner().invoke(cli, ["config", "check", str(written(tmp_path, "[judge]\nrelease_s = 1.0"))])
    assert good.exit_code == 0
    assert "good" in good.output
    bad = CliRunner().invoke(cli, ["config", "check", str(written(tmp_path, "[judge]\nrelease_s = -1"))])
    assert isinstance(bad.exception, BadInput)
    assert bad.exception.exit_code == 2


@pytest.fixture
def in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own file, which is read when none is named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "rearguard").mkdir()
    return written(tmp_path / "rearguard", "[judge]\nrelease_s = 1.25\n")


def test_the_file_in_use_can_be_written_out_in_full_without_losing_what_it_says(in_use: Path) -> None:
    done = CliRunner().invoke(cli, ["config", "show", "-o", str(in_use)])
    assert done.exit_code == 0, done.exception
    assert load(in_use).judge.release_s == 1.25
    assert "[camera]" in in_use.read_text()


def test_a_first_file_is_made_with_its_folder(tmp_path: Path) -> None:
    new = tmp_path / "not yet" / "rearguard.toml"
    assert CliRunner().invoke(cli, ["config", "show", "-o", str(new)]).exit_code == 0
    assert load(new) == Config()


def test_a_shell_that_emptied_the_file_in_use_is_told_of(in_use: Path) -> None:
    with in_use.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "rearguard", "config", "show"], stdout=out, stderr=subprocess.PIPE,
            text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "use -o" in done.stderr
    assert in_use.read_text() == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_that_is_printed_can_be_read_back_and_does_nothing_to_a_terminal(text: str) -> None:
    config = Config(journal=Journal(folder=text), looming=Config().looming)
    printed = as_toml(config)
    assert msgspec.convert(tomllib.loads(printed), Config) == config
    assert printed.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, f"a = 1{'0' * 5000}", f"[judge]\nrelease_s = 1{'0' * 4000}"]
)
def test_a_file_that_no_parser_stands_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"rearguard\.toml"):
        load(written(tmp_path, text))
