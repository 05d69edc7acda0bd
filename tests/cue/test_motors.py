"""What arrives at the pins, read from gpiozero's own mock pins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from rearguard.clock import NS_PER_S
from rearguard.config.cue import Cue as CueConfig
from rearguard.cue import motors as module
from rearguard.cue.motors import Motors, Player, open_motors
from rearguard.cue.table import CUES, CueRow
from rearguard.errors import PartFailed
from rearguard.types import CueName, Side


@pytest.fixture(autouse=True)
def mock_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")


@pytest.fixture
def three() -> Iterator[Motors]:
    with open_motors(CueConfig(pins=[17, 18, 27])) as motors:
        yield motors


def play(
    motors: Motors, config: CueConfig, row: CueRow, side: Side = Side.CENTRE
) -> list[tuple[float, tuple[float, ...]]]:
    """Every change of the duties, in seconds of a clock that stands where `tick` asks."""
    changes: list[tuple[float, tuple[float, ...]]] = []
    player = Player(motors, config, lambda at_ns, duties: changes.append((at_ns / NS_PER_S, duties)))
    due = player.play(row, side, 0)
    while due is not None:
        due = player.tick(due)
    return changes


def states(pin: object) -> list[float]:
    return [s.state for s in pin.states]  # type: ignore[attr-defined]


def test_caution_on_one_motor_with_overdrive() -> None:
    config = CueConfig(pins=[18], duty_cap=0.62, overdrive_s=0.05)
    with open_motors(config) as motors:
        changes = play(motors, config, CUES[CueName.CAUTION])
        assert changes == [
            (0.0, (1.0,)), (0.05, (0.62,)), (0.1, (0.0,)), (0.18, (1.0,)), (0.23, (0.62,)), (0.28, (0.0,)),
        ]  # fmt: skip
        assert states(motors.pins[0]) == [0.0, 1.0, 0.62, 0.0, 1.0, 0.62, 0.0]


@pytest.mark.parametrize("row", CUES.values(), ids=lambda row: row.name)
def test_every_cue_keeps_to_the_cap_but_for_the_overdrive_and_ends_off(row: CueRow) -> None:
    config = CueConfig(pins=[18], duty_cap=0.5, overdrive_s=0.05)
    with open_motors(config) as motors:
        changes = play(motors, config, row)
        for (at, (duty,)), (until, _) in itertools.pairwise(changes):
            assert duty <= 0.5 or until - at <= 0.0501
        assert changes[-1][1] == (0.0,)
        assert {s for s in states(motors.pins[0]) if s} <= {1.0, 0.5, 0.375}


@pytest.mark.parametrize(
    ("pins", "side", "who"),
    [
        ([17], Side.LEFT, (1,)),
        ([17, 18], Side.LEFT, (1, 0)),
        ([17, 18], Side.CENTRE, (1, 1)),
        ([17, 18], Side.RIGHT, (0, 1)),
        ([17, 18, 27], Side.LEFT, (1, 0, 0)),
        ([17, 18, 27], Side.CENTRE, (0, 1, 0)),
        ([17, 18, 27], Side.RIGHT, (0, 0, 1)),
    ],
)
def test_a_threat_is_felt_on_its_side(pins: list[int], side: Side, who: tuple[int, ...]) -> None:
    config = CueConfig(pins=pins)
    with open_motors(config) as motors:
        changes = play(motors, config, CUES[CueName.CRITICAL], side)
    assert {tuple(int(d > 0) for d in duties) for _, duties in changes} == {who, (0,) * len(pins)}


def test_a_fault_is_felt_everywhere(three: Motors) -> None:
    changes = play(three, CueConfig(pins=[17, 18, 27]), CUES[CueName.BLIND], Side.LEFT)
    assert changes[0][1] == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("pins", "order"),
    [
        ([18], [(1,)]),
        ([17, 18], [(1, 0), (0, 1), (1, 1)]),
        ([17, 18, 27], [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]),
    ],
)
def test_ready_pulses_each_motor_by_itself_from_left_to_right(
    pins: list[int], order: list[tuple[int, ...]]
) -> None:
    config = CueConfig(pins=pins)
    with open_motors(config) as motors:
        changes = play(motors, config, CUES[CueName.READY])
    on = [tuple(int(d > 0) for d in duties) for _, duties in changes if any(duties)]
    assert [who for who, _ in itertools.groupby(on)] == order


def test_a_new_cue_leaves_nothing_of_the_old_one_on(three: Motors) -> None:
    config = CueConfig(pins=[17, 18, 27])
    player = Player(three, config)
    player.play(CUES[CueName.BLIND], Side.CENTRE, 0)
    player.play(CUES[CueName.CRITICAL], Side.RIGHT, 60_000_000)
    assert [pin.state for pin in three.pins] == [0.0, 0.0, 1.0]


def test_a_late_tick_leaves_out_what_is_past_and_ends_off() -> None:
    config = CueConfig()
    with open_motors(config) as motors:
        player = Player(motors, config)
        player.play(CUES[CueName.CRITICAL], Side.CENTRE, 0)
        assert player.tick(5 * NS_PER_S) is None
        assert motors.pins[0].state == 0.0
        assert not player.busy


def test_motors_are_off_after_an_exception() -> None:
    config = CueConfig(pins=[17, 18])
    pins: list[object] = []

    def run_into_fault() -> None:
        with open_motors(config) as motors:
            pins.extend(motors.pins)
            Player(motors, config).play(CUES[CueName.FAULT], Side.CENTRE, 0)
            raise RuntimeError("something else broke")

    with pytest.raises(RuntimeError):
        run_into_fault()
    for pin in pins:
        assert states(pin)[-1] == 0.0
        assert pin.function == "input"  # type: ignore[attr-defined]


class Breaks:
    """A device whose pin fails after some writes, and may come back."""

    def __init__(self, good_writes: int) -> None:
        self.left = good_writes
        self.written: list[float] = []
        self.pin = self

    def __setattr__(self, name: str, value: object) -> None:
        if name == "value":
            if self.left <= 0:
                raise OSError("GPIO gone")
            object.__setattr__(self, "left", self.left - 1)
            self.written.append(value)  # type: ignore[arg-type]
        else:
            object.__setattr__(self, name, value)

    def close(self) -> None: ...


def pulses(written: list[float]) -> int:
    """How often a motor was started."""
    return sum(now > 0 and before == 0 for before, now in itertools.pairwise([0.0, *written]))


def play_out(player: Player, row: CueRow, side: Side) -> None:
    due = player.play(row, side, 0)
    while due is not None:
        due = player.tick(due)


@pytest.mark.parametrize("side", [Side.LEFT, Side.CENTRE])
@pytest.mark.parametrize("name", [CueName.CRITICAL, CueName.CAUTION, CueName.LOW, CueName.NOTICE])
def test_a_cue_of_a_broken_motor_is_felt_on_the_other_at_once_and_never_as_that_ones(
    name: CueName, side: Side
) -> None:
    """Once found out in the middle of the cue, once known before."""
    broken, good = Breaks(0), Breaks(100)
    motors = Motors([broken, good])
    player = Player(motors, CueConfig(pins=[17, 18]))
    row = CUES[name]
    for _ in range(2):
        good.written.clear()
        play_out(player, row, side)
        assert motors.broken == {0: "motor 1: GPIO gone"}
        assert pulses(good.written) == len(row.pattern) + 1
        assert player.ends_ns == round(row.elsewhere.length_s * NS_PER_S)
    good.written.clear()
    play_out(player, row, Side.RIGHT)  # its own
    assert pulses(good.written) == len(row.pattern)


def test_a_motor_that_fails_within_its_cue_hands_it_over_from_the_start() -> None:
    broken, good = Breaks(4), Breaks(100)  # the second pulse gets through half
    player = Player(Motors([broken, good]), CueConfig(pins=[17, 18], overdrive_s=0.0))
    play_out(player, CUES[CueName.CRITICAL], Side.LEFT)
    assert pulses(broken.written) == 2
    assert pulses(good.written) == 5


def test_a_fault_needs_no_other_rhythm_where_a_motor_is_broken() -> None:
    good = Breaks(100)
    play_out(Player(Motors([Breaks(0), good]), CueConfig(pins=[17, 18])), CUES[CueName.BLIND], Side.CENTRE)
    assert pulses(good.written) == 3


def test_one_pin_of_two_that_cannot_be_opened_is_broken_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpiozero

    real, busy = gpiozero.PWMOutputDevice, [True]

    def opened(pin: int, **options: object) -> object:
        if pin == 13 and busy:
            raise RuntimeError("GPIO busy")
        return real(pin, **options)

    monkeypatch.setattr(gpiozero, "PWMOutputDevice", opened)
    with open_motors(CueConfig(pins=[18, 13])) as motors:
        assert motors.broken == {1: "GPIO 13 cannot be driven: GPIO busy; another program holds it"}
        assert motors.route(Side.RIGHT) == (0,)
        assert not motors.mend()
        busy.clear()
        assert motors.mend()
        motors.write((0.0, 1.0))
        assert [pin.state for pin in motors.pins] == [0.0, 1.0]
        held = motors.pins
    assert [states(pin)[-1] for pin in held] == [0.0, 0.0]


def test_the_last_motor_failing_is_said_and_mended() -> None:
    device = Breaks(2)
    motors = Motors([device])
    player = Player(motors, CueConfig(overdrive_s=0.05))
    player.play(CUES[CueName.CRITICAL], Side.CENTRE, 0)
    player.tick(50_000_000)
    with pytest.raises(PartFailed, match="motor 1: GPIO gone: no motor can be driven"):
        player.tick(100_000_000)
    assert not motors.mend()
    device.left = 9
    assert motors.mend()
    assert device.written[-1] == 0.0


def test_no_gpio_stands_a_mock_in_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    monkeypatch.setattr(module, "_DEV", tmp_path)
    monkeypatch.setattr(module, "_MODEL", tmp_path / "model")
    with open_motors(CueConfig()) as motors:
        assert motors.absent == "no /dev/gpiochip* on this machine"


def test_a_pi_without_gpio_is_an_error_not_a_mock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    (tmp_path / "model").write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    monkeypatch.setattr(module, "_DEV", tmp_path)
    monkeypatch.setattr(module, "_MODEL", tmp_path / "model")
    with pytest.raises(PartFailed, match="no GPIO: /dev/gpiochip"), open_motors(CueConfig()):
        pass


def test_a_busy_pin_names_the_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpiozero

    class Busy:
        def __init__(self, *_: object, **__: object) -> None:
            raise RuntimeError("GPIO busy")

    monkeypatch.setattr(gpiozero, "PWMOutputDevice", Busy)
    said = "GPIO 18 cannot be driven: GPIO busy; another program holds it"
    with pytest.raises(PartFailed, match=said), open_motors(CueConfig()):
        pass
