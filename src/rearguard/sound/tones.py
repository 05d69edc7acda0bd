"""What each cue sounds like: a row of tone data a cue. When it sounds, and how long, is the cue's own pattern.

Rules every row obeys (walked by the tests):

- a threat's pulses glide upwards, as what comes nearer seems to rise (Neuhoff & McBeath, J Exp Psychol HPP 22:970), a
  fault's downwards; news holds its pitch. Signals of every day hold theirs (vehicles backing up, crossings, watches,
  phones, two-tone horns) or take longer than a second to glide (sirens);
- more urgent is higher, richer and rougher (Edworthy et al. 1991, Hum Factors 33:205; Arnal et al. 2015 on roughness);
- the fundamental is between 150 and 1000 Hz with partials above it, so that no single resonance or hearing loss hides a
  cue (IEC 60601-1-8), and all of it within 200 Hz to 6 kHz, but for fundamentals that their partials speak for: what
  bone conduction and small speakers carry;
- nothing is as loud as full scale, and what is soft to feel is soft to hear.
"""

from __future__ import annotations

from dataclasses import dataclass

from rearguard.types import CueName

Partials = tuple[tuple[float, float], ...]  # multiple of the fundamental, share of its amplitude


@dataclass(frozen=True, slots=True)
class Tone:
    """A cue's sound: fundamental at a pulse's start, what it is multiplied by to the pulse's end (`glide`) and from one
    pulse to the next (`step`), partials, level (root mean square of a strong pulse, dB of full scale), and amplitude
    modulation (`rough_hz`, 0: none)."""

    f0_hz: float
    glide: float
    step: float
    partials: Partials
    level_db: float
    rough_hz: float = 0.0


_RICH: Partials = tuple((k, 1.0 / k**0.5) for k in range(1, 7))
_FULL: Partials = tuple((k, 1.0 / k) for k in range(1, 5))
_ODD: Partials = tuple((k, 1.0 / k**0.7) for k in (1, 3, 5, 7))  # hollow, as a clarinet
_FIFTH: Partials = ((1, 1.0), (1.5, 0.8), (3, 0.2))
# A struck bar's (Fletcher & Rossing, Physics of Musical Instruments).
_WOOD: Partials = ((1, 1.0), (2.76, 0.5), (5.4, 0.25))

_THREAT_DB, _FAULT_DB, _NEWS_DB = -12.0, -14.0, -18.0

TONES: dict[CueName, Tone] = {
    CueName.CRITICAL: Tone(880, 1.6, 1.0, _RICH, _THREAT_DB, rough_hz=70),
    CueName.CAUTION: Tone(620, 1.35, 1.0, _FULL, _THREAT_DB),
    CueName.LOW: Tone(330, 1.5, 0.8, _RICH, _THREAT_DB),  # each pulse lower than the one before: down
    CueName.NOTICE: Tone(415, 1.25, 1.0, _FIFTH, _THREAT_DB - 2),
    CueName.BLIND: Tone(520, 0.5, 1.0, _ODD, _FAULT_DB, rough_hz=30),
    CueName.FAULT: Tone(311, 0.75, 0.85, _ODD, _FAULT_DB),
    CueName.DEGRADED: Tone(349, 0.8, 1.0, _ODD, _FAULT_DB - 2),
    CueName.LOW_POWER: Tone(440, 0.75, 0.67, _FULL, _FAULT_DB - 2),
    CueName.SHUTDOWN: Tone(587, 1.0, 0.75, _FIFTH, _NEWS_DB),
    CueName.MUTED: Tone(294, 1.0, 1.0, _FIFTH, _NEWS_DB),
    CueName.DRIFT: Tone(466, 1.0, 1.0, _WOOD, _NEWS_DB),
    CueName.READY: Tone(392, 1.0, 1.26, _FIFTH, _NEWS_DB),
    CueName.CLEAR: Tone(698, 1.0, 1.0, _FIFTH, _NEWS_DB),
    CueName.ALIVE: Tone(760, 1.0, 1.0, _WOOD, _NEWS_DB - 4),
}
