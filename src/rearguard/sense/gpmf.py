"""The gyroscope and accelerometer in a GoPro's recording: how its picture turns, and what pulls at it, out of its GPMF
telemetry.

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
MOST_M_S2 = 160.0  # the same of an accelerometer: 16 g
_LATE_S = 0.020  # the telemetry's times behind the pictures', as measured on a GoPro Max against its own orientation
ZERO_SD_RAD_S = math.radians(0.05)  # the camera takes its zero out: within 0.03 deg/s of its own orientation
_HEAD = struct.Struct(">4sBBH")
_ORDER = "ZXY"  # of the axes of GYRO where none is told
_LEAST = 20  # samples that are worth anything
_Axes = tuple[float, float, float]


@dataclass
class Telemetry:
    """What one payload told: rates (rad/s) and accelerations (m/s², at rest 9.8 upwards) about x to the right, y ahead,
    z up, of the camera turned the other way round; and how each picture is turned against the camera (w, x, y, z)."""

    gyro: list[_Axes] = field(default_factory=list)
    accel: list[_Axes] = field(default_factory=list)
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
        elif key in (b"GYRO", b"ACCL") and kind == ord("s") and size == 6:
            (told.gyro if key == b"GYRO" else told.accel).extend(_axes(body, scale, order))
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


def picture_motion(path: Path) -> tuple[Recorded | None, Recorded | None]:
    """How the picture turned, about its own axes (right, down, ahead), on the recording's clock, and the accelerations
    (m/s²) about the same axes; None for what it does not tell."""
    import av

    try:
        told = list(payloads(path))
    except (av.FFmpegError, OSError, ValueError):
        return None, None
    rates = _samples([(begins_s, lasts_s, t.gyro) for begins_s, lasts_s, t in told], MOST_RAD_S)
    if rates is None:
        return None, None
    accel = _samples([(begins_s, lasts_s, t.accel) for begins_s, lasts_s, t in told], MOST_M_S2)
    at = np.concatenate([spread(begins_s, lasts_s, len(t.picture), at=0.0) for begins_s, lasts_s, t in told])
    how = np.concatenate([np.array(t.picture, float).reshape(-1, 4) for *_, t in told])
    if len(at) > 1 and (np.diff(at) > 0).all():
        rates = rates[0], _as_shown(*rates, at, how)
        accel = accel and (accel[0], _in_picture(accel[1], *_turned(accel[0], at, how)))
    return _recorded(rates), accel and _recorded(accel)


def _samples(told: list[tuple[float, float, list[_Axes]]], most: float) -> tuple[Array, Array] | None:
    """Times (n,) in seconds and what is told then about the camera's axes (n, 3); None where that is of no use."""
    t = np.concatenate([np.zeros(0), *(spread(at - _LATE_S, lasts_s, len(v)) for at, lasts_s, v in told)])
    x_y_z = np.concatenate([np.array(v, float).reshape(-1, 3) for *_, v in told] or [np.zeros((0, 3))])
    good = (np.diff(t, prepend=-math.inf) > 0) & (np.abs(x_y_z) < most).all(axis=1)
    t, x_y_z = t[good], x_y_z[good]
    return (t, -x_y_z[:, [0, 2, 1]]) if len(t) >= _LEAST and (np.diff(t) > 0).all() else None


def _recorded(samples: tuple[Array, Array]) -> Recorded:
    return Recorded(np.round(samples[0] * NS_PER_S).astype(np.int64), samples[1])


def spread(begins_s: float, lasts_s: float, count: int, at: float = 0.5) -> Array:
    """Times of `count` samples that fill a payload, each `at` its share of it."""
    times: Array = begins_s + lasts_s * (np.arange(count) + at) / max(count, 1)
    return times


def _as_shown(t_s: Array, turning: Array, at_s: Array, how: Array) -> Array:
    """Rates of the picture (n, 3) of rates of the camera, the picture being turned against it by `how` (m, 4) at times
    `at_s` (m,), all in the camera's axes; the quaternions are of the way from the picture to the camera."""
    w, v = _turned(t_s, at_s, how)
    # The picture's own turning against the camera: twice the vector part of the conjugate times the change.
    dw = np.gradient(w[:, 0], t_s)[:, None]
    dv = np.gradient(v, t_s, axis=0)
    result: Array = _in_picture(turning, w, v) + 2 * (w * dv - dw * v - np.cross(v, dv))
    return result


def _turned(t_s: Array, at_s: Array, how: Array) -> tuple[Array, Array]:
    """How the picture is turned at each of the times (n,): scalar (n, 1) and vector (n, 3) of unit quaternions."""
    how = how / np.linalg.norm(how, axis=1, keepdims=True)
    how *= np.where(np.cumprod(np.concatenate([[1.0], np.sign(_dots(how[1:], how[:-1]))])) < 0, -1.0, 1.0)[
        :, None
    ]
    mixed = np.stack([np.interp(t_s, at_s, column) for column in how.T], axis=1)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed[:, :1], -mixed[:, 1:]


def _in_picture(vectors: Array, w: Array, v: Array) -> Array:
    """What is told about the camera's axes (n, 3), about the picture's: turned back by the picture's own turn."""
    cross = np.cross(-v, vectors)
    result: Array = vectors + 2 * (w * cross + np.cross(-v, cross))
    return result


def _dots(a: Array, b: Array) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (a * b).sum(axis=1)
    return result
