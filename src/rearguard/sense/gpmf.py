"""The gyroscope in a GoPro's recording: rates of the picture out of its GPMF telemetry.

Payloads are nests of key, type, size, count and values (GPMF as published by GoPro: big-endian, padded to four bytes);
whatever is no such thing is passed over. A camera that steadies its pictures says how it turned them (IORI): what
counts is how the picture turns, not the camera.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rearguard.clock import NS_PER_S
from rearguard.sense.rates import Array, Recorded

_MOST_PAYLOADS = 20_000  # of a second each
_MOST_DEPTH = 4
MOST_RAD_S = 35.0  # all that such a gyroscope, or a phone's, can tell
_LATE_S = 0.020  # the telemetry's times behind the pictures', as measured on a GoPro Max against its own orientation
ZERO_SD_RAD_S = math.radians(0.05)  # the camera takes its zero out: within 0.03 deg/s of its own orientation
_HEAD = struct.Struct(">4sBBH")
_ORDER = "ZXY"  # of the axes of GYRO where none is told
_LEAST = 20  # samples that are worth anything


@dataclass
class Telemetry:
    """What one payload told: rates (rad/s) about x to the right, y ahead, z up, of the camera turned the other way
    round; and how each picture is turned against the camera (w, x, y, z)."""

    gyro: list[tuple[float, float, float]] = field(default_factory=list)
    picture: list[tuple[float, float, float, float]] = field(default_factory=list)


def read_payload(data: bytes) -> Telemetry:
    """The samples of one payload."""
    told = Telemetry()
    _walk(data, told, 0)
    return told


def _walk(data: bytes, told: Telemetry, depth: int) -> None:
    at, scale, order = 0, 1.0, _ORDER
    while at + _HEAD.size <= len(data):
        key, kind, size, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        body = data[at : at + size * count]
        at += -(-size * count // 4) * 4
        if len(body) < size * count:
            return
        if kind == 0 and depth < _MOST_DEPTH:
            _walk(body, told, depth + 1)
        elif key == b"SCAL" and kind == ord("s") and size == 2 and body:
            scale = float(struct.unpack_from(">h", body)[0]) or 1.0
        elif key == b"ORIN" and kind == ord("c"):
            letters = body.decode("ascii", "replace")
            order = letters if sorted(letters.upper()) == ["X", "Y", "Z"] else _ORDER
        elif key == b"GYRO" and kind == ord("s") and size == 6:
            told.gyro.extend(_axes(body, scale, order))
        elif key == b"IORI" and kind == ord("s") and size == 8:
            told.picture.extend(q for q in struct.iter_unpack(">4h", body) if any(q))


def _axes(body: bytes, scale: float, order: str) -> Iterator[tuple[float, float, float]]:
    """Samples by axis: ORIN names the axis of each value, small when it is turned round."""
    places = [order.upper().index(axis) for axis in "XYZ"]
    signs = [-1.0 if order[place].islower() else 1.0 for place in places]
    for sample in struct.iter_unpack(">3h", body):
        x, y, z = (sign * sample[place] / scale for sign, place in zip(signs, places, strict=True))
        yield x, y, z


def payloads(path: Path) -> Iterator[tuple[float, float, Telemetry]]:
    """(begins s, lasts s, samples) of each payload of a recording, in order. Raises what PyAV raises."""
    import av

    with av.open(str(path)) as film:
        if not film.streams.data:
            return
        for packet in itertools.islice(film.demux(film.streams.data), _MOST_PAYLOADS):
            if packet.pts is None or packet.duration is None or packet.time_base is None:
                continue
            told = read_payload(bytes(packet))
            if told.gyro:
                yield float(packet.pts * packet.time_base), float(packet.duration * packet.time_base), told


def picture_rates(path: Path) -> Recorded | None:
    """How the picture turned, about its own axes (right, down, ahead), on the recording's clock; None where it does not
    tell."""
    import av

    times, rates, shown_s, shown = [], [], [], []
    try:
        for begins_s, lasts_s, told in payloads(path):
            times.append(spread(begins_s - _LATE_S, lasts_s, len(told.gyro)))
            rates.append(np.array(told.gyro))
            shown_s.append(spread(begins_s, lasts_s, len(told.picture), at=0.0))
            shown.append(np.array(told.picture, float).reshape(-1, 4))
    except (av.FFmpegError, OSError, ValueError):
        return None
    if not times:
        return None
    t, x_y_z = np.concatenate(times), np.concatenate(rates)
    good = np.concatenate([[True], np.diff(t) > 0]) & (np.abs(x_y_z) < MOST_RAD_S).all(axis=1)
    t, x_y_z = t[good], x_y_z[good]
    if len(t) < _LEAST or not (np.diff(t) > 0).all():
        return None
    turning = -x_y_z[:, [0, 2, 1]]
    at, how = np.concatenate(shown_s), np.concatenate(shown)
    if len(at) > 1 and (np.diff(at) > 0).all():
        turning = _as_shown(t, turning, at, how)
    return Recorded(np.round(t * NS_PER_S).astype(np.int64), turning)


def spread(begins_s: float, lasts_s: float, count: int, at: float = 0.5) -> Array:
    """Times of `count` samples that fill a payload, each `at` its share of it."""
    times: Array = begins_s + lasts_s * (np.arange(count) + at) / max(count, 1)
    return times


def _as_shown(t_s: Array, turning: Array, at_s: Array, how: Array) -> Array:
    """Rates of the picture (n, 3) of rates of the camera, the picture being turned against it by `how` (m, 4) at times
    `at_s` (m,), all in the camera's axes; the quaternions are of the way from the picture to the camera."""
    how = how / np.linalg.norm(how, axis=1, keepdims=True)
    how *= np.where(np.cumprod(np.concatenate([[1.0], np.sign(_dots(how[1:], how[:-1]))])) < 0, -1.0, 1.0)[
        :, None
    ]
    mixed = np.stack([np.interp(t_s, at_s, column) for column in how.T], axis=1)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    w, v = mixed[:, :1], -mixed[:, 1:]
    # The camera's rates in the picture's axes: turned back by the picture's own turn (w, v).
    cross = np.cross(-v, turning)
    seen = turning + 2 * (w * cross + np.cross(-v, cross))
    # The picture's own turning against the camera: twice the vector part of the conjugate times the change.
    dw = np.gradient(mixed[:, 0], t_s)[:, None]
    dv = -np.gradient(mixed[:, 1:], t_s, axis=0)
    result: Array = seen + 2 * (w * dv - dw * v - np.cross(v, dv))
    return result


def _dots(a: Array, b: Array) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (a * b).sum(axis=1)
    return result
