"""What the wearer feels, in cue time: arbiter, player and motors under one roof for the warden's loop."""

from __future__ import annotations

import time
from collections.abc import Callable

from rearguard.clock import NS_PER_S, Clock, HandClock, MonotonicClock
from rearguard.config import Config
from rearguard.cue.arbiter import Arbiter, Situation
from rearguard.cue.motors import Motors, Player
from rearguard.cue.table import CUES
from rearguard.errors import PartFailed
from rearguard.types import Cue, CueName, Fault

_MEND_EVERY_NS = NS_PER_S
_MEND_FOR_NS = 10 * NS_PER_S


class HapticOutput:
    """Turns situations into motor movements; `on_start` hears of each cue as it begins.

    Cue time is CLOCK_MONOTONIC when `realtime`, else the frames' own time, wound on by `run_to`.
    """

    def __init__(
        self,
        config: Config,
        motors: Motors,
        on_start: Callable[[Cue], None],
        on_pin: Callable[[int, tuple[float, ...]], None] | None,
        *,
        realtime: bool,
    ) -> None:
        self._realtime = realtime
        self._hand = HandClock()
        self._clock: Clock = MonotonicClock() if realtime else self._hand
        self._arbiter = Arbiter(config.cue, config.health.repeat_every_s, config.warden.mute_s)
        self._motors = motors
        self._player = Player(motors, config.cue, on_pin)
        self._due_ns: int | None = None
        self._frame_ns: int | None = None  # a file's last frame
        self._silent_ns = round(config.warden.heartbeat_s * NS_PER_S)
        self._on_start = on_start
        self._broken_since_ns: int | None = None  # real time
        self._mend_ns = 0

    @property
    def broken(self) -> str | None:
        """Which motors cannot be driven, and why; None when all can."""
        return "; ".join(self._motors.broken.values()) or None

    @property
    def blindness_is_muted(self) -> bool:
        """Whether the wearer has muted a blindness that was told."""
        return self._arbiter.blindness_is_muted(self._clock.now_ns())

    def announce(self, cue: CueName) -> None:
        """Ask for a one-off cue."""
        self._arbiter.announce(cue, self._clock.now_ns())

    def mute(self) -> None:
        """Hold back everything below CRITICAL for a while."""
        self._arbiter.mute(self._clock.now_ns())

    def play_due(self, situation: Situation) -> None:
        """Start the cue that is due, if any, and drive the motors as the pattern wants them now."""
        now_ns = self._clock.now_ns()
        start = self._arbiter.decide(now_ns, situation)
        try:
            if start is not None:
                self._due_ns = self._player.play(CUES[start.cue], start.side, now_ns)
            elif self._due_ns is not None and now_ns >= self._due_ns:
                self._due_ns = self._player.tick(now_ns)
            self._arbiter.lasts_until(self._player.ends_ns)
        except PartFailed:  # no motor is left; `broken` says so, and `mend` keeps trying
            self._due_ns = None
        if start is not None:
            self._on_start(start)

    def run_to(self, until_ns: int, situation: Situation) -> None:
        """Wind a file's time on to `until_ns`, playing everything that falls due on the way."""
        while (due_ns := self.next_ns(situation)) is not None and due_ns <= until_ns:
            self._hand.set_ns(due_ns)
            self.play_due(situation)
        self._hand.set_ns(until_ns)

    def run_to_frame(self, captured_ns: int, situation: Situation) -> bool:
        """Wind a file's time on to its next frame.

        A gap as long as the silence that means BLIND says that the camera stood still: what was judged before no longer
        counts, and BLIND is felt, as it would have been live. Returns whether that was so.
        """
        last_ns, self._frame_ns = self._frame_ns, captured_ns
        gap = last_ns is not None and captured_ns - last_ns > self._silent_ns
        if last_ns is not None and gap:
            self.run_to(last_ns + self._silent_ns, situation)
            situation = Situation(faults=frozenset({Fault.NO_FRAME}))
            self.play_due(situation)
        self.run_to(captured_ns, situation)
        return gap

    def idle_to_frame(self, captured_ns: int, next_ns: int) -> bool:
        """The same for a frame that changes nothing before anything falls due, at `next_ns`; False if it is not so."""
        last_ns = self._frame_ns
        if last_ns is None or captured_ns >= next_ns or captured_ns - last_ns > self._silent_ns:
            return False
        self._frame_ns = captured_ns
        self._hand.set_ns(captured_ns)
        return True

    def let_end(self, situation: Situation) -> None:
        """Play what is due. A file's time has ended, so this includes what would have had to wait for another cue."""
        self.play_due(situation)
        if not self._realtime:
            self.run_to(self._hand.now_ns() + NS_PER_S, situation)

    def next_ns(self, situation: Situation) -> int | None:
        """When `act` is due again, in cue time, if nothing changes."""
        now_ns = self._clock.now_ns()
        due = self._arbiter.next_due_ns(now_ns, situation)
        times = [t for t in (due, self._due_ns) if t is not None]
        return max(min(times), now_ns) if times else None

    def silence(self) -> None:
        """Motors off now."""
        now_ns = self._clock.now_ns()
        self._player.stop(now_ns)
        self._arbiter.stop(now_ns)
        self._due_ns = None

    def play_out(self) -> None:
        """Let the present cue play to its end; blocks for at most its length."""
        while self._due_ns is not None:
            if self._realtime:
                time.sleep(max(0.0, (self._due_ns - time.monotonic_ns()) / NS_PER_S))
            else:
                self._hand.set_ns(self._due_ns)
            try:
                self._due_ns = self._player.tick(self._clock.now_ns())
            except PartFailed:
                return

    def mend(self, real_ns: int) -> None:
        """Try broken motors again each second. Raises `PartFailed` when none has worked for 10 s."""
        if not self._motors.broken:
            self._broken_since_ns = None
            return
        if self._broken_since_ns is None:
            self._broken_since_ns, self._mend_ns = real_ns, real_ns + _MEND_EVERY_NS
        if real_ns < self._mend_ns:
            return
        self._mend_ns = real_ns + _MEND_EVERY_NS
        why = self.broken
        self._motors.mend()
        if len(self._motors.broken) == len(self._motors) and real_ns - self._broken_since_ns > _MEND_FOR_NS:
            raise PartFailed(f"{why}; no motor works; see `rearguard doctor`")
