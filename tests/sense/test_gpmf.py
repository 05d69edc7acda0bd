"""The gyroscope that a GoPro's recording carries: read with care, and in agreement with its pictures."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearguard.ego.flow import FlowEgo
from rearguard.ego.pinhole import Pinhole
from rearguard.sense.fusion import GyroFusion
from rearguard.sense.gpmf import ZERO_SD_RAD_S, _as_shown, picture_motion, read_payload
from rearguard.sense.rates import turn_of


def item(key: bytes, kind: str, size: int, values: bytes) -> bytes:
    """A key, its type, size and count, and its values padded to four bytes."""
    return (
        struct.pack(">4scBH", key, kind.encode(), size, len(values) // size)
        + values
        + bytes(-len(values) % 4)
    )


def nest(key: bytes, *items: bytes) -> bytes:
    body = b"".join(items)
    return struct.pack(">4sBBH", key, 0, 1, len(body)) + body


def payload(orin: bytes = b"XzY") -> bytes:
    stream = nest(
        b"STRM",
        item(b"ORIN", "c", 3, orin),
        item(b"SCAL", "s", 2, struct.pack(">h", 100)),
        item(b"GYRO", "s", 6, struct.pack(">6h", 100, 200, 300, -100, 0, 50)),
    )
    accel = nest(
        b"STRM",
        item(b"ORIN", "c", 3, orin),
        item(b"SCAL", "s", 2, struct.pack(">h", 50)),
        item(b"ACCL", "s", 6, struct.pack(">3h", 0, -490, 50)),
    )
    quaternion = item(b"IORI", "s", 8, struct.pack(">4h", 32767, 0, 0, 0))
    return nest(b"DEVC", item(b"DVNM", "c", 5, b"Model"), stream, accel, nest(b"STRM", quaternion))


def test_samples_are_told_by_the_axes_that_the_camera_names() -> None:
    told = read_payload(payload())
    assert told.gyro == [(1.0, 3.0, -2.0), (-1.0, 0.5, 0.0)]
    assert told.accel == [(0.0, 1.0, 9.8)]
    assert told.picture == [(32767, 0, 0, 0)]
    assert read_payload(payload(b"XYZ")).gyro[0] == (1.0, 2.0, 3.0)


def test_a_payload_that_is_cut_tells_what_is_whole_and_never_fails() -> None:
    whole = payload()
    for end in range(len(whole)):
        assert len(read_payload(whole[:end]).gyro) <= 2


@given(st.binary(max_size=300))
def test_anything_is_read_without_a_fault(data: bytes) -> None:
    read_payload(data)
    read_payload(payload() + data)
    read_payload(nest(b"DEVC", data[:200]))


def test_nests_within_nests_have_an_end() -> None:
    data = item(b"GYRO", "s", 6, bytes(6))
    for _ in range(300):
        data = nest(b"STRM", data)
    assert read_payload(data).gyro == []


def test_a_picture_that_is_held_steady_does_not_turn() -> None:
    """The camera rolls one way and the other, the picture is turned back by as much: nothing is left of it."""
    t = np.arange(0, 2, 1 / 200)
    angle = 0.2 * np.sin(2 * math.pi * t)
    turning = np.zeros((len(t), 3))
    turning[:, 2] = 0.2 * 2 * math.pi * np.cos(2 * math.pi * t)
    how = np.stack([np.cos(angle / 2), np.zeros_like(t), np.zeros_like(t), np.sin(angle / 2)], axis=1)
    how[::3] *= -1  # the same turns
    left = _as_shown(t, turning, t, how)
    assert np.abs(left[5:-5]).max() < 0.02
    assert (
        np.abs(_as_shown(t, turning, t, how * [1, 0, 0, 0] + [[1e-9, 0, 0, 0]])[5:-5] - turning[5:-5]).max()
        < 0.1
    )


def test_a_film_without_telemetry_has_no_gyroscope(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film at all")
    assert picture_motion(tmp_path / "film.mp4")[0] is None
    assert picture_motion(tmp_path / "missing.mp4")[0] is None


def test_on_a_real_walk_picture_and_gyroscope_agree_and_a_hedge_turns_no_camera(shared_data: Path) -> None:
    import av

    walk = shared_data / "gopro_walk" / "gopro_walk_path.mp4"
    rates, accel = picture_motion(walk)
    assert rates is not None
    fusion = GyroFusion(rates, np.eye(3), zero_sd_rad_s=ZERO_SD_RAD_S, steadied=True, accel=accel)
    seen, felt, fused, by_gravity, last_ns = [], [], [], [], None
    with av.open(str(walk)) as film:
        stream = film.streams.video[0]
        flow = FlowEgo(Pinhole.from_fov(stream.width, stream.height, 94.0))
        for frame in film.decode(stream):
            at_ns = round(float(frame.pts * stream.time_base) * 1e9)
            ego = flow.estimate_turn(frame.to_ndarray(format="bgr24"))
            told = fusion.fuse(ego, at_ns)
            assert not fusion.trust.why
            by_gravity.append(fusion.level(told, at_ns))
            if last_ns is not None and (window := rates.window(last_ns, at_ns)) is not None:
                felt.append(turn_of(window))
                seen.append((-ego.pitch_rad, ego.yaw_rad, ego.roll_rad))
                fused.append(told.yaw_rad)
            last_ns = at_ns
    assert len(felt) > 300
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in zip(np.array(seen).T, np.array(felt).T, strict=True)]
    assert min(pairs) > 0.9
    # From 3 to 5 s the path goes straight on; bushes come by on the right.
    hedge = slice(90, 150)
    by_picture, by_both = sum(s[1] for s in seen[hedge]), sum(fused[hedge])
    assert -4 < math.degrees(by_picture) < -2
    assert abs(math.degrees(by_both)) < 1
    # The horizon is 50 rows above the middle after two seconds, where the lens shows 7.2 degrees; it lies level.
    pitch, roll = zip(*((g.pitch_rad, g.roll_rad) for g in by_gravity[30:] if g is not None), strict=True)
    assert len(pitch) == len(by_gravity) - 30
    assert math.degrees(pitch[30]) == pytest.approx(7.2, abs=1.5)
    assert math.degrees(np.abs(roll).max()) < 2.5
    # Within half a second gravity tells the nodding that the picture shows.
    nods = np.cumsum([-s[0] for s in seen[30:]])
    change, shown = np.subtract(pitch[15:], pitch[:-15])[: len(nods) - 15], nods[15:] - nods[:-15]
    assert np.corrcoef(change[: len(shown)], shown[: len(change)])[0, 1] > 0.9
