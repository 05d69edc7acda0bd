"""What each cue feels like and means, and which cue tells of which fault: two tables.

Rules every row obeys (walked by the tests):

- finite: a pattern ends by itself; whoever wants more of it must ask again, so that a hung program falls
  silent instead of buzzing on, and the missing alive tick tells the rest;
- no pulse under 80 ms, which an eccentric-mass motor can hardly start in, and none repeating at
  2.6–3.4 Hz, the step rate of backward running, where steps mask it (Cavagna et al., J Exp Biol 215:75);
- threats are made of short pulses (≤ 150 ms) and faults of long ones (≥ 400 ms), so that the two differ in
  rhythm, which survives motion and thick clothing, and not only in strength, which does not;
- shorter gaps mean more urgent (Lewis et al. 2014, perceived urgency scaling); at most two strengths;
- a threat whose own motor is broken starts at once on the others, with one pulse more, set apart: felt once, it
  already cannot be taken for the side that it plays on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from rearguard.types import CueName, Fault, Level

STEP_BAND_HZ = (2.6, 3.4)
SHORTEST_PULSE_S = 0.08


class Kind(StrEnum):
    """What a cue is about."""

    THREAT = "threat"  # something may hit you
    FAULT = "fault"  # rearguard cannot protect, or not well
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Pulse:
    """One step of a pattern: on, then off. `soft` is the weaker of the two strengths there are."""

    on_s: float
    off_s: float
    soft: bool = False


@dataclass(frozen=True, slots=True)
class CueRow:
    """One cue. `repeat_gap_s` is the silence between its end and its next start while the reason lasts
    (None: it is not repeated); `sided`: only the motor on the threat's side plays it; `sweep`: its pulses but
    the last go from the left motor to the right, so that each one can be felt to work; `moved`: the pattern when a
    motor that should play it is broken, so that it is felt elsewhere."""

    name: CueName
    kind: Kind
    priority: int
    pattern: tuple[Pulse, ...]
    min_hold_s: float
    repeat_gap_s: float | None
    sided: bool
    meaning: str
    sweep: bool = False
    moved: tuple[Pulse, ...] = ()

    @property
    def elsewhere(self) -> CueRow:
        """The same cue as it is felt where it does not belong."""
        return replace(self, pattern=self.moved or self.pattern)

    @property
    def length_s(self) -> float:
        """From the first pulse to the end of the last silence."""
        return sum(p.on_s + p.off_s for p in self.pattern)

    @property
    def on_s(self) -> float:
        """Total time the motor runs."""
        return sum(p.on_s for p in self.pattern)


def _times(n: int, pulse: Pulse) -> tuple[Pulse, ...]:
    return (pulse,) * n


# For faults the gap is in units of the configuration's health.repeat_every_s: 1 is "every 5 s" by default. A fault that
# hides the path (see FAULTS) is told as often as BLIND all the same.
_ROWS: tuple[CueRow, ...] = (
    CueRow(CueName.CRITICAL, Kind.THREAT, 100, _times(4, Pulse(0.10, 0.05)), 0.6, 0.0, True,
           "Collision in about two seconds: stop, look, step aside now.",
           moved=(*_times(3, Pulse(0.10, 0.05)), Pulse(0.10, 0.30), Pulse(0.10, 0.05))),
    CueRow(CueName.BLIND, Kind.FAULT, 90, _times(3, Pulse(0.40, 0.15)), 1.2, 1.0, False,
           "rearguard cannot see: there is no usable picture. Stop running backwards."),
    CueRow(CueName.FAULT, Kind.FAULT, 80, _times(2, Pulse(0.80, 0.20)), 1.2, 1.0, False,
           "A part of rearguard failed: do not rely on it. Stop and look at its log."),
    CueRow(CueName.CAUTION, Kind.THREAT, 70, (Pulse(0.10, 0.08), Pulse(0.10, 0.40)), 0.6, 0.0, True,
           "Something is coming into your path: slow down and look.",
           moved=(Pulse(0.10, 0.08), Pulse(0.10, 0.40), Pulse(0.10, 0.40))),
    CueRow(CueName.LOW, Kind.THREAT, 65, (*_times(2, Pulse(0.15, 0.07)), Pulse(0.15, 0.40)), 0.6, 0.0, True,
           "Something low lies in your path: look down, lift your feet or step aside.",
           moved=(*_times(2, Pulse(0.15, 0.07)), *_times(2, Pulse(0.15, 0.40)))),
    CueRow(CueName.SHUTDOWN, Kind.INFO, 60, (Pulse(0.90, 0.20), Pulse(0.60, 0.20), Pulse(0.40, 0.20)), 2.5,
           None, False, "rearguard is switching off; from here on there is no warning."),
    CueRow(CueName.DEGRADED, Kind.FAULT, 50, (Pulse(0.60, 0.20),), 0.6, 6.0, False,
           "rearguard still sees, but worse: warnings may come late."),
    CueRow(CueName.LOW_POWER, Kind.FAULT, 45, (Pulse(0.80, 0.20), Pulse(0.40, 0.20)), 1.2, 12.0, False,
           "The supply voltage is too low: change the battery before it dies."),
    CueRow(CueName.NOTICE, Kind.THREAT, 40, (Pulse(0.15, 0.60), Pulse(0.15, 0.20)), 0.9, 5.0, True,
           "Something is behind you and closing; there is time.",
           moved=(*_times(2, Pulse(0.15, 0.60)), Pulse(0.15, 0.20))),
    CueRow(CueName.MUTED, Kind.INFO, 30, _times(2, Pulse(0.25, 0.25, soft=True)), 0.9, None, False,
           "Everything below CRITICAL is quiet for a minute; it comes back by itself."),
    CueRow(CueName.DRIFT, Kind.INFO, 35, (Pulse(0.30, 0.12), Pulse(0.12, 0.40)), 0.5, None, True,
           "You are about to leave your lane on this side (only if switched on).",
           moved=(Pulse(0.30, 0.12), Pulse(0.12, 0.40), Pulse(0.12, 0.40))),
    CueRow(CueName.READY, Kind.INFO, 20, (*_times(3, Pulse(0.10, 0.15)), Pulse(0.50, 0.20)), 1.0, None, False,
           "The self-test passed, or sight is back: rearguard is watching.", sweep=True),
    CueRow(CueName.CLEAR, Kind.INFO, 10, (Pulse(0.30, 0.20, soft=True),), 0.3, None, False,
           "The danger has passed (only if switched on)."),
    CueRow(CueName.ALIVE, Kind.INFO, 0, (Pulse(0.09, 0.20),), 0.09, None, False,
           "All is well and rearguard is awake; if this tick stays away, rearguard is gone."),
)  # fmt: skip

CUES: dict[CueName, CueRow] = {row.name: row for row in _ROWS}

LEVEL_CUE: dict[Level, CueName] = {
    Level.NOTICE: CueName.NOTICE,
    Level.CAUTION: CueName.CAUTION,
    Level.CRITICAL: CueName.CRITICAL,
}


def threat_cue(level: Level, low: bool) -> CueName | None:
    """The cue that tells of a threat; `low`: it is something to trip over. None when all is clear.

    From CAUTION on, low things have one cue for both levels: what helps is the same, and there is no time to learn two.
    """
    return CueName.LOW if low and level >= Level.CAUTION else LEVEL_CUE.get(level)


@dataclass(frozen=True, slots=True)
class FaultCue:
    """One fault: the fault cue that tells of it, what it means and what to do.

    `hides_path`: little is seen of what is ahead, so that it is told again as often as BLIND, whatever its cue.
    """

    fault: Fault
    cue: CueName
    meaning: str
    remedy: str
    hides_path: bool = False


_B, _D, _F = CueName.BLIND, CueName.DEGRADED, CueName.FAULT
_FAULTS: tuple[FaultCue, ...] = (
    FaultCue(Fault.NO_FRAME, _B, "the camera delivers no picture", "check the camera's cable and power"),
    FaultCue(Fault.FROZEN_FRAME, _B, "the camera's time stands still", "check the camera's cable"),
    FaultCue(Fault.REPEATED_PICTURE, _B, "the same picture comes again and again", "restart the camera"),
    FaultCue(Fault.DARK, _B, "the picture is too dark to see anyone", "run where there is light"),
    FaultCue(Fault.DIM, _D, "too little light for a short exposure", "run where there is light"),
    FaultCue(Fault.COVERED, _B, "something covers the lens", "free the lens of hair, strap or jacket"),
    FaultCue(Fault.PATH_HIDDEN, _B, "the part of the picture that shows your path is dead", "free and wipe the lens"),
    FaultCue(Fault.PART_HIDDEN, _D, "a part of the picture beside your path is dead",
             "free and wipe the lens; `aim` ignores what is yours"),
    FaultCue(Fault.BLURRED, _D, "the picture is blurred or fogged", "wipe the lens dry", True),
    FaultCue(Fault.GLARE, _D, "the sun or a lamp blinds the camera", "keep the light out of the picture", True),
    FaultCue(Fault.OUT_OF_AIM, _D, "the camera no longer looks where you go", "straighten the pod", True),
    FaultCue(Fault.WRONG_MOUNT, _B, "the camera hangs upside down, on its side, or looks the wrong way",
             "mount it as `rearguard aim` shows; camera.rotation_deg turns the picture"),
    FaultCue(Fault.NO_TEXTURE, _D, "nothing in the picture to see motion by", "mind walls yourself"),
    FaultCue(Fault.GYRO_FAILED, _D, "the gyroscope tells nothing, or nonsense; the picture tells the turns",
             "see the log and `rearguard doctor`; check its cable; `rearguard aim --gyro`"),
    FaultCue(Fault.LOW_FRAME_RATE, _D, "too few pictures are judged per second", "cool the Pi"),
    FaultCue(Fault.SLOW_DETECTOR, _D, "the detector takes too long", "choose a smaller model; cool the Pi"),
    FaultCue(Fault.HOT, _D, "the processor is hot", "give the pod air or shade"),
    FaultCue(Fault.THROTTLED, _D, "the processor is slowed down", "give the pod air; check the supply"),
    FaultCue(Fault.UNDERVOLTAGE, CueName.LOW_POWER, "the supply voltage is low", "change battery or cable"),
    FaultCue(Fault.DISK_FULL, _D, "the disk is nearly full; clips are not kept", "run `rearguard log purge`"),
    FaultCue(Fault.JOURNAL_FAILED, _D, "the near-miss log cannot be written", "see `rearguard doctor`"),
    FaultCue(Fault.SENSORS_SILENT, _D, "heat, supply and disk can no longer be read", "see `rearguard doctor`"),
    FaultCue(Fault.CAMERA_LOST, _B, "the camera is gone", "plug it in; rearguard keeps trying"),
    FaultCue(Fault.STAGE_FAILED, _F, "a stage of the program failed", "see the log; restart"),
    FaultCue(Fault.VISION_SILENT, _B, "no fresh picture has been judged", "it is started again"),
    FaultCue(Fault.VISION_DIED, _B, "the vision process died", "it is started again"),
    FaultCue(Fault.GAVE_UP, _F, "vision could not be kept alive", "see the log; restart"),
    FaultCue(Fault.SELF_TEST, _F, "the self-test did not pass", "see `rearguard doctor`"),
    FaultCue(Fault.MOTOR_FAILED, _F, "a motor's pin cannot be driven", "see `rearguard doctor`"),
    FaultCue(Fault.SOUND_LOST, _D, "the sound device is gone; cues are only felt", "see `rearguard doctor sound`"),
    FaultCue(Fault.SOUND_SILENT, _D, "the sound process died or hangs; cues are only felt", "it is started again"),
)  # fmt: skip

FAULTS: dict[Fault, FaultCue] = {row.fault: row for row in _FAULTS}
