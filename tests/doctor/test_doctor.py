"""The doctor: right about a machine laid out in a folder, and about this one."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import a_near_miss, a_writer, as_stranger, let_in
from sound_kit import use_fake

from rearguard.cli.doctor import doctor
from rearguard.config import Config
from rearguard.config.detect import Detect
from rearguard.config.journal import Journal
from rearguard.config.sound import Sound
from rearguard.doctor import hardware, machine, sight, sound, table
from rearguard.doctor.boards import PROMISES, promise
from rearguard.doctor.finding import CheckContext, Finding, State, fail, ok, warn
from rearguard.errors import PartFailed
from rearguard.journal.db import store


@pytest.fixture
def pi(tmp_path: Path) -> CheckContext:
    """A Raspberry Pi 4 as its files show it."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "sys/class/thermal/thermal_zone0/temp": "51500\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return CheckContext(Config(), root=tmp_path)


@pytest.fixture
def laptop(tmp_path: Path) -> CheckContext:
    return CheckContext(Config(), root=tmp_path / "nothing")


def test_the_board_is_the_firmwares_word(pi, laptop):
    assert pi.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert laptop.board is None
    assert machine.board(laptop).state is State.WARN
    assert "Raspberry Pi 4" in machine.board(pi).measured


@pytest.mark.parametrize(
    ("bits", "state", "words"),
    [
        ("0", State.OK, ""),
        ("50005", State.FAIL, "undervoltage, throttled right now"),
        ("50000", State.WARN, "undervoltage, throttled since boot"),
        ("80008", State.FAIL, "soft temperature limit right now"),
        ("20000", State.WARN, "clock capped since boot"),
    ],
)
def test_power_tells_now_from_before(pi, bits, state, words):
    pi.path("/sys/devices/platform/soc/soc:firmware/get_throttled").write_text(bits)
    finding = machine.power(pi)
    assert finding.state is state
    assert words in finding.measured
    assert bool(finding.remedy) == (state is not State.OK)


@pytest.mark.parametrize(
    ("milli", "state"), [(51500, State.OK), (70000, State.WARN), (79999, State.WARN), (80000, State.FAIL)]
)
def test_temperature(pi, milli, state):
    pi.path("/sys/class/thermal/thermal_zone0/temp").write_text(f"{milli}\n")
    finding = machine.temperature(pi)
    assert finding.state is state
    assert finding.numbers["temperature_c"] == pytest.approx(milli / 1000)


def test_a_garbled_sensor_is_no_sensor(pi):
    pi.path("/sys/class/thermal/thermal_zone0/temp").write_text("hot")
    assert machine.temperature(pi).measured == "no sensor here"


