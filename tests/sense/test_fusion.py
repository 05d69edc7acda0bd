"""The camera's turn by gyroscope and image flow together: right, honest, and never worse than flow for a bad sensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from rearguard.clock import NS_PER_S
from rearguard.ego.pinhole import turn
from rearguard.sense.fusion import GyroFusion
from rearguard.sense.rates import Array, Recorded, Ring, turn_of
from rearguard.sense.source import mount_of
from rearguard.types import EgoMotion

HZ, FPS = 208.0, 15.0
NO_TURN = np.zeros(3)


def stride(t: Array, amplitude: float = 1.2) -> Array:
    """Rates (n, 3) of a trunk about right, down and ahead, rad/s."""
    step = 2 * math.pi * 1.5 * t
    return amplitude * np.stack([0.4 * np.sin(2 * step), np.sin(step), 0.3 * np.cos(step)], axis=1)


def still(t: Array) -> Array:
    """Who stands sways a little."""
    return 0.02 * np.stack([np.sin(2 * t), np.sin(3 * t + 1), np.sin(2.5 * t + 2)], axis=1)


def stands_then_runs(t: Array) -> Array:
    return np.where((t < 5.0)[:, None], still(t), stride(t))


def matrix(vector: Array) -> Array:
    """The rotation (3, 3) of a rotation vector: the new axes in the old ones, as columns."""
    return turn(EgoMotion(float(vector[1]), -float(vector[0]), float(vector[2]))).T


def true_turn(rates: Callable[[Array], Array], from_s: float, to_s: float) -> Array:
    """The turn between two moments in fine steps, as a matrix."""
    edges = np.linspace(from_s, to_s, 400)
    middle = rates(0.5 * (edges[1:] + edges[:-1]))
    turned = np.eye(3)
    for w in middle * np.diff(edges)[:, None]:
        turned = turned @ matrix(w)
    return turned


class Walk:
    """A wearer with a gyroscope, and by how much what is told of the turns is off."""

    def __init__(
        self,
        rates: Callable[[Array], Array] = stands_then_runs,
        seconds: float = 15.0,
        *,
        zero: Array = NO_TURN,
        flow_wrong: Callable[[float], Array] = lambda _: NO_TURN,
        spoil: Callable[[Array, Array], Array] = lambda _, w: w,
        late_s: float = 0.0,
        seed: int = 1,
    ) -> None:
        rng = np.random.default_rng(seed)
        t = np.arange(-0.1, seconds + 0.1, 1 / HZ)
        told = spoil(t, rates(t) + zero + rng.normal(0, 6.6e-4, (len(t), 3)))
        clipped = (np.abs(told) >= math.radians(499)).any(axis=1)
        self.fusion = GyroFusion(
            Recorded(((t + late_s) * NS_PER_S).astype(np.int64), told, clipped), np.eye(3)
        )
        self.errors: list[Array] = []
        self.told: list[EgoMotion] = []
        self.flows: list[EgoMotion] = []
        self.whys: list[str] = []
        for i in range(int(seconds * FPS)):
            now = i / FPS
            true = true_turn(rates, now - 1 / FPS, now) if i else np.eye(3)
            vector = rotation_vector(true)
            moves = float(np.abs(rates(np.array([now]))).max()) > 0.1
            noise = rng.normal(0, (0.0065 if moves else 0.0005) / math.sqrt(FPS), 3)
            seen = vector + noise + flow_wrong(now) / FPS
            flow = EgoMotion(seen[1], -seen[0], seen[2], 0.9) if i else EgoMotion()
            told = self.fusion.fuse(flow, round(now * NS_PER_S))
            self.flows.append(flow)
            self.told.append(told)
            self.errors.append(np.array([-told.pitch_rad, told.yaw_rad, told.roll_rad]) - vector)
            self.whys.append(self.fusion.trust.why)

    def drift(self, from_s: float) -> float:
        """How far the summed error gets, rad, from a time on."""
        return float(np.abs(np.cumsum(self.errors[int(from_s * FPS) :], axis=0)).max())


def rotation_vector(m: Array) -> Array:
    """Of a small rotation (3, 3)."""
    half = 0.5 * np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    s = float(np.linalg.norm(half))
    vector: Array = half * (math.asin(min(s, 1.0)) / s if s > 1e-9 else 1.0)
    return vector


def test_rates_add_up_to_the_turn_that_a_picture_would_show() -> None:
    t = np.arange(-0.1, 1.1, 1 / HZ)
    recorded = Recorded((t * NS_PER_S).astype(np.int64), stride(t, 2.0))
    for from_s in np.arange(0.0, 0.9, 0.07):
        window = recorded.window(round(from_s * NS_PER_S), round((from_s + 0.1) * NS_PER_S))
        assert window is not None
        assert turn_of(window) == pytest.approx(
            rotation_vector(true_turn(lambda t: stride(t, 2.0), from_s, from_s + 0.1)), abs=4e-4
        )


def test_what_is_not_known_of_a_time_is_no_turn() -> None:
    at = np.arange(0, NS_PER_S, NS_PER_S // 200)
    known = Recorded(at, np.zeros((len(at), 3)))
    assert known.window(-5, 1000) is None  # before
    assert known.window(NS_PER_S // 2, 2 * NS_PER_S) is None  # after
    assert known.window(500, 500) is None
    holes = Recorded(np.delete(at, slice(50, 80)), np.zeros((len(at) - 30, 3)))
    assert holes.window(0, NS_PER_S // 2) is None
    assert holes.window(NS_PER_S // 2, NS_PER_S - NS_PER_S // 10) is not None
    assert Ring().window(0, 5) is None


def test_a_ring_tells_what_a_recording_of_the_same_tells() -> None:
    at = np.arange(0, 2 * NS_PER_S, NS_PER_S // 208)
    rate = stride(at / NS_PER_S)
    recorded, ring = Recorded(at, rate), Ring()
    for t, (x, y, z) in zip(at.tolist(), rate.tolist(), strict=True):
        assert ring.add(t, (x, y, z), clipped=False)
        assert not ring.add(t, (9.0, 9.0, 9.0), clipped=False)  # the same once more
    for ends in ((100, 10**8), (5 * 10**8, 6 * 10**8), (10**9, 10**9 + 1)):
        a, b = recorded.window(*ends), ring.window(*ends)
        assert a is not None
        assert b is not None
        assert np.array_equal(a.at_s, b.at_s)
        assert np.array_equal(a.rate, b.rate)
    ring.clear()
    assert ring.window(100, 10**8) is None


def test_the_turn_drifts_a_fifth_as_far_as_that_of_flow_alone() -> None:
    walk = Walk(zero=np.radians([0.9, -1.2, 0.7]))
    alone = np.cumsum(np.random.default_rng(1).normal(0, 0.0065 / math.sqrt(FPS), (150, 3)), axis=0)
    assert walk.drift(5.0) < 0.2 * float(np.abs(alone).max()) + 0.004
    assert walk.fusion.zero_rad_s == pytest.approx(np.radians([0.9, -1.2, 0.7]), abs=math.radians(0.1))
    assert not any(walk.whys)


def test_what_is_said_to_be_unsure_is_what_the_summed_error_is() -> None:
    ends, told = [], []
    for seed in range(12):
        walk = Walk(zero=np.radians(np.random.default_rng(seed).normal(0, 1, 3)), seed=seed, seconds=9.0)
        ends += list(np.sum(walk.errors[int(5 * FPS) :], axis=0))
        told.append(math.sqrt(sum(e.sd_rad**2 for e in walk.told[int(5 * FPS) :])))
    assert float(np.std(ends)) < 2 * float(np.mean(told))
    assert float(np.mean(told)) < 0.01  # flow alone: 0.013


def test_near_things_that_go_by_turn_no_camera() -> None:
    """Of a hedge to the right, image flow makes a turn to the left of 5 degrees a second, for three seconds."""
    hedge = np.array([0.0, -math.radians(5.0), 0.0])
    walk = Walk(flow_wrong=lambda t: hedge if 8 < t < 11 else NO_TURN)
    assert walk.drift(5.0) < math.radians(1.5)
    assert not any(walk.whys)


def test_how_late_the_clocks_are_to_each_other_is_found() -> None:
    walk = Walk(late_s=0.008, seconds=30.0)
    assert walk.fusion.offset_s == pytest.approx(0.008, abs=0.002)


def test_the_picture_goes_dark_and_turns_are_still_known() -> None:
    walk = Walk()
    dark = walk.fusion.fuse(EgoMotion(), round(15.0 * NS_PER_S))
    assert dark.known
    assert dark.felt


BAD: dict[str, tuple[Callable[[Array, Array], Array], str]] = {
    "stuck": (lambda t, w: np.where((t > 8)[:, None], w[500], w), "stuck"),
    "silent zero": (lambda t, w: np.where((t > 8)[:, None], 0.0, w), "stuck"),
    "clipped": (
        lambda t, w: np.where((t > 8)[:, None], np.clip(40 * w, *np.radians([-500, 500])), w),
        "end of what it can tell",
    ),
    "axes swapped": (lambda t, w: np.where((t > 8)[:, None], w[:, [1, 2, 0]], w), "disagrees"),
    "turned round": (lambda t, w: np.where((t > 8)[:, None], -w, w), "disagrees"),
    "twice too much": (lambda t, w: np.where((t > 8)[:, None], 2 * w, w), "disagrees"),
    "noise": (
        lambda t, w: np.where((t > 8)[:, None], np.random.default_rng(3).normal(0, 1.5, w.shape), w),
        "disagrees",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_sensor_is_told_and_flow_goes_on(kind: str) -> None:
    spoil, why = BAD[kind]
    walk = Walk(spoil=spoil)
    assert not any(walk.whys[: int(7.9 * FPS)])
    first = next((i for i, w in enumerate(walk.whys) if w), None)
    assert first is not None, walk.fusion.trust.why
    assert first / FPS < 10.0
    assert why in walk.whys[-1]
    assert walk.told[-int(3 * FPS) :] == walk.flows[-int(3 * FPS) :]
    worst = np.abs(np.cumsum(walk.errors[int(8 * FPS) : int(10 * FPS)], axis=0)).max()
    assert worst < 0.5  # what a wrong sensor may do before it is found out


def test_a_zero_beyond_all_data_sheets_is_told() -> None:
    walk = Walk(still, zero=np.radians([0.0, 9.0, 0.0]))
    assert any(walk.whys)


def test_a_sensor_that_stops_is_told_and_one_that_comes_back_is_used() -> None:
    t = np.concatenate([np.arange(0, 8, 1 / HZ), np.arange(10, 20, 1 / HZ)])
    fusion = GyroFusion(Recorded((t * NS_PER_S).astype(np.int64), still(t)), np.eye(3))
    whys, felt = [], []
    for i in range(int(19 * FPS)):
        vector = rotation_vector(true_turn(still, (i - 1) / FPS, i / FPS))
        ego = fusion.fuse(EgoMotion(vector[1], -vector[0], vector[2], 0.9), round(i / FPS * NS_PER_S))
        whys.append(fusion.trust.why)
        felt.append(ego.felt)
    assert "tells nothing" in whys[int(9 * FPS)]
    assert not felt[int(9 * FPS)]
    assert not whys[-1]
    assert felt[-1]


def test_how_it_sits_is_a_turn_to_the_cameras_axes() -> None:
    mount = mount_of((0.0, 0.0, 90.0))  # turned clockwise as the camera sees it: its x points down
    assert mount @ np.array([1.0, 0.0, 0.0]) == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)
    assert mount_of((0.0, 0.0, 0.0)) == pytest.approx(np.eye(3))
