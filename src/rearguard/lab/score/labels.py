"""Labels of a recording: one small TOML file, hostile until read. `docs/score.md` tells how to write one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from rearguard.errors import BadInput
from rearguard.text import clean

_MAX_BYTES = 1 << 20
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Frames = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of a recording, both ends included, in frames or in seconds.

    `is_`: a warning is "due"; something passes beside the path ("lateral": CAUTION may be felt, CRITICAL is
    false); or the path is "clear" (whatever is felt is false). `contact_*`: when a thing that is due would be
    reached, at the speeds of then; it may lie after the end.
    """

    is_: Literal["due", "lateral", "clear"] = msgspec.field(name="is")
    from_frame: Frames | None = None
    to_frame: Frames | None = None
    from_s: Seconds | None = None
    to_s: Seconds | None = None
    contact_frame: Frames | None = None
    contact_s: Seconds | None = None
    what: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Truth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table with the truth of frames: columns `frame` and either `ttc_s`, or a box `x,y,w,h` that grows.

    `ttc_from`: the column `ttc_s`, or the growth of the box's "height" or of the root of its "area" (a column, else
    width times height), fitted over `window_s`. `track`: only rows with this word in the column `track`;
    `from_frame`: only from there on. Rows with 1 in `truncated` or `occluded` do not count. Without a header
    `columns` names the columns; a missing `frame` counts from 0.
    """

    file: Annotated[str, msgspec.Meta(max_length=500)]
    ttc_from: Literal["ttc_s", "height", "area"] = "ttc_s"
    window_s: Annotated[float, msgspec.Meta(ge=0.05, le=5)] = 0.5
    track: str | None = None
    from_frame: Frames = 0
    columns: tuple[str, ...] = ()


class Identities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it stands which box is whose: a table, or one of the formats that `identities` reads.

    Things called `label` are compared. Those lower than `least_height_px` are not labelled throughout: a lower track on
    none of the labelled boxes does not count. `frames`: only so many from the beginning.
    """

    file: Annotated[str, msgspec.Meta(max_length=500)]
    label: Annotated[str, msgspec.Meta(max_length=40)] = "person"
    least_height_px: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    frames: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one recording. `every`: only each so many-th frame is looked at."""

    recording: Annotated[str, msgspec.Meta(max_length=500)]
    about: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    fps: Annotated[float, msgspec.Meta(ge=0.5, le=240)] | None = None
    every: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    hfov_deg: Annotated[float, msgspec.Meta(ge=5, le=175)] | None = None
    mount: Literal["back", "front"] | None = None
    otherwise: Literal["unlabelled", "lateral", "clear"] = "unlabelled"
    interval: tuple[Interval, ...] = ()
    truth: Truth | None = None
    identities: Identities | None = None


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """Labels with where they and their recording are."""

    name: str
    file: str
    folder: str
    labels: Labels

    @property
    def source(self) -> str:
        """The recording as `open_source` takes it."""
        word = self.labels.recording
        return word if word.startswith("sim:") else str(Path(self.folder) / word)


def read_corpus(
    corpus: Path,
    pictures: Path | None,
    only: str | None = None,
    wanted: Callable[[Labels], bool] = lambda _: True,
) -> tuple[list[Labelled], list[str]]:
    """All `wanted` labels in a folder, or one file of them; and one line for each whose recording is not there.

    `only`: of those whose recording is there, the ones whose name contains this. Recordings lie beside the labels, or
    in `pictures`. Raises `BadInput` naming file and field.
    """
    there = [corpus] if corpus.is_file() else sorted(corpus.glob("*.toml"))
    files = [f for f in there if f == corpus or f.name != BUDGET]
    if not files:
        raise BadInput(f"{corpus}: no labels in it; a corpus is a folder of .toml files, see docs/score.md")
    found, missing = [], []
    for file in files:
        labels = read_labels(file)
        if not wanted(labels):
            continue
        entry = Labelled(name=file.stem, file=str(file), folder=str(pictures or file.parent), labels=labels)
        if labels.recording.startswith("sim:") or Path(entry.source).exists():
            if only is None or only in entry.name:
                found.append(entry)
        else:
            missing.append(f"{file.stem}: no recording {entry.source}")
    return found, missing


BUDGET = "budget.toml"


def read_labels(file: Path) -> Labels:
    """The labels in a file. Raises `BadInput`."""
    labels: Labels = read_toml(file, Labels)
    for number, interval in enumerate(labels.interval, 1):
        where = f"{file}: interval {number}"
        by_frame = interval.from_frame is not None and interval.to_frame is not None
        by_time = interval.from_s is not None and interval.to_s is not None
        if by_frame == by_time:
            raise BadInput(f"{where}: needs from_frame and to_frame, or from_s and to_s")
        backwards = (interval.from_frame or 0) > (interval.to_frame or 0)
        if backwards or (interval.from_s or 0) > (interval.to_s or 0):
            raise BadInput(f"{where}: ends before it begins")
    return labels


def read_toml(file: Path, kind: type[msgspec.Struct]):  # type: ignore[no-untyped-def]
    """A TOML file as a struct. Raises `BadInput` naming file and field."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise BadInput(f"{file}: larger than 1 MiB, no file of labels")
        return msgspec.convert(tomllib.loads(raw.decode()), kind)
    except OSError as e:
        raise BadInput(f"{file}: cannot be read: {e.strerror or e}") from e
    except (ValueError, RecursionError) as e:
        raise BadInput(f"{file}: {clean(str(e), 300)}; see docs/score.md") from e
