"""A gyroscope in the kernel's IIO interface: its files are believed only as far as they make sense."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from rearguard.config import Config
from rearguard.config.gyro import Gyro
from rearguard.doctor import hardware
from rearguard.doctor.finding import CheckContext, State
from rearguard.errors import PartFailed
from rearguard.sense import iio, prepare
from rearguard.sense.fusion import GyroFusion
from rearguard.sense.reader import GyroReader
from rearguard.types import EgoMotion

SCALE = 0.000305433  # of a LSM6DSO at 500 dps


def device(root: Path, number: int = 0, **changed: str | None) -> Path:
    """A tree such as the kernel shows of a gyroscope; `changed` are files, "/" written "__", None for none."""
    folder = root / f"iio:device{number}"
    files = {
        "name": "lsm6dso_gyro",
        "sampling_frequency": "26.000000",
        "sampling_frequency_available": "12.500 26.000 52.000 104.000 208.000 416.000 833.000",
        "in_anglvel_scale": "0.000152716",
        "in_anglvel_scale_available": "0.000152716 0.000305433 0.000610865 0.001221730",
        "current_timestamp_clock": "realtime",
        "buffer/enable": "0",
        "buffer/length": "2",
        "buffer/watermark": "1",
        "scan_elements/in_timestamp_en": "0",
        "scan_elements/in_timestamp_index": "3",
        "scan_elements/in_timestamp_type": "le:s64/64>>0",
    }
    for index, axis in enumerate("xyz"):
        files |= {
            f"scan_elements/in_anglvel_{axis}_en": "0",
            f"scan_elements/in_anglvel_{axis}_index": str(index),
            f"scan_elements/in_anglvel_{axis}_type": "le:s16/16>>0",
        }
    for name, text in {**files, **{k.replace("__", "/"): v for k, v in changed.items()}}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            file.write_text(text)
    return folder


ACCEL_SCALE = 0.002392  # at 8 g


def accelerometer(root: Path, number: int = 1, **changed: str | None) -> Path:
    """The same of the accelerometer of the same part; by the number 0 in the gyroscope's own device, after its axes."""
    own: dict[str, str | None] = {
        "in_accel_scale": "0.000598",
        "in_accel_scale_available": "0.000598 0.001196 0.002392 0.004785",
        "scan_elements/in_timestamp_index": "6",
    }
    for index, axis in enumerate("xyz"):
        channel = f"scan_elements/in_accel_{axis}"
        own |= {f"{channel}_en": "0", f"{channel}_index": str(3 + index), f"{channel}_type": "le:s16/16>>0"}
        if number:
            own |= {f"scan_elements/in_anglvel_{axis}_{what}": None for what in ("en", "index", "type")}
    if number:
        own["name"] = "lsm6dso_accel"
    return device(root, number, **{**own, **changed})


def scan(at_ns: int, x: int, y: int, z: int) -> bytes:
    return struct.pack("<3hxxq", x, y, z, at_ns)


def test_a_gyroscope_is_set_up_fast_wide_and_on_the_cameras_clock(tmp_path: Path) -> None:
    folder = device(tmp_path)
    layout = iio.set_up(iio.find("auto", tmp_path))
    assert layout.rate_hz == 208
    assert layout.scales == (SCALE,) * 3
    assert layout.size == 16
    assert (folder / "current_timestamp_clock").read_text() == "monotonic"
    assert (folder / "buffer" / "enable").read_text() == "1"
    at_ns, rate, clipped = layout.sample(scan(123456789, 1000, -1000, 32767))
    assert at_ns == 123456789
    assert rate == pytest.approx((1000 * SCALE, -1000 * SCALE, 32767 * SCALE))
    assert clipped


