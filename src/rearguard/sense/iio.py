"""A gyroscope, and the accelerometer beside it, in the kernel's IIO interface: what their files in sysfs say, set up
for buffered reading, their bytes.

What stands in sysfs is a driver's word and is checked: names, types, indices, scales and rates. The layout of a scan is
that of the kernel's documentation (iio/iio_devbuf): the channels that are on, by index, each aligned to its own size.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from rearguard.errors import PartFailed
from rearguard.sense.rates import G_M_S2
from rearguard.text import clean

SYS = Path("/sys/bus/iio/devices")
LEAST_HZ = 200.0
_MOST_HZ = 2000.0
_MOST_SCALE = 1.0  # rad/s or m/s² a digit
_BUFFER_SCANS, _WATERMARK = 256, 2
_MOST_BYTES = 4096
_MOST_NAME = 64
_MOST_CHANNELS = 64
_TYPE = re.compile(r"([bl]e):([su])(\d{1,2})/(\d{1,2})(?:X(\d{1,3}))?>>(\d{1,2})")
_TIME = "in_timestamp"


@dataclass(frozen=True, slots=True)
class Sensor:
    """What a part measures: the name of its channels, their unit, and what it must be able to tell at least."""

    channel: str
    unit: str
    least: float

    @property
    def axes(self) -> tuple[str, str, str]:
        """Its channels, as the kernel names them."""
        return f"{self.channel}_x", f"{self.channel}_y", f"{self.channel}_z"


GYROSCOPE = Sensor("in_anglvel", "rad/s", math.radians(500.0))  # a trunk turns at 110 deg/s when running
# A trunk lands with 2 to 3 g when running, with 3.5 g and more when it falls. Parts of 8 g tell a little less.
ACCELEROMETER = Sensor("in_accel", "m/s²", 7.5 * G_M_S2)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a scan: where its bytes begin, how many they are, and how they are a number."""

    name: str
    index: int
    big: bool
    signed: bool
    bits: int
    size: int
    shift: int
    at: int = 0

    def value(self, scan: bytes) -> int:
        """Its raw number in a scan."""
        raw = int.from_bytes(scan[self.at : self.at + self.size], "big" if self.big else "little")
        raw = (raw >> self.shift) & ((1 << self.bits) - 1)
        return raw - (1 << self.bits) if self.signed and raw >> (self.bits - 1) else raw

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest number it can tell."""
        half = 1 << (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """A sensor that is set up: its device's name and file, the size of a scan, its axes and time, what a digit is worth
    and its rate."""

    name: str
    node: str
    size: int
    axes: tuple[Channel, Channel, Channel]
    time: Channel
    scales: tuple[float, float, float]
    rate_hz: float

    def sample(self, scan: bytes) -> tuple[int, tuple[float, float, float], bool]:
        """Time in ns, what is told about the sensor's axes, and whether one is at the end of what it can tell."""
        raw = [c.value(scan) for c in self.axes]
        x, y, z = (r * s for r, s in zip(raw, self.scales, strict=True))
        clipped = any(r in c.ends for r, c in zip(raw, self.axes, strict=True))
        return self.time.value(scan), (x, y, z), clipped


def find(wanted: str, root: Path = SYS) -> Path:
    """The folder of the gyroscope called `wanted`; "auto": the first there is. Raises `PartFailed`."""
    seen = []
    for folder in sorted(root.glob("iio:device*")):
        if not re.fullmatch(r"iio:device\d{1,3}", folder.name) or not _has(folder, GYROSCOPE):
            continue
        name = clean(_text(folder / "name", ""), _MOST_NAME)
        if wanted in ("auto", name, folder.name):
            return folder
        seen.append(name)
    there = f"there are: {', '.join(seen)}" if seen else "the kernel knows none; see hardware.md"
    raise PartFailed(f"no gyroscope {'' if wanted == 'auto' else wanted}: {there}".replace(" :", ":"))


def beside(folder: Path) -> Path | None:
    """The folder of the accelerometer of the same part: a gyroscope's own device, or one of the same parent."""
    for other in (folder, *sorted(folder.parent.glob("iio:device*"))):
        if _has(other, ACCELEROMETER) and other.resolve().parent == folder.resolve().parent:
            return other
    return None


