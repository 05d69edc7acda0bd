"""The sound process' loop: hear what is to be heard, write a block, say that all is well."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import datetime

import numpy as np

from rearguard import ipc
from rearguard.clock import NS_PER_S, clock_synced
from rearguard.config.sound import Sound, parse_hours
from rearguard.cue.table import CUES
from rearguard.errors import PartFailed
from rearguard.plain import print_line
from rearguard.sound.device import Output, open_output
from rearguard.sound.mixer import Mixer
from rearguard.sound.speech import Speaker
from rearguard.sound.synthesis import render
from rearguard.types import CueName, Side

_STALE_NS = NS_PER_S // 2  # a cue is not begun later than this: its motor may be still by then
_HEARD_AT_NIGHT = {CueName.CRITICAL, CueName.LOW}  # LOW may tell of what is CRITICAL
_BEAT_S = 0.1
_SURE_S = 0.3  # of sound must be taken before the device is said to work: the first blocks only fill a buffer
_AGAIN_S = 2.0


def quiet_now(config: Sound, now: datetime, *, synced: bool) -> bool:
    """Whether these are the quiet hours; never while the clock may be wrong, for a cue too many is the lesser evil."""
    hours = parse_hours(config.quiet_hours)
    if hours is None or not synced:
        return False
    begins, ends = hours
    at = now.time()
    return begins <= at < ends if begins < ends else at >= begins or at < ends


class Playing:
    """Plays until the warden hangs up. A device that is gone is tried again every two seconds."""

    def __init__(
        self, config: Sound, wire: socket.socket, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._config, self._wire, self._now = config, wire, now
        self._volume = np.float32(10 ** (config.volume_db / 20))
        self._left = False
        self._beat_ns = 0
        self._speakers: dict[int, Speaker] = {}

    def run(self) -> None:
        while not self._left:
            try:
                with open_output(self._config) as output:
                    self._play_on(output)
            except PartFailed as e:
                self._wait(str(e))

    def _play_on(self, output: Output) -> None:
        for row in CUES.values():  # before any is due
            for side in Side if row.sided else (Side.CENTRE,):
                render(row, side, output.rate_hz)
        if output.rate_hz not in self._speakers:
            self._speakers[output.rate_hz] = Speaker(self._config, output.rate_hz)
        mixer, speaker = Mixer(output.rate_hz), self._speakers[output.rate_hz]
        sure = round(_SURE_S * output.rate_hz)
        while not self._left:
            heard = self._newest()
            if heard is not None:
                self._begin(heard, mixer, speaker, output.rate_hz)
            for words in speaker.ready():
                if isinstance(words, str):
                    print_line(f"sound: nothing is said: {words}")
                else:
                    mixer.add_words(words)
            output.write(mixer.block(output.block) * self._volume)
            sure -= output.block
            if sure <= 0:
                self._beat("")

    def _begin(self, heard: ipc.Heard, mixer: Mixer, speaker: Speaker, rate_hz: int) -> None:
        speaker.drop()
        quiet = quiet_now(self._config, self._now(), synced=clock_synced())
        if heard.cue is None or (quiet and heard.cue not in _HEARD_AT_NIGHT):
            mixer.hush()
            return
        mixer.play(render(CUES[heard.cue], heard.side, rate_hz))
        speaker.ask(heard.say)

    def _newest(self) -> ipc.Heard | None:
        """What the warden said last, if it is not too old to be played."""
        messages = ipc.receive_cues(self._wire)
        if messages is None:
            self._left = True
            return None
        now_ns = time.monotonic_ns()
        fresh = [m for m in messages if now_ns - m.at_ns < _STALE_NS]
        return fresh[-1] if fresh else None

    def _wait(self, why: str) -> None:
        """Without a device: say so for a while."""
        ends = time.monotonic() + _AGAIN_S
        while not self._left and time.monotonic() < ends:
            self._newest()
            self._beat(why)
            time.sleep(_BEAT_S)

    def _beat(self, lost: str) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._beat_ns >= _BEAT_S * NS_PER_S:
            self._beat_ns = now_ns
            ipc.send(self._wire, ipc.Sounding(lost))
