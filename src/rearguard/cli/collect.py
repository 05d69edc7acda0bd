"""`rearguard collect`: a recording with the truth of a tape."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.options import FILE, PLACE, config_option, fps_option, hfov_option, lens_option
from rearguard.errors import BadInput

if TYPE_CHECKING:
    from rearguard.camera.source import Source
    from rearguard.config import Config
    from rearguard.lab.collect.collect import Wanted
    from rearguard.lab.collect.tape import Approach, Mark


@click.command(
    epilog="""\b
Examples:
  rearguard collect --print mark.png                                  a mark to print, and hang on a wall or a person
  rearguard collect film.mp4 --marker 0.4 --what wall -o corpus/wall-1   its black square is 40 cm wide
  rearguard collect film.mp4 --mark 3.2@10 --mark 5.1@5 --mark 6.3@2 --what person -o corpus/walk-1
  rearguard collect picamera2 --tape 10,5,2 --what post -o corpus/post-1   press the button, or Enter, at each mark
  rearguard score corpus/

\b
Writes NAME.mkv with heads hidden, NAME.csv with the true time to collision of each picture, and NAME.toml with the
labels: a warning is due while it is 4 s or less; with --beside, something passes. How to walk it: docs/collect.md."""
)
@click.argument("source", required=False)
@click.option(
    "--what", default="person", show_default=True, metavar="WORDS", help="What it was walked or run at."
)
@click.option(
    "--mark",
    "marks",
    multiple=True,
    metavar="SECONDS@METRES",
    help="When in the film the lens was how far from it; two or more.",
)
@click.option(
    "--marker",
    "marker_m",
    type=click.FloatRange(0.02, 5),
    metavar="METRES",
    help="Side of the mark's black square.",
)
@click.option(
    "--tape", metavar="METRES,...", help="Marks of the tape, far to near, to be pressed one by one."
)
@click.option(
    "--seconds",
    type=click.FloatRange(2, 600),
    default=120.0,
    show_default=True,
    help="With --tape: the longest.",
)
@click.option(
    "--beside",
    "beside_m",
    type=click.FloatRange(0.3, 20),
    metavar="METRES",
    help="It stands so far beside the path.",
)
@click.option("-o", "--output", "stem", type=PLACE, metavar="NAME", help="What to write, without ending.")
@click.option("--print", "printed", type=FILE, help="Draw the mark into this PNG, no more.")
@click.option(
    "--agreed",
    is_flag=True,
    help="Who was walked at agreed to be seen: their head is left, all others are hidden.",
)
@click.option("--about", default="", metavar="WORDS", help="A sentence on where and how, for the labels.")
@fps_option
@hfov_option
@lens_option
@config_option
def collect(
    source: str | None,
    what: str,
    marks: tuple[str, ...],
    marker_m: float | None,
    tape: str | None,
    seconds: float,
    beside_m: float | None,
    stem: Path | None,
    printed: Path | None,
    agreed: bool,
    about: str,
    fps: float | None,
    hfov_deg: float | None,
    lens: str,
    config_file: Path | None,
) -> None:
    """Make a labelled recording for `score` of walking or running at something along a tape.

    SOURCE is a film, or, with --tape, a camera: picamera2 or webcam:N.
    """
    from rearguard.camera.catalogue import open_source
    from rearguard.config import load
    from rearguard.lab.collect.collect import Wanted, check_stem

    if printed is not None:
        _print_mark(printed)
        return
    if source is None or stem is None:
        raise BadInput("say what to look at and where to write: rearguard collect FILM … -o NAME")
    if sum((bool(marks), marker_m is not None, tape is not None)) != 1:
        raise BadInput("say in one way how far it was: --mark (twice or more), --marker, or --tape")
    config = load(config_file)
    check_stem(stem)

    def opened(word: str, hfov: float | None = hfov_deg, *, live: bool = False) -> Source:
        return open_source(
            word, config.camera, fps=fps, hfov_deg=hfov, lens=lens if word == source else "", realtime=live
        )

    wanted = Wanted(what, stem, about, beside_m, tuple(_mark(m) for m in marks), marker_m, agreed)
    if tape is None:
        found = _collect_shown(lambda: opened(source), wanted, config)
    else:
        found = _at_the_tape(opened(source, live=True), _tape(tape), seconds, wanted, config, opened)
    _print_approaches(found, stem)


def _mark(text: str) -> Mark:
    from rearguard.lab.collect.tape import Mark

    try:
        seconds, metres = (float(part) for part in text.split("@"))
    except ValueError:
        raise BadInput(f"--mark {text}: write SECONDS@METRES, as in 3.2@10") from None
    return Mark(seconds, metres)


def _tape(text: str) -> list[float]:
    try:
        tape = [float(part) for part in text.split(",")]
    except ValueError:
        tape = []
    if len(tape) < 2 or not all(0 <= m <= 100 for m in tape):
        raise BadInput(f"--tape {text}: write two distances or more in metres, far to near, as in 10,5,2")
    return tape


def _collect_shown(open_film: Callable[[], Source], wanted: Wanted, config: Config) -> Sequence[Approach]:
    from rearguard.cli.progress import progress_bar
    from rearguard.lab.collect.collect import collect

    first = open_film()
    frames = first.info.frames
    first.close()
    with progress_bar("pictures", frames or 0) as bar:
        return collect(open_film, wanted, config, lambda _: bar.advance())


def _at_the_tape(
    camera: Source,
    tape: list[float],
    seconds: float,
    wanted: Wanted,
    config: Config,
    opened: Callable[..., Source],
) -> Sequence[Approach]:
    """Record first, with faces in it, into a file that goes away; then make of that what is kept."""
    from dataclasses import replace

    from rearguard.lab.collect.collect import long_side_deg
    from rearguard.lab.collect.live import pressing, record

    wanted.stem.parent.mkdir(parents=True, exist_ok=True)
    raw = wanted.stem.with_name(f".{secrets.token_hex(8)}.part.mkv")

    def tell(line: str) -> None:
        click.echo(line, err=True)

    try:
        with pressing(config.warden.button_pin, tell) as presses:
            try:
                marks = record(camera, raw, tape, presses, seconds=seconds, tell=tell)
            finally:
                camera.close()
        taken = replace(wanted, marks=tuple(marks))
        return _collect_shown(lambda: opened(str(raw), long_side_deg(camera.info)), taken, config)
    finally:
        raw.unlink(missing_ok=True)


def _print_mark(path: Path) -> None:
    import cv2

    from rearguard.lab.collect.tape import marker
    from rearguard.output import output

    done, data = cv2.imencode(".png", marker())
    assert done
    with output(path) as file:
        file.write(data.tobytes())
    click.echo(f"{path}: print it, keep the white rim, and measure the side of the black square")


def _print_approaches(found: Sequence[Approach], stem: Path) -> None:
    for approach in found:
        first, last = approach.rows[0], approach.rows[-1]
        click.echo(
            f"{first.t_s:.1f} to {last.t_s:.1f} s: from {first.range_m:.2f} to {last.range_m:.2f} m at "
            f"{first.closing_m_s:.2f} to {last.closing_m_s:.2f} m/s; marks off by {approach.off_m:.2f} m at most"
        )
    click.echo(
        f"wrote {stem.name}.mkv, .csv and .toml; look at the film before you hand it on: a head may be missed"
    )