def set_up_both(folder: Path) -> tuple[Layout, Layout | None, str]:
    """The gyroscope in `folder` and, where its part has one that works, the accelerometer, both delivering; and what is
    wrong with one that does not work. Raises `PartFailed` for the gyroscope."""
    other = beside(folder)
    if other is None:
        return set_up(folder), None, ""
    try:
        if other == folder:
            gyro, accel = _set_up(folder, (GYROSCOPE, ACCELEROMETER))
        else:
            gyro, (accel,) = set_up(folder), _set_up(other, (ACCELEROMETER,))
    except PartFailed as e:
        return set_up(folder), None, str(e)
    return gyro, accel, ""


def set_up(folder: Path) -> Layout:
    """Make a gyroscope deliver scans of rates and times, fast and wide enough. Raises `PartFailed`."""
    return _set_up(folder, (GYROSCOPE,))[0]


def _has(folder: Path, sensor: Sensor) -> bool:
    return all((folder / "scan_elements" / f"{axis}_en").exists() for axis in sensor.axes)


def _set_up(folder: Path, sensors: tuple[Sensor, ...]) -> list[Layout]:
    """Make one device deliver what its sensors tell, and times."""
    scan = folder / "scan_elements"
    needed = {_TIME, *(axis for sensor in sensors for axis in sensor.axes)}
    chosen = [_choose(folder, sensor) for sensor in sensors]
    _check_places(scan, [_channel(scan, axis) for sensor in sensors for axis in sensor.axes])
    if not _ready(folder, needed):
        _write(folder / "buffer" / "enable", "0")
        _write(folder / "current_timestamp_clock", "monotonic")
        for switch in sorted(scan.glob("*_en")):
            _write(switch, "1" if switch.name.removesuffix("_en") in needed else "0")
        _trigger(folder)
        _write(folder / "buffer" / "length", str(_BUFFER_SCANS))
        if (folder / "buffer" / "watermark").exists():
            _write(folder / "buffer" / "watermark", str(_WATERMARK))
        _write(folder / "buffer" / "enable", "1")
    channels, size = _layout(scan)
    if missing := needed - channels.keys():
        raise PartFailed(f"{folder.name}: {', '.join(sorted(missing))} cannot be switched on")
    if _text(folder / "current_timestamp_clock", "monotonic") != "monotonic":
        raise PartFailed(f"{folder.name}: its time stamps are of another clock than the camera's")
    name = clean(_text(folder / "name", folder.name), _MOST_NAME)
    time = channels[_TIME]
    if time.bits != 64:
        raise PartFailed(f"{folder.name}: time stamps of {time.bits} bits are not of this kernel")
    layouts = []
    for sensor, (rate_hz, scales) in zip(sensors, chosen, strict=True):
        x, y, z = (channels[a] for a in sensor.axes)
        layouts.append(Layout(name, folder.name, size, (x, y, z), time, scales, rate_hz))
    return layouts


def _choose(folder: Path, sensor: Sensor) -> tuple[float, tuple[float, float, float]]:
    """The rate and the scales, the device's own where they will do, else the nearest that will."""
    names = ("sampling_frequency", f"{sensor.channel}_sampling_frequency")
    rate = next((name for name in names if (folder / name).exists()), "")
    rate_hz = _number(folder / rate) if rate else 0.0
    if not LEAST_HZ <= rate_hz <= _MOST_HZ:
        offered = _numbers(folder / f"{rate}_available") if rate else []
        fit = [hz for hz in offered if LEAST_HZ <= hz <= _MOST_HZ]
        if not fit:
            raise PartFailed(f"{folder.name}: it tells {rate_hz:g} rates a second, {LEAST_HZ:g} are needed")
        rate_hz = min(fit)
        _write(folder / rate, f"{rate_hz:g}")
    one = folder / f"{sensor.channel}_scale"
    files = [one] * 3 if one.exists() else [folder / f"{axis}_scale" for axis in sensor.axes]
    bits = [_channel(folder / "scan_elements", axis).bits for axis in sensor.axes]
    scales = []
    for file, digits in zip(files, bits, strict=True):
        scale = _number(file)
        if scale * 2 ** (digits - 1) < sensor.least:
            wide = _numbers(file.with_name(f"{file.name}_available"))
            wide = [s for s in wide if s * 2 ** (digits - 1) >= sensor.least and s <= _MOST_SCALE]
            if wide:
                scale = min(wide)
                _write(file, f"{scale:.9f}")
        if not 0 < scale <= _MOST_SCALE:
            raise PartFailed(f"{folder.name}: {file.name} says {scale:g} {sensor.unit} a digit")
        scales.append(scale)
    return rate_hz, (scales[0], scales[1], scales[2])


