"""What is written into the journal and what comes out of it; nothing heavy is imported here."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec

from rearguard import __version__
from rearguard.clock import Stamp, stamp
from rearguard.types import MarkKind, Nanoseconds, NearMiss, TracePoint

if TYPE_CHECKING:
    from rearguard.config.root import Config


Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class OutingStart(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when an outing begins.

    `realtime`: frames carry CLOCK_MONOTONIC; otherwise their times count from 0 at `stamp`. `assumed`: what was
    taken for granted of a recording, in words.
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
    assumed: str = ""

    @property
    def origin_ns(self) -> int:
        """The frames' clock at `stamp`."""
        return self.stamp.mono_ns if self.realtime else 0

    def at(self, t_ns: int) -> tuple[int, float]:
        """CLOCK_MONOTONIC and wall time of a moment on the frames' clock."""
        passed_ns = t_ns - self.origin_ns
        return self.stamp.mono_ns + passed_ns, self.stamp.wall_s + passed_ns / 1e9


def outing_start(
    config: Config,
    source: str,
    *,
    realtime: bool,
    model: str,
    model_digest: str,
    assumed: tuple[str, ...] = (),
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
        assumed="; ".join(assumed),
    )


class OutingStats(msgspec.Struct, frozen=True, kw_only=True):
    """How an outing goes, so far. `late`: frames dropped because a newer one was there."""

    frames: int = 0
    late: int = 0
    worn_s: float = 0.0


class OutingRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One outing as stored, and as it travels to another journal.

    `key` is random and the same wherever the outing is copied to. `ended`: 'stopped', 'cut' (power or kill) or
    None while it lasts. `assumed`: what was taken for granted of a recording, in words.
    """

    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    device: str
    source: str
    realtime: bool
    origin_ns: Nanoseconds
    mono_ns: Nanoseconds
    boot_id: str
    wall_s: float
    clock_synced: bool
    wall_corrected: bool
    ended: Literal["stopped", "cut"] | None
    model: str
    model_digest: str
    config_digest: str
    config: Annotated[str, msgspec.Meta(max_length=1 << 20)]
    version: str
    frames: Count
    late: Count
    worn_s: float
    blind_s: float
    assumed: str = ""


class OutingRow(OutingRecord, frozen=True, kw_only=True):
    """One outing in this journal. An unknown word in it must not hide the row."""

    id: int
    ended: str | None  # type: ignore[assignment]


class NearMissRecord(NearMiss, frozen=True, kw_only=True):
    """One near miss as stored, and as it travels: `number` counts within its outing.

    `verdict` is what the wearer says: 'true' or 'false' alarm, None when not asked. `flagged` ones are kept.
    `media_gone` says why pictures that were there are no more. The clock is that of the worst moment.
    """

    number: Count
    mono_ns: Nanoseconds
    boot_id: str
    wall_s: float
    clock_synced: bool
    wall_corrected: bool
    flagged: bool
    verdict: Literal["true", "false"] | None
    note: str
    media_gone: Literal["expired", "purged"] | None


class NearMissRow(NearMissRecord, frozen=True, kw_only=True):
    """One near miss in this journal; a word that no reader knows must not hide it.

    `media` are the kinds of picture there are of it.
    """

    verdict: str | None  # type: ignore[assignment]
    media_gone: str | None  # type: ignore[assignment]
    id: int
    outing: int
    device: str
    media: tuple[str, ...] = ()

    @property
    def level_name(self) -> str:
        """CAUTION or CRITICAL."""
        return self.level.name


class TraceRecord(TracePoint, frozen=True, kw_only=True):
    """One frame of a near miss as stored; `n` counts from its first."""

    n: Count


class Mark(NamedTuple):
    """A moment that was marked, on its outing's clock, what for, and the near miss next to it in time."""

    at_ns: int
    kind: MarkKind
    near_miss: int | None


MediaKind = Literal["picture", "strip", "clip"]


class MediaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file in the clip folder."""

    kind: MediaKind
    file: str
    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    redacted: bool


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which near misses are wanted; None means any. `level` is the least level, `text` what label or note hold."""

    since_s: float | None = None
    until_s: float | None = None
    level: int | None = None
    label: str | None = None
    outing: int | None = None
    device: str | None = None
    flagged: bool | None = None
    verdict: str | None = None
    text: str | None = None
