"""The unit files: accepted by systemd without a murmur, closed to what they don't need, and honest about restarts."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rearguard.cli.main import COMMANDS
from rearguard.cue import motors
from rearguard.cue.motors import no_gpio
from rearguard.errors import EXIT_SWITCHED_OFF, PartFailed
from rearguard.warden import motors_off

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "rearguard.service"

needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
needs_sysusers = pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="no systemd-sysusers here")


def lines_of(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit with its program's path replaced by one that is there, so that systemd can judge it."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"/opt/rearguard/current/bin/\w+", sys.executable, UNIT.read_text()))
    return unit


@needs_analyze
def test_systemd_knows_every_line(installed_unit: Path):
    done = subprocess.run(["systemd-analyze", "verify", str(installed_unit)], capture_output=True, text=True)
    assert done.stderr == ""  # unknown directives are only warned of, with exit code 0
    assert done.returncode == 0


@needs_analyze
def test_exposure_is_at_most_two(installed_unit: Path):
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold=20",
        str(installed_unit),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]
    assert "exposure level" in done.stdout


def test_it_runs_commands_that_exist():
    for line in lines_of("ExecStart") + lines_of("ExecReload")[:1]:
        program, command, *_ = line.split()
        assert program == "/opt/rearguard/current/bin/rearguard"
        assert command in COMMANDS
    [after] = lines_of("ExecStopPost")
    assert after.split()[1:] == ["-I", "-m", motors_off.__name__]


def test_it_never_gives_up_and_is_never_silent_for_long():
    assert lines_of("StartLimitIntervalSec") == ["0"]
    assert lines_of("Restart") == ["always"]
    assert lines_of("Type") == ["notify"]
    assert lines_of("WatchdogSec") == ["2"]
    assert lines_of("OOMPolicy") == ["continue"]
    assert lines_of("RestartPreventExitStatus") == lines_of("SuccessExitStatus") == [str(EXIT_SWITCHED_OFF)]


def test_no_network_but_local_sockets_and_udev():
    assert lines_of("RestrictAddressFamilies") == ["AF_UNIX AF_NETLINK"]
    assert lines_of("IPAddressDeny") == ["any"]


@needs_sysusers
def test_the_account_is_made_with_its_groups(tmp_path: Path):
    (tmp_path / "etc").mkdir()
    conf = tmp_path / "rearguard.conf"
    shutil.copy(FOLDER / "rearguard.sysusers", conf)
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(conf)], capture_output=True, text=True, check=True
    )
    assert "rearguard" in (tmp_path / "etc/passwd").read_text(), done.stderr
    groups = (tmp_path / "etc/group").read_text()
    assert re.search(r"^gpio:.*rearguard$", groups, re.MULTILINE)
    assert re.search(r"^video:.*rearguard$", groups, re.MULTILINE)


def test_the_hardware_watchdog_stays_within_what_a_pi_can():
    parser = configparser.ConfigParser()
    parser.read(FOLDER / "rearguard-watchdog.conf")
    assert float(parser["Manager"]["RuntimeWatchdogSec"].removesuffix("s")) <= 15  # bcm2835_wdt's longest


def test_motors_off_drives_low_then_lets_go(monkeypatch):
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    factory = MockFactory(pin_class=MockPWMPin)
    buzzing = factory.pin(18)
    buzzing.function = "output"
    buzzing.state = 1.0
    monkeypatch.setattr(motors_off, "real_factory", lambda: factory)
    assert motors_off.release([18]) == []
    assert float(buzzing.states[-1].state) == 0.0
    assert (buzzing.function, buzzing.pull) == ("input", "down")


def test_motors_off_names_the_pin_it_cannot_reach(monkeypatch, capsys):
    from gpiozero import DigitalOutputDevice
    from gpiozero.pins.mock import MockFactory

    factory = MockFactory()
    holder = DigitalOutputDevice(18, pin_factory=factory)  # still held by someone
    monkeypatch.setattr(motors_off, "real_factory", lambda: factory)
    monkeypatch.setattr(motors_off, "no_gpio", lambda: None)
    monkeypatch.setattr(motors_off, "configured_pins", lambda: [18])
    assert motors_off.main() == 3
    assert capsys.readouterr().err.startswith("rearguard: GPIO 18 could not be switched off")
    holder.close()


def test_motors_off_survives_a_broken_configuration(monkeypatch, tmp_path, capsys):
    (tmp_path / "rearguard").mkdir()
    (tmp_path / "rearguard" / "rearguard.toml").write_text("[cue]\npins = 'all'\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert motors_off.configured_pins() == [18]
    assert "default pins" in capsys.readouterr().err


def test_motors_off_has_nothing_to_do_without_pins(tmp_path):
    try:
        reason = no_gpio()
    except PartFailed as e:
        pytest.skip(str(e))
    if reason is None:
        pytest.skip("this machine has pins")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "rearguard.warden.motors_off"], capture_output=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.iterdir()) == []


def test_lgpio_is_what_the_unit_and_the_program_ask_for():
    assert "GPIOZERO_PIN_FACTORY=lgpio" in UNIT.read_text()
    assert "lgpio" in Path(motors.__file__).read_text()


_IMPORTER = """
import os, sys, types
import gpiozero
from rearguard.cue import motors


class FakeLgpio:
    "Does on import what lgpio does: goes to $LG_WD and makes a pipe there."

    @staticmethod
    def ensure_pin_factory():
        os.chdir(os.environ["LG_WD"])
        os.mkfifo(".lgd-nfy0")


gpiozero.Device.ensure_pin_factory = FakeLgpio.ensure_pin_factory
before = os.getcwd()
motors.real_factory()
assert os.getcwd() == before, os.getcwd()
print(os.environ["LG_WD"], os.path.exists(os.environ["LG_WD"] + "/.lgd-nfy0"))
"""


def test_lgpios_pipe_gets_a_folder_of_its_own_and_leaves_none_behind(tmp_path: Path):
    readonly = tmp_path / "here"
    readonly.mkdir(mode=0o555)
    env = {name: value for name, value in os.environ.items() if name not in ("LG_WD", "GPIOZERO_PIN_FACTORY")}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTER], capture_output=True, text=True, cwd=readonly, env=env
    )
    assert done.returncode == 0, done.stderr
    folder, made = done.stdout.split()
    assert made == "True"
    assert not Path(folder).exists()
    assert list(readonly.iterdir()) == []
    own = tmp_path / "own"
    own.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTER],
        capture_output=True,
        text=True,
        cwd=readonly,
        env={**env, "LG_WD": str(own)},
    )
    assert done.stdout.split() == [str(own), "True"]
    assert own.is_dir()  # someone else's folder is not removed
