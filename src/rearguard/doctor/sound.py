"""Sound: what is heard, where it is switched on."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from rearguard.config.sound import Sound
from rearguard.doctor.finding import CheckContext, Finding, ok, warn
from rearguard.sound.speech import speaks
from rearguard.text import clean

_PATIENCE_S = 15.0


class _Answer(msgspec.Struct):
    """What `python -m rearguard.sound --list` says."""

    lost: str
    outputs: list[str]
    name: str = ""
    rate_hz: int = 0
    latency_s: float = 0.0


def sound(patient: CheckContext) -> Finding:
    """Open the device, in a process of its own: a sound server may never answer. Motors warn without it."""
    config = patient.config.sound
    if not config.enabled:
        return ok("sound", "off: cues are felt only")
    try:
        answer = _ask(config)
    except subprocess.TimeoutExpired:
        return warn(
            "sound", f"no answer within {_PATIENCE_S:g} s", "restart the sound server or unplug the device"
        )
    except (subprocess.CalledProcessError, msgspec.DecodeError, OSError) as e:
        return warn("sound", f"the sound process broke: {clean(str(e))}", "please report this line")
    others = f"; outputs: {clean(', '.join(answer.outputs))}" if answer.outputs else ""
    if answer.lost:
        what, _, way_out = answer.lost.rpartition("; ")
        hint = "the running service may hold it" if patient.service_active else "plug it in"
        return warn("sound", f"{clean(what or answer.lost)}{others}", clean(way_out) if what else hint)
    told = f"{clean(answer.name)} at {answer.rate_hz} Hz, {1000 * answer.latency_s:.0f} ms on its way{others}"
    dumb = speaks(config)
    if dumb is not None:
        what, _, way_out = dumb.rpartition("; ")
        return warn("sound", f"{told}; no words: {clean(what)}", way_out)
    return ok("sound", told, latency_ms=1000 * answer.latency_s)


def _ask(config: Sound) -> _Answer:
    told = msgspec.json.encode(config).decode()
    done = subprocess.run(
        [sys.executable, "-m", "rearguard.sound", "--list", "--config", told],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True,
    )  # fmt: skip
    return msgspec.json.decode(done.stdout, type=_Answer)
