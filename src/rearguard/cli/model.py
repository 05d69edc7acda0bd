"""`rearguard model`: which detectors there are, and how to bring one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rearguard.cli.options import THERE, json_option
from rearguard.errors import EXIT_NO, BadInput, PartFailed, RearguardError

if TYPE_CHECKING:
    from rearguard.detect.adopt import Adopted

_KINDS = {
    "postprocess": "an SSD or EfficientDet-Lite with post-processing",
    "yolov5": "a YOLOv5",
    "yolov8": "a YOLOv8 or YOLO11",
    "yolo-nms": "a YOLO that removes overlaps itself",
}


@click.group("model")
def model() -> None:
    """Detectors: the ones that come with rearguard, and your own."""


@model.command(
    "add",
    epilog="""\b
Examples:
  rearguard model add efficientdet_lite0.tflite
  rearguard model add ssd_mobilenet.tflite --labels coco_labels.txt
  rearguard model add yolov8n_float32.tflite --labels coco.txt --name yolo
  sudo rearguard model add my.tflite      for the service on a Raspberry Pi

\b
It takes SSD and EfficientDet-Lite with TFLite_Detection_PostProcess, YOLOv5, YOLOv8 to YOLO26, as float32, uint8
or int8 .tflite. Labels are read from the file where it has them. models/README.md tells more.""",
)
@click.argument("file", type=THERE)
@click.option("--labels", type=THERE,
              help="Its labels: one name a line in the order of its classes, numbered lines, or a .pbtxt.")  # fmt: skip
@click.option("--name", help="What to call it; by default its file's name.")
@click.option("--replace", is_flag=True, help="Take the place of a model of your own that has this name.")
@json_option
def add(file: Path, labels: Path | None, name: str | None, replace: bool, as_json: bool) -> None:
    """Find out what FILE is, keep it with a card of its own, and try it on the golden picture.

    Exit code 1 when it was added but is no detector to run with: it knows no people, or does not find the one
    in the golden picture.
    """
    import re

    from rearguard.config.detect import Detect
    from rearguard.detect.adopt import adopt
    from rearguard.lab.evaluate.trial import try_model

    if name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", name):
        raise BadInput(f"--name {name!r}: small letters, digits, dots and dashes only")
    adopted = adopt(file, labels, name)
    place = _keep_model(adopted, replace)
    card = adopted.card
    try:
        trial = try_model(Detect(model=card.name))
    except RearguardError:
        for path in (place.with_suffix(".toml"), place):  # what cannot be run is not kept
            path.unlink(missing_ok=True)
        raise
    if as_json:
        import json

        import msgspec

        told = {
            "name": card.name,
            "file": str(place),
            "decoder": card.decoder,
            "input": msgspec.to_builtins(card.input),
            "labels": card.classes.labels,
            "assumed": adopted.assumed,
            **msgspec.to_builtins(trial),
        }
        click.echo(json.dumps(told))
    else:
        size = f"{card.input.width_px}x{card.input.height_px}, {card.input.type}"
        click.echo(f"{file.name} is {_KINDS[card.decoder]}, {size}, {len(card.classes.labels)} labels.")
        for line in (*adopted.assumed, *trial.verdict()):
            click.echo(line[0].upper() + line[1:])
        click.echo(f'Kept as {place}. To use it: detect.model = "{card.name}" in your configuration.')
    usable = "person" in trial.knows and trial.score is not None
    sys.exit(0 if usable else EXIT_NO)


def _keep_model(adopted: Adopted, replace: bool) -> Path:
    """Write an adopted model and its card into the folder of one's own models; gives the model's file.

    Raises `BadInput` where its name is taken, `PartFailed` where the folder cannot be written.
    """
    from rearguard.detect.adopt import card_toml
    from rearguard.detect.model import models_folder, own_models_folder

    card, folder = adopted.card, own_models_folder()
    place = folder / card.file
    if (models_folder() / f"{card.name}.toml").exists():
        raise BadInput(f"{card.name}: rearguard's own model has this name; choose another with --name")
    if place.with_suffix(".toml").exists() and not replace:
        raise BadInput(
            f"{card.name}: there is one of this name in {folder}; say --replace, or another --name"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in ((place, adopted.content), (place.with_suffix(".toml"), card_toml(card).encode())):
            part = path.with_name(path.name + ".part")
            part.write_bytes(data)
            part.chmod(0o644)
            part.replace(path)
    except OSError as e:
        raise PartFailed(f"{place}: cannot be kept: {e.strerror or e}") from e
    return place


@model.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the models there are: name, kind, input, how many labels, and which is the default."""
    from rearguard.detect.model import DEFAULT, available, card_of

    rows = []
    for name in available():
        try:
            card = card_of(name)
        except BadInput as e:
            click.echo(f"rearguard: {e}", err=True)
            continue
        rows.append(
            {
                "name": name,
                "decoder": card.decoder,
                "width_px": card.input.width_px,
                "height_px": card.input.height_px,
                "type": card.input.type,
                "labels": len(card.classes.labels),
                "people": "person" in card.classes.labels,
                "default": name == DEFAULT,
                "origin": card.origin,
            }
        )
    if as_json:
        import json

        click.echo(json.dumps(rows))
        return
    _print_rows(rows)


def _print_rows(rows: list[dict[str, object]]) -> None:
    from rearguard.review.terminal import show_table
    from rearguard.text import clean

    columns = {
        "name": [f"{r['name']}{' (default)' if r['default'] else ''}" for r in rows],
        "kind": [str(r["decoder"]) for r in rows],
        "input": [f"{r['width_px']}x{r['height_px']} {r['type']}" for r in rows],
        "labels": [str(r["labels"]) for r in rows],
        "people": ["yes" if r["people"] else "no" for r in rows],
        "origin": [clean(str(r["origin"]), 60) for r in rows],
    }
    show_table(columns, keys=("name",), right=("labels",))