def _ready(folder: Path, needed: set[str]) -> bool:
    """Whether it runs as wanted: who set it up at boot may have been allowed more."""
    on = {f.name.removesuffix("_en") for f in (folder / "scan_elements").glob("*_en") if _text(f, "0") == "1"}
    return (
        needed <= on
        and _text(folder / "buffer" / "enable", "0") == "1"
        and _text(folder / "current_timestamp_clock", "") == "monotonic"
    )


def _trigger(folder: Path) -> None:
    """A device without a line of its own that says when it has something is asked by a timer, if there is one."""
    current = folder / "trigger" / "current_trigger"
    if not current.exists() or _text(current, ""):
        return
    for trigger in sorted(folder.parent.glob("trigger*")):
        name = _text(trigger / "name", "")
        if name:
            _write(current, name)
            return
    raise PartFailed(f"{folder.name}: it has neither an interrupt line nor a trigger; see hardware.md")


def _layout(scan: Path) -> tuple[dict[str, Channel], int]:
    """The channels that are on by name, each with its place, and the size of a scan in bytes."""
    names = [f.name.removesuffix("_en") for f in sorted(scan.glob("*_en")) if _text(f, "0") == "1"]
    if len(names) > _MOST_CHANNELS:
        raise PartFailed(f"{scan.parent.name}: {len(names)} channels are more than a sensor has")
    found = sorted((_channel(scan, name) for name in names), key=lambda c: c.index)
    _check_places(scan, found)
    at, widest, placed = 0, 1, {}
    for c in found:
        at = -(-at // c.size) * c.size
        placed[c.name] = Channel(c.name, c.index, c.big, c.signed, c.bits, c.size, c.shift, at)
        at, widest = at + c.size, max(widest, c.size)
    return placed, -(-at // widest) * widest


def _check_places(scan: Path, channels: list[Channel]) -> None:
    if len({c.index for c in channels}) < len(channels):
        raise PartFailed(f"{scan.parent.name}: two channels have the same index")


def _channel(scan: Path, name: str) -> Channel:
    """A channel as its files describe it."""
    text, index = _text(scan / f"{name}_type", ""), _number(scan / f"{name}_index")
    found = _TYPE.fullmatch(text)
    if found is None or not 0 <= index < 256 or index != int(index):
        raise PartFailed(f"{scan.parent.name}: {name} is of no known type: {clean(text, 40)!r}")
    order, sign, bits, storage, repeat, shift = found.groups()
    used, held, moved = int(bits), int(storage), int(shift)
    if held not in (8, 16, 32, 64) or not 1 <= used <= held - moved or int(repeat or 1) != 1:
        raise PartFailed(f"{scan.parent.name}: {name} is of no known type: {clean(text, 40)!r}")
    return Channel(name, int(index), order == "be", sign == "s", used, held // 8, moved)


# ── files of sysfs ──────────────────────────────────────────────────────────────────────────────────────


def _text(file: Path, otherwise: str) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return otherwise


def _number(file: Path) -> float:
    return next(iter(_parsed(_text(file, "").split()[:1])), 0.0)


def _numbers(file: Path) -> list[float]:
    """What a file ending in _available lists; of "[least step most]" the steps up to a few hundred."""
    text = _text(file, "")
    found = _parsed(text.strip("[]").split())
    if text.startswith("[") and len(found) == 3 and found[1] > 0:
        least, step, most = found
        count = min(int((most - least) / step), 1000) if most > least else 0
        return [least + step * i for i in range(count + 1)]
    return found


def _parsed(words: list[str]) -> list[float]:
    found = []
    for word in words[:1000]:
        try:
            value = float(word)
        except ValueError:
            continue
        if math.isfinite(value) and abs(value) < 1e12:
            found.append(value)
    return found


def _write(file: Path, text: str) -> None:
    if _text(file, "") == text:
        return
    try:
        file.write_text(text)
    except OSError as e:
        raise PartFailed(
            f"{file.parent.name}/{file.name}: cannot be set to {text}: {e.strerror}; see hardware.md"
        ) from e