def test_other_channels_that_stay_on_are_stepped_over(tmp_path: Path) -> None:
    device(
        tmp_path,
        scan_elements__in_temp_en="0",
        scan_elements__in_temp_index="1",
        scan_elements__in_temp_type="be:u12/32>>4",
        scan_elements__in_anglvel_y_index="2",
        scan_elements__in_anglvel_z_index="3",
        scan_elements__in_timestamp_index="4",
    )
    folder = iio.find("lsm6dso_gyro", tmp_path)
    assert iio.set_up(folder).size == 16  # what is not wanted is switched off
    (folder / "scan_elements" / "in_temp_en").write_text("1")  # by a driver that must have it
    layout = iio.set_up(folder)
    raw = struct.pack("<hxx", -5) + bytes(4) + struct.pack("<hhxxxxq", 7, 9, 42)
    assert layout.size == len(raw) == 24
    at_ns, rate, clipped = layout.sample(raw)
    assert (at_ns, [round(r / SCALE) for r in rate], clipped) == (42, [-5, 7, 9], False)


def test_an_accelerometer_beside_it_is_set_up_as_well(tmp_path: Path) -> None:
    device(tmp_path)
    assert iio.set_up_both(iio.find("auto", tmp_path))[1:] == (None, "")
    folder = accelerometer(tmp_path)
    gyro, accel, why = iio.set_up_both(iio.find("auto", tmp_path))
    assert accel is not None
    assert (gyro.node, accel.node, accel.name, accel.rate_hz, why) == (
        "iio:device0",
        "iio:device1",
        "lsm6dso_accel",
        208,
        "",
    )
    assert accel.scales == (ACCEL_SCALE,) * 3  # 8 g: a landing has 3
    assert (folder / "buffer" / "enable").read_text() == "1"
    _, told, clipped = accel.sample(scan(1, 0, 4101, -32768))
    assert told == pytest.approx((0.0, 9.81, -78.4), abs=0.02)
    assert clipped


def test_an_accelerometer_in_the_same_device_comes_with_the_same_scan(tmp_path: Path) -> None:
    accelerometer(tmp_path, 0)
    gyro, accel, why = iio.set_up_both(iio.find("auto", tmp_path))
    assert accel is not None
    assert (why, gyro.node, accel.node, gyro.size, accel.size) == ("", "iio:device0", "iio:device0", 24, 24)
    raw = struct.pack("<6hxxxxq", 1, 2, 3, 10, 20, 30, 42)
    assert [round(v / SCALE) for v in gyro.sample(raw)[1]] == [1, 2, 3]
    assert [round(v / ACCEL_SCALE) for v in accel.sample(raw)[1]] == [10, 20, 30]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "changed",
    [
        {"in_accel_scale": "0", "in_accel_scale_available": "nan -1"},
        {"scan_elements__in_accel_x_type": "le:s16/7>>0"},
        {"scan_elements__in_accel_x_index": "4"},
    ],
)
def test_an_accelerometer_that_makes_no_sense_leaves_the_gyroscope_as_it_is(
    tmp_path: Path, number: int, changed: dict[str, str]
) -> None:
    device(tmp_path)
    accelerometer(tmp_path, number, **changed)
    gyro, accel, why = iio.set_up_both(iio.find("auto", tmp_path))
    assert accel is None
    assert "\n" not in why
    assert why.startswith(f"iio:device{number}: ")
    assert gyro.sample(scan(9, 1, 2, 3))[0] == 9


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scan_elements__in_anglvel_x_type": "le:s16/7>>0"}, "no known type"),
        ({"scan_elements__in_anglvel_x_type": "le:s99/16>>0"}, "no known type"),
        ({"scan_elements__in_anglvel_x_type": "le:s16/16>>9"}, "no known type"),
        ({"scan_elements__in_anglvel_x_type": "\x1b[31mle:s16"}, "no known type"),
        ({"scan_elements__in_anglvel_x_index": "1"}, "same index"),
        ({"scan_elements__in_anglvel_x_index": "-3"}, "no known type"),
        ({"scan_elements__in_timestamp_type": "le:s32/32>>0"}, "time stamps"),
        ({"scan_elements__in_timestamp_en": None}, "in_timestamp"),
        ({"sampling_frequency_available": "12.5 26"}, "200 are needed"),
        ({"sampling_frequency_available": "nan inf 1e99"}, "200 are needed"),
        ({"in_anglvel_scale": "0", "in_anglvel_scale_available": "-1 nan 7"}, "rad/s a digit"),
        ({"in_anglvel_scale": "5"}, "rad/s a digit"),
        ({"trigger__current_trigger": ""}, "trigger"),
    ],
)
def test_files_that_make_no_sense_are_refused_in_one_line(
    tmp_path: Path, changed: dict[str, str | None], told: str
) -> None:
    device(tmp_path, **changed)
    with pytest.raises(PartFailed, match=told) as e:
        iio.set_up(iio.find("auto", tmp_path))
    assert "\n" not in str(e.value)
    assert "\x1b" not in str(e.value)


