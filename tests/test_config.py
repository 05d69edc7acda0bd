"""The configuration refuses what cannot be meant, naming the field, and can be printed and read back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from rearguard.cli.main import cli
from rearguard.config import Config, digest, load
from rearguard.config.describe import as_toml
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
