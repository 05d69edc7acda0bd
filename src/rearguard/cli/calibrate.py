"""`rearguard calibrate`: measure a lens that bends lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.options import FILE, config_option, fps_option, json_option

if TYPE_CHECKING:
    from rearguard.doctor.calibrate import Board, Measured
    from rearguard.types import Frame

_EVERY_S = 0.3  # of a film or a camera; the board has to move meanwhile


@click.command(
    epilog="""\b
Examples:
  rearguard calibrate --print board.png              a board, to print and glue to something flat
  rearguard calibrate film.mp4 -o lens.toml          hold it near, far, tilted, into every corner
  rearguard calibrate picamera2 --seconds 60 -o lens.toml
  rearguard calibrate photos/ --board chessboard:9x6 -o lens.toml
  rearguard run --source film.mp4 --lens lens.toml

\b
Action cameras and wide modules bend lines, so that a thing aside seems elsewhere than it is. With the file in
camera.lens, or --lens for a recording, every picture is straightened before anything looks at it."""
)
@click.argument("source", required=False)
@click.option(
    "--board",
    default="charuco:8x6",
    show_default=True,
    help="What was printed: charuco:COLUMNSxROWS in squares, chessboard:COLUMNSxROWS in inner corners.",
)
@click.option("-o", "--output", type=FILE, help="File to write the lens to.")
@click.option(
    "--seconds",
    type=click.FloatRange(5, 600),
    default=60.0,
    show_default=True,
    help="How long to look through a camera.",
)
@click.option(
    "--print",
    "printed",
    type=FILE,
    help="Draw the ChArUco board of --board into this PNG, and do nothing else.",
)
@fps_option
@config_option
@json_option
def calibrate(
    source: str | None,
    board: str,
    output: Path | None,
    seconds: float,
    printed: Path | None,
    fps: float | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Measure the lens of SOURCE from pictures of a printed board: its focal length, and how it bends lines.

    SOURCE is a film, a folder of photos, webcam:N or picamera2, with the board in at least 8 different places.
    """
    from rearguard.doctor.calibrate import Board
    from rearguard.errors import BadInput
    from rearguard.output import check_output
    from rearguard.output import output as write_whole

    wanted = Board.of(board)
    if printed is not None:
        _draw_board(wanted, printed)
        return
    if source is None or output is None:
        raise BadInput("say what to look at and where to write: rearguard calibrate SOURCE -o lens.toml")
    check_output(output)
    found = _measure_lens(source, wanted, seconds, fps, config_file)
    with write_whole(output) as file:
        file.write(found.lens.to_toml().encode())
    if as_json:
        import msgspec

        told = {"file": str(output), "hfov_deg": found.lens.hfov_deg, **msgspec.to_builtins(found)}
        click.echo(msgspec.json.encode(told))
        return
    lens = found.lens
    click.echo(
        f"{output}: a {lens.model} lens, {lens.hfov_deg:.1f}° across, from {lens.views} views that fit to "
        f"{lens.rms_px:.2f} px, seen in {found.coverage:.0%} of the picture."
    )
    for line in found.advice:
        click.echo(line[0].upper() + line[1:] + ".")


def _to_its_end(frames: Iterable[Frame]) -> Iterator[Frame]:
    """What there is of a recording that was cut short, and a word about it."""
    from rearguard.errors import CutShort

    try:
        yield from frames
    except CutShort as e:
        click.echo(f"rearguard: {e}", err=True)


def _draw_board(board: Board, file: Path) -> None:
    """Write the board as a PNG, to be printed. Raises `BadInput` for a kind that cannot be drawn."""
    import cv2

    from rearguard.errors import BadInput
    from rearguard.output import output as write_whole

    if board.kind != "charuco":
        raise BadInput("--print draws ChArUco boards, which may be half hidden; say --board charuco:8x6")
    with write_whole(file) as opened:
        opened.write(cv2.imencode(".png", board.draw())[1].tobytes())
    click.echo(f"{file}: print it without scaling to fit, and glue it to something flat.", err=True)


def _measure_lens(
    source: str, board: Board, seconds: float, fps: float | None, config_file: Path | None
) -> Measured:
    """Find the board in a film, in a folder of photos or in `seconds` of a camera, and fit the lens to its views."""
    import msgspec

    from rearguard.camera.catalogue import open_source
    from rearguard.camera.latest import feed
    from rearguard.cli.progress import progress_bar
    from rearguard.config import load
    from rearguard.doctor.calibrate import measure

    camera = msgspec.structs.replace(load(config_file).camera, lens="")
    photos = Path(source).is_dir()
    # When photos were taken is no matter.
    opened = open_source(source, camera, fps=fps or (1.0 if photos else None))
    frames = feed(opened)
    every = 1 if photos else max(1, round(_EVERY_S * opened.info.fps))
    most = round(seconds * opened.info.fps) if opened.info.live else None
    try:
        with progress_bar("board found") as bar:
            return measure(
                islice(_to_its_end(frames), 0, most, every),
                board,
                f"rearguard calibrate {source}",
                lambda n: bar.reach(n, None),
            )
    finally:
        frames.stop()
        frames.join(2.0)