def test_a_range_of_rates_is_read(tmp_path: Path) -> None:
    device(tmp_path, sampling_frequency="10", sampling_frequency_available="[10 10 1000]")
    assert iio.set_up(iio.find("auto", tmp_path)).rate_hz == 200


def test_a_timer_is_taken_where_no_line_tells_of_data(tmp_path: Path) -> None:
    folder = device(tmp_path, trigger__current_trigger="")
    (tmp_path / "trigger0").mkdir()
    (tmp_path / "trigger0" / "name").write_text("timer")
    iio.set_up(folder)
    assert (folder / "trigger" / "current_trigger").read_text() == "timer"


def test_only_a_gyroscope_is_one_and_a_wrong_name_lists_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "iio:device0" / "scan_elements").mkdir(parents=True)
    with pytest.raises(PartFailed, match="knows none"):
        iio.find("auto", tmp_path)
    device(tmp_path, 1)
    with pytest.raises(PartFailed, match="there are: lsm6dso_gyro"):
        iio.find("bmi270", tmp_path)
    assert iio.find("auto", tmp_path).name == "iio:device1"


def test_what_was_set_up_by_another_is_left_as_it_is(tmp_path: Path) -> None:
    folder = device(tmp_path)
    iio.set_up(folder)
    (folder / "buffer" / "length").write_text("77")
    iio.set_up(folder)
    assert (folder / "buffer" / "length").read_text() == "77"


