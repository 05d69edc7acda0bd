"""From a film and the marks of a tape to a labelled recording: the film with heads hidden, its truth, its labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rearguard.camera.source import Source, SourceInfo
from rearguard.clock import NS_PER_S
from rearguard.config import Config
from rearguard.errors import BadInput
from rearguard.journal.media.redact import redact
from rearguard.lab.collect.film import Heads, film_writer
from rearguard.lab.collect.tape import Approach, Mark, MarkReader, from_presses, from_sizes
from rearguard.output import check_output, output
from rearguard.types import Box

DUE_TTC_S = 4.0  # a warning is due from here on; one that comes up to a second earlier is not false
_LONGEST_S = 20.0  # longer times are none that `score` knows
_MOST_FRAMES = 20_000
_PERSON_M = 1.7
_SAME_PACE_S = 3.0  # before the first mark and after the last
ENDINGS = (".mkv", ".csv", ".toml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is collected. `beside_m`: how far beside the path the thing is; it is then passed, not met. One of `marks`
    (seconds of the film) and `marker_m` (the side of the printed mark) tells how far it was. `agreed`: it is
    somebody who wants to be seen.
    """

    what: str
    stem: Path
    about: str = ""
    beside_m: float | None = None
    marks: tuple[Mark, ...] = ()
    marker_m: float | None = None
    agreed: bool = False


def check_stem(stem: Path) -> None:
    """Raise `BadInput` when the three files cannot be written, or one is there already."""
    for ending in ENDINGS:
        path = stem.with_name(stem.name + ending)
        if path.exists():
            raise BadInput(f"{path}: is there already; give -o another name")
        check_output(path, make_folder=True)


def collect(
    open_film: Callable[[], Source],
    wanted: Wanted,
    config: Config,
    on_frame: Callable[[int], None] | None = None,
) -> list[Approach]:
    """Write the labelled recording and return its approaches. The film is looked at twice, by `open_film` each time.

    Raises `BadInput` when the film cannot be read, is too long, or the marks make no sense.
    """
    times_s: list[float] = []
    sizes: list[Mark | None] = []
    heads = Heads(config.detect)
    source = open_film()
    try:
        info = source.info
        reader: MarkReader | None = None
        for frame in islice(source.frames(), _MOST_FRAMES + 1):
            times_s.append(frame.captured_ns / NS_PER_S)
            heads.find_people(frame.image, times_s[-1])
            if wanted.marker_m is not None:
                height, width = frame.image.shape[:2]
                reader = reader or MarkReader(wanted.marker_m, width, height, info.hfov_deg)
                sizes.append(reader.read(frame.image, times_s[-1]))
            if on_frame is not None:
                on_frame(len(times_s))
    finally:
        source.close()
    if not times_s or len(times_s) > _MOST_FRAMES:
        raise BadInput(
            f"{info.name}: {'no picture in it' if not times_s else 'longer than 20 000 pictures; cut it'}"
        )
    first_s = times_s[0]
    times_s = [t - first_s for t in times_s]
    sized = [None if m is None else Mark(m.t_s - first_s, m.range_m) for m in sizes]
    found = from_sizes(sized, times_s) if wanted.marker_m is not None else from_presses(wanted.marks, times_s)
    hidden = heads.areas(_heights(found, times_s, info) if wanted.agreed else {})
    _write_film(open_film, wanted.stem, hidden, first_s)
    _write(wanted.stem, ".csv", _truth(found))
    _write(wanted.stem, ".toml", _labels(wanted, found, info, config))
    return found


def _write_film(
    open_film: Callable[[], Source], stem: Path, hidden: Sequence[Sequence[Box]], first_s: float
) -> None:
    source = open_film()
    try:
        with output(stem.with_name(stem.name + ".mkv"), make_folder=True) as file, film_writer(file) as film:
            for number, frame in enumerate(source.frames()):
                film.add(redact(frame.image, hidden[number]), frame.captured_ns / NS_PER_S - first_s)
    finally:
        source.close()


def _heights(approaches: Sequence[Approach], times_s: Sequence[float], info: SourceInfo) -> dict[int, float]:
    """How tall who was walked at is in each picture of the approaches and shortly before and after, pixels, as far as
    the picture reaches.
    """
    focal = 0.5 * info.width_px / math.tan(math.radians(info.hfov_deg) / 2)
    tall: dict[int, float] = {}
    for approach in approaches:
        by_frame = {row.frame: row for row in approach.rows}
        for frame, t_s in enumerate(times_s):
            end = approach.rows[0] if t_s < approach.rows[0].t_s else approach.rows[-1]
            row = by_frame.get(frame, end)
            range_m = row.range_m - row.closing_m_s * (t_s - row.t_s)
            if abs(t_s - row.t_s) <= _SAME_PACE_S and range_m > 0:
                tall[frame] = min(focal * _PERSON_M / range_m, float(info.height_px))
    return tall


def _write(stem: Path, ending: str, text: str) -> None:
    with output(stem.with_name(stem.name + ending)) as file:
        file.write(text.encode())


def _truth(approaches: Sequence[Approach]) -> str:
    rows = [row for a in approaches for row in a.rows if row.ttc_s <= _LONGEST_S]
    lines = (f"{r.frame},{r.ttc_s:.3f},{r.range_m:.3f},{r.closing_m_s:.3f}" for r in rows)
    return "\n".join(("frame,ttc_s,range_m,closing_m_s", *lines, ""))


def _labels(wanted: Wanted, approaches: Sequence[Approach], info: SourceInfo, config: Config) -> str:
    beside = wanted.beside_m is not None
    what = wanted.what if not beside else f"{wanted.what}, {wanted.beside_m:g} m beside the path"
    lines = [
        f"about = {_quoted(wanted.about or f'Collected along a tape: {what}.')}",
        f"recording = {_quoted(wanted.stem.name + '.mkv')}",
        f"hfov_deg = {long_side_deg(info):.2f}",
        f'mount = "{config.camera.mount}"',
    ]
    for approach in approaches:
        rows = approach.rows if beside else [r for r in approach.rows if r.ttc_s <= DUE_TTC_S]
        if not rows:
            continue
        lines += [
            "",
            "[[interval]]",
            f'is = "{"lateral" if beside else "due"}"',
            f"what = {_quoted(what)}",
            f"from_frame = {rows[0].frame}",
            f"to_frame = {rows[-1].frame}",
        ]
        if not beside:
            lines.append(f"contact_s = {approach.contact_s:.3f}")
    if not beside:
        lines += ["", "[truth]", f"file = {_quoted(wanted.stem.name + '.csv')}"]
    return "\n".join([*lines, ""])


def long_side_deg(info: SourceInfo) -> float:
    """The angle along the picture's long side, as a recording's lens is told."""
    longer = max(1.0, info.height_px / info.width_px)
    return 2 * math.degrees(math.atan(math.tan(math.radians(info.hfov_deg) / 2) * longer))


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=True).replace("\x7f", "\\u007f")