def test_missing_parts_fail_on_a_pi_and_warn_on_a_laptop(pi, laptop, monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(hardware, "no_gpio", lambda: "no /dev/gpiochip* on this machine")
    assert sight.camera(pi).state is State.FAIL
    assert sight.camera(laptop).state is State.WARN
    assert hardware.pins(pi).state is State.FAIL
    assert hardware.pins(laptop).state is State.WARN


def test_a_webcam_is_offered_on_a_laptop(laptop, monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    laptop.path("/dev").mkdir(parents=True)
    laptop.path("/dev/video0").touch()
    assert sight.camera(laptop).remedy == "use --source webcam:0"


def test_a_busy_pin_is_a_failure_with_its_name(pi, monkeypatch):
    def busy(_config):
        raise PartFailed("GPIO 18 cannot be driven: 'GPIO busy'; another program holds it")

    monkeypatch.setattr(hardware, "no_gpio", lambda: None)
    monkeypatch.setattr(hardware, "open_motors", busy)
    finding = hardware.pins(pi)
    assert finding.state is State.FAIL
    assert "GPIO 18" in finding.measured


def test_the_running_service_is_left_alone(pi, monkeypatch):
    monkeypatch.setattr(hardware, "no_gpio", lambda: None)
    monkeypatch.setattr(hardware, "open_motors", None)  # would raise if it were touched
    running = CheckContext(Config(), root=pi.root, service_active=True)
    assert hardware.pins(running).state is State.OK
    assert sight.camera(running).state is State.OK


def test_the_model_is_really_run():
    finding = sight.model(CheckContext(Config()))
    assert finding.state in (State.OK, State.WARN)
    assert finding.numbers["detect_ms"] > 1
    assert finding.numbers["fps"] == pytest.approx(min(15.0, 1000 / finding.numbers["detect_ms"]))


def test_a_model_that_is_none_fails(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"not a model")
    finding = sight.model(CheckContext(Config(detect=Detect(model=str(tmp_path / "x.tflite")))))
    assert finding.state is State.FAIL
    assert "x.tflite" in finding.measured


@given(st.floats(0.1, 200), st.floats(1, 60))
def test_below_the_floor_nothing_is_promised(fps, floor):
    name = promise(fps, floor).name
    assert (name == "none") == (fps < max(floor, 8.0))


def test_promises_fall_with_the_frame_rate():
    assert [row.from_fps for row in PROMISES] == sorted((row.from_fps for row in PROMISES), reverse=True)
    assert PROMISES[-1].from_fps == 0
    assert [promise(fps, 8.0).name for fps in (30, 15, 10, 9, 8, 7.9)] == [
        "full", "full", "full", "reduced", "reduced", "none",
    ]  # fmt: skip


def test_disk_measures_room_and_durable_writes(tmp_path):
    who = CheckContext(Config(journal=Journal(folder=str(tmp_path / "not" / "yet"))))
    finding = machine.disk(who)
    assert finding.state is not State.FAIL
    assert finding.numbers["fsync_ms"] >= 0
    assert list(tmp_path.iterdir()) == []  # the probe is gone


def test_a_full_disk_fails(tmp_path):
    config = msgspec.structs.replace(Config(), journal=Journal(folder=str(tmp_path)))
    config = msgspec.structs.replace(
        config, health=msgspec.structs.replace(config.health, min_disk_mb=10**12)
    )
    finding = machine.disk(CheckContext(config))
    assert finding.state is State.FAIL
    assert "MB free" in finding.measured


def test_a_damaged_journal_fails(tmp_path):
    who = CheckContext(Config(journal=Journal(folder=str(tmp_path))))
    path = tmp_path / "journal.db"
    assert hardware.journal(who).state is State.OK
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    finding = hardware.journal(who)
    assert finding.state is State.FAIL
    assert "damaged" in finding.measured
    assert "move it away" in finding.remedy
    path.write_bytes(b"")  # made, and cut before the tables were
    assert hardware.journal(who).state is State.OK


def test_a_journal_of_a_newer_rearguard_is_not_called_whole(tmp_path):
    store.Journal.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("pragma user_version = 99")
    finding = hardware.journal(CheckContext(Config(journal=Journal(folder=str(tmp_path)))))
    assert finding.state is State.FAIL
    assert "newer rearguard" in finding.measured
    assert finding.remedy == "update this one"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_healthy_journal_is_not_sent_away_by_who_may_only_read_it(tmp_path):
    folder = tmp_path / "journal"
    writer = a_writer(folder)
    writer.near_miss(a_near_miss()).result(5)
    writer.close(5)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 0, 54321)
    let_in(tmp_path)
    who = CheckContext(Config(journal=Journal(folder=str(folder))))
    in_the_group = as_stranger(54321, hardware.journal, who)
    assert (in_the_group.state, in_the_group.numbers) == (State.OK, {"near_misses": 1})
    outside = as_stranger(54322, hardware.journal, who)
    assert outside.state is State.WARN
    assert "Permission denied" in outside.measured
    assert "group may" in outside.remedy


def test_a_check_that_breaks_does_not_end_the_examination(monkeypatch, laptop):
    monkeypatch.setitem(table.CHECKS, "clock", lambda _: 1 / 0)
    board, clock, power = table.examine(laptop, ("board", "clock", "power"))
    assert clock.state is State.FAIL
    assert "ZeroDivisionError" in clock.measured
    assert (board.check, power.check) == ("board", "power")


def test_worst_wins():
    assert machine.worst([ok("a", ""), warn("b", ""), fail("c", "", "x")]) is State.FAIL
    assert machine.worst([ok("a", ""), warn("b", "")]) is State.WARN
    assert machine.worst([]) is State.OK


def test_json_and_exit_code(tmp_path):
    broken = tmp_path / "rearguard.toml"
    broken.write_text("[judge]\ncritical_ttc_s = 99\n")
    done = CliRunner().invoke(doctor, ["config", "temperature", "--json", "--config", str(broken)])
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["state"] == "fail"
    assert [row["check"] for row in report["checks"]] == ["config", "temperature"]
    assert "judge.critical_ttc_s" in report["checks"][0]["measured"]
    broken.write_text("")
    done = CliRunner().invoke(doctor, ["config", "--config", str(broken)])
    assert done.exit_code == 0
    assert str(broken) in done.stdout


def test_every_check_answers_here_with_its_own_name():
    who = table.patient(None)
    findings = list(
        table.examine(who, tuple(name for name in table.CHECKS if name not in ("camera", "model")))
    )
    assert all(isinstance(finding, Finding) and finding.measured for finding in findings)
    assert not [f for f in findings if "check itself broke" in f.measured]
    assert [f.check for f in findings] == [name for name in table.CHECKS if name not in ("camera", "model")]


def test_an_unknown_check_is_named():
    done = CliRunner().invoke(doctor, ["kamera"])
    assert done.exit_code == 2
    assert "kamera" in done.output


def with_sound(**settings) -> CheckContext:
    return CheckContext(Config(sound=Sound(**{"enabled": True, **settings})))


def test_sound_is_off_unless_it_is_wanted(laptop):
    assert sound.sound(laptop).state is State.OK
    assert sound.sound(laptop).measured == "off: cues are felt only"


def test_sound_names_its_device_and_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    use_fake(monkeypatch, tmp_path / "device")
    finding = sound.sound(with_sound())
    assert finding.state is State.OK
    assert finding.measured.startswith("USB headset: Audio (hw:1,0) at 48000 Hz, 30 ms on its way")
    assert finding.measured.endswith("outputs: USB headset: Audio (hw:1,0), hdmi")


@pytest.mark.parametrize(
    ("how", "settings", "told", "remedy"),
    [
        ("lost", {}, "there is no sound output", "plug one in"),
        ("absent", {}, "PortAudio is not installed", "apt install python3-sounddevice"),
        (
            "",
            {"device": "bose"},
            "bose: no such sound output",
            "there are: USB headset: Audio (hw:1,0), hdmi",
        ),
        (
            "",
            {"words": "recorded", "words_folder": "/no/such"},
            "/no/such: no such folder",
            "sound.words_folder",
        ),
    ],
)
def test_sound_that_will_not_be_heard_is_a_warning(tmp_path, monkeypatch, how, settings, told, remedy):
    folder = use_fake(monkeypatch, tmp_path / "device")
    if how:
        (folder / how).touch()
    finding = sound.sound(with_sound(**settings))
    assert finding.state is State.WARN
    assert told in finding.measured
    assert remedy in finding.remedy


def test_a_sound_server_that_never_answers_is_a_warning(tmp_path, monkeypatch):
    folder = use_fake(monkeypatch, tmp_path / "device")
    (folder / "stuck").touch()
    monkeypatch.setattr(sound, "_PATIENCE_S", 0.5)
    finding = sound.sound(with_sound())
    assert finding.state is State.WARN
    assert "no answer" in finding.measured
