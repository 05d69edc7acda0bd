"""What is written into the journal and what comes out of it; nothing heavy is imported here."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

import msgspec

from rearguard import __version__
from rearguard.clock import Stamp, stamp
from rearguard.words import Level

if TYPE_CHECKING:
    from rearguard.config.root import Config


class OutingStart(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when an outing begins.

    `realtime`: frames carry CLOCK_MONOTONIC; otherwise their times count from 0 at `stamp`.
    """

    stamp: Stamp
    source: str
    realtime: bool
    model: str
    model_digest: str
    config_digest: str
    config_json: str
    version: str
    device: str
    key: str

    @property
    def origin_ns(self) -> int:
        """The frames' clock at `stamp`."""
        return self.stamp.mono_ns if self.realtime else 0

    def at(self, t_ns: int) -> tuple[int, float]:
        """CLOCK_MONOTONIC and wall time of a moment on the frames' clock."""
        passed_ns = t_ns - self.origin_ns
        return self.stamp.mono_ns + passed_ns, self.stamp.wall_s + passed_ns / 1e9


def outing_start(
    config: Config, source: str, *, realtime: bool, model: str, model_digest: str
) -> OutingStart:
    """The start of an outing, now, on this device, with this configuration."""
    from rearguard.config.load import digest

    return OutingStart(
        stamp=stamp(),
        source=source,
        realtime=realtime,
        model=model,
        model_digest=model_digest,
        config_digest=digest(config),
        config_json=msgspec.json.encode(config, order="deterministic").decode(),
        version=__version__,
        device=socket.gethostname() or "unknown",
        key=secrets.token_hex(8),
    )


class OutingStats(msgspec.Struct, frozen=True, kw_only=True):
    """How an outing goes, so far. `late`: frames dropped because a newer one was there."""

    frames: int = 0
    late: int = 0
    worn_s: float = 0.0


class OutingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One outing as stored. `ended`: 'stopped', 'cut' (power or kill) or None while it lasts."""

    id: int
    key: str
    device: str
    source: str
    realtime: bool
    origin_ns: int
    mono_ns: int
    boot_id: str
    wall_s: float
    clock_synced: bool
    wall_corrected: bool
    ended: str | None
    model: str
    model_digest: str
    config_digest: str
    config: str
    version: str
    frames: int
    late: int
    worn_s: float
    blind_s: float


class NearMissRow(msgspec.Struct, frozen=True, kw_only=True):
    """One near miss as stored; see `words.NearMiss`. `media` are the kinds of picture there are of it.

    `verdict` is what the wearer says: 'true' or 'false' alarm, None when not asked. `flagged` ones are kept.
    `media_gone` says why pictures that were there are no more: 'expired' or 'purged'.
    """

    id: int
    outing: int
    device: str
    number: int
    track: int
    label: str
    kind: str
    side: str
    level: int
    min_ttc_s: float | None
    range_m: float | None
    lead_time_s: float | None
    first_ns: int
    warned_ns: int
    worst_ns: int
    released_ns: int
    worst_seq: int
    mono_ns: int
    boot_id: str
    wall_s: float
    clock_synced: bool
    wall_corrected: bool
    flagged: bool
    verdict: str | None
    note: str
    media_gone: str | None
    media: tuple[str, ...] = ()

    @property
    def level_name(self) -> str:
        """CAUTION, CRITICAL, or the number where this rearguard knows no such level."""
        return Level(self.level).name if self.level in Level._value2member_map_ else str(self.level)


class TraceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a near miss as stored; box in picture pixels."""

    t_ns: int
    seq: int
    x0: float
    y0: float
    x1: float
    y1: float
    ttc_s: float | None
    ttc_sd_s: float | None
    range_m: float | None
    miss_m: float | None
    level: int
    reasons: tuple[str, ...]


class CueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One cue that was felt."""

    at_ns: int
    cue: str
    side: str
    seq: int | None
    track: int | None
    ttc_s: float | None
    reason: str


class FaultRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of time in which rearguard could not protect, or not fully."""

    trouble: str
    began_ns: int
    ended_ns: int | None


class MediaRow(msgspec.Struct, frozen=True, kw_only=True):
    """One file in the clip folder."""

    kind: str
    file: str
    bytes: int
    sha256: str
    redacted: bool


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which near misses are wanted; None means any. `level` is the least level."""

    since_s: float | None = None
    until_s: float | None = None
    level: int | None = None
    label: str | None = None
    outing: int | None = None
    device: str | None = None
    flagged: bool | None = None
    verdict: str | None = None