def until(condition: object, seconds: float = 5.0) -> None:
    """Wait for a condition of another thread."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def piped(root: Path, made: Callable[[Path], Path] = device) -> Iterator[tuple[GyroReader, BinaryIO]]:
    """A reader, and the pipe that stands for its device."""
    made(root)
    dev = root / "dev"
    dev.mkdir(exist_ok=True)
    os.mkfifo(dev / "iio:device0")
    reader = GyroReader("auto", root, dev)
    try:
        with (dev / "iio:device0").open("wb", buffering=0) as pipe:
            yield reader, pipe
    finally:
        reader.close()


def test_rates_are_read_from_the_device_as_they_come(tmp_path: Path) -> None:
    with piped(tmp_path) as (reader, pipe):
        now_ns = time.monotonic_ns()
        data = b"".join(scan(now_ns + i * 5_000_000, 100, 200, 300 + i) for i in range(20))
        for part in (data[:10], data[10:47], data[47:]):  # reads end where they like
            pipe.write(part)
            time.sleep(0.02)
        until(lambda: reader.window(now_ns, now_ns + 95_000_000) is not None)
        window = reader.window(now_ns, now_ns + 95_000_000)
        assert window is not None
        assert window.rate[0] == pytest.approx((100 * SCALE, 200 * SCALE, 300 * SCALE))
        assert window.rate[-1][2] == pytest.approx(319 * SCALE)
        assert reader.why == ""
        assert reader.window(now_ns, now_ns + NS) is None  # so far it has not told


def test_accelerations_are_read_beside_the_rates_and_one_that_goes_takes_no_rate_along(
    tmp_path: Path,
) -> None:
    accelerometer(tmp_path)
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev" / "iio:device1")
    with piped(tmp_path) as (reader, pipe):
        now_ns = time.monotonic_ns()
        span = now_ns, now_ns + 90_000_000
        with (tmp_path / "dev" / "iio:device1").open("wb", buffering=0) as other:
            other.write(b"".join(scan(now_ns + i * 5_000_000, 0, 4101, i) for i in range(20)))
            until(lambda: reader.accel.window(*span) is not None)
            assert reader.accel_there
            assert reader.accel_why == ""
        pulled = reader.accel.window(*span)
        assert pulled is not None
        assert pulled.rate[0] == pytest.approx((0.0, 9.81, 0.0), abs=0.01)
        until(lambda: "ended" in reader.accel_why)
        pipe.write(b"".join(scan(now_ns + i * 5_000_000, 1, 2, 3) for i in range(20)))
        until(lambda: reader.window(*span) is not None)
        assert reader.why == ""


def test_what_both_tell_in_one_device_is_told_apart(tmp_path: Path) -> None:
    with piped(tmp_path, lambda root: accelerometer(root, 0)) as (reader, pipe):
        now_ns = time.monotonic_ns()
        span = now_ns, now_ns + 90_000_000
        for i in range(20):
            pipe.write(struct.pack("<6hxxxxq", 100, 200, 300, 0, 0, 4101, now_ns + i * 5_000_000))
        until(lambda: reader.window(*span) is not None and reader.accel.window(*span) is not None)
        rates, pulled = reader.window(*span), reader.accel.window(*span)
        assert rates is not None
        assert pulled is not None
        assert rates.rate[0] == pytest.approx((100 * SCALE, 200 * SCALE, 300 * SCALE))
        assert pulled.rate[0] == pytest.approx((0.0, 0.0, 9.81), abs=0.01)


NS = 1_000_000_000


def test_stamps_of_another_clock_are_not_taken_for_rates(tmp_path: Path) -> None:
    with piped(tmp_path) as (reader, pipe):
        pipe.write(b"".join(scan(1_700_000_000 * NS + i, 1, 2, 3) for i in range(9)))
        until(lambda: "another clock" in reader.why)


def test_a_device_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rearguard.sense.reader._AGAIN_S", 0.05)
    reader = GyroReader("auto", tmp_path, tmp_path)
    try:
        until(lambda: "knows none" in reader.why)
        device(tmp_path)
        until(lambda: "knows none" not in reader.why)  # and then it fails otherwise: a folder is no device
    finally:
        reader.close()


def test_a_reader_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rearguard.sense.reader._LEAVE_S", 0.1)
    monkeypatch.setattr("rearguard.sense.iio.set_up", lambda _: time.sleep(3))
    device(tmp_path)
    reader = GyroReader("auto", tmp_path, tmp_path)
    began = time.monotonic()
    assert reader.window(0, NS) is None
    reader.close()
    assert time.monotonic() - began < 1.0


def test_root_sets_it_up_for_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    file = tmp_path / "home" / "rearguard" / "rearguard.toml"
    file.parent.mkdir(parents=True)
    file.write_text("")
    folder = device(tmp_path)
    assert prepare.main(tmp_path) == 0
    assert (folder / "buffer" / "enable").read_text() == "0"  # no gyroscope is wanted
    file.write_text('[gyro]\ndevice = "lsm6dso_gyro"\n')
    assert prepare.main(tmp_path) == 0
    assert (folder / "buffer" / "enable").read_text() == "1"
    assert capsys.readouterr().out == "lsm6dso_gyro: 208 rates a second\naccelerometer: none\n"
    accelerometer(tmp_path)
    assert prepare.main(tmp_path) == 0
    assert "accelerometer: 208 accelerations a second" in capsys.readouterr().out
    file.write_text('[gyro]\ndevice = "another"\n')
    assert prepare.main(tmp_path) == 3
    assert "another" in capsys.readouterr().err


@pytest.mark.timing
def test_the_doctor_says_whether_it_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rearguard.doctor.hardware._GYRO_S", 0.3)
    wanted = Config(gyro=Gyro(device="auto"))
    assert hardware.gyro(CheckContext(Config(), root=tmp_path)).state is State.OK
    missing = hardware.gyro(CheckContext(wanted, root=tmp_path))
    assert missing.state is State.WARN
    assert "knows none" in missing.measured
    folder = tmp_path / "sys" / "bus" / "iio" / "devices"
    device(folder)
    assert "not used" in hardware.gyro(CheckContext(Config(), root=tmp_path)).measured
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev" / "iio:device0")
    silent = hardware.gyro(CheckContext(wanted, root=tmp_path))
    assert silent.state is State.WARN
    monkeypatch.setattr("rearguard.doctor.hardware._GYRO_S", 5.0)
    done = threading.Event()

    def tell() -> None:
        with (tmp_path / "dev" / "iio:device0").open("wb", buffering=0) as pipe, contextlib.suppress(OSError):
            while not done.wait(0.004):
                pipe.write(scan(time.monotonic_ns(), 1, 2, 3))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    found = hardware.gyro(CheckContext(wanted, root=tmp_path))
    done.set()
    teller.join(5)
    assert found.state is State.OK, found
    assert 50 < found.numbers["rate_hz"] < 400
    assert "no accelerometer" in found.measured


@pytest.mark.timing
def test_the_doctor_tells_what_the_accelerometer_feels(tmp_path: Path) -> None:
    folder = tmp_path / "sys" / "bus" / "iio" / "devices"
    accelerometer(folder, 0)
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev" / "iio:device0")
    done = threading.Event()

    def tell() -> None:
        with (tmp_path / "dev" / "iio:device0").open("wb", buffering=0) as pipe, contextlib.suppress(OSError):
            while not done.wait(0.004):
                pipe.write(struct.pack("<6hxxxxq", 1, 2, 3, 0, 4101, 0, time.monotonic_ns()))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    found = hardware.gyro(CheckContext(Config(gyro=Gyro(device="auto")), root=tmp_path))
    done.set()
    teller.join(5)
    assert found.state is State.OK, found
    assert "its accelerometer feels 9.8 m/s²" in found.measured


@pytest.mark.timing
def test_a_live_sensor_tells_nearly_every_turn_and_a_dead_one_holds_up_no_frame(tmp_path: Path) -> None:
    """Rates come in threes, as a FIFO's watermark has it; frames are looked at as soon as they are taken."""
    device(tmp_path)
    dev = tmp_path / "dev"
    dev.mkdir()
    os.mkfifo(dev / "iio:device0")
    done, rng = threading.Event(), np.random.default_rng(1)

    def tell() -> None:
        with (dev / "iio:device0").open("wb", buffering=0) as pipe, contextlib.suppress(OSError):
            at_ns = time.monotonic_ns()
            while not done.is_set():
                pipe.write(
                    b"".join(scan(at_ns + i * STEP_NS, *rng.integers(-9, 9, 3).tolist()) for i in range(3))
                )
                at_ns += 3 * STEP_NS
                time.sleep(max(0.0, (at_ns - time.monotonic_ns()) / NS))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    reader = GyroReader("auto", tmp_path, dev)
    fusion = GyroFusion(reader, np.eye(3))
    try:
        until(lambda: reader.why == "")
        felt = []
        for _ in range(60):
            time.sleep(1 / 20)
            felt.append(fusion.fuse(EgoMotion(quality=0.9), time.monotonic_ns()).felt)
        assert fusion.trust.why == ""
        assert np.mean(felt[-20:]) > 0.8, felt
        done.set()
        teller.join(5)
        time.sleep(0.3)
        began = time.monotonic()
        for _ in range(20):
            fusion.fuse(EgoMotion(quality=0.9), time.monotonic_ns())
        assert time.monotonic() - began < 0.2
    finally:
        done.set()
        reader.close()


STEP_NS = NS // 208
