"""`rearguard evaluate`: how well and how fast the detector sees labelled pictures."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from rearguard.cli.options import PLACE, config_option, json_option
from rearguard.config import load
from rearguard.config.detect import Detect
from rearguard.errors import BadInput

_EPILOG = """
\b
A DATASET is a folder of one of these forms:
  images/NAME.jpg + labels/NAME.txt        YOLO: class cx cy w h, COCO's 80 classes, fractions
  images/NAME.png + annotations/NAME.txt   Penn-Fudan
  123.jpg + boxes.csv                      frame,label,x,y,w,h[,occluded] in pixels

\b
Examples:
  rearguard evaluate pennfudan coco_val
  rearguard evaluate coco_val --model centernet --model mine.tflite --label person,dog
  rearguard evaluate pennfudan --input-px 102400 --json | jq '.[].labels.person.ap50'
"""


@click.command(epilog=_EPILOG)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...", type=PLACE)
@click.option("--model", "models", multiple=True, help="Model by name or path; may be repeated.")
@click.option("--label", "labels", default="person", show_default=True, help="Labels to score, or 'all'.")
@click.option("--input-px", type=click.IntRange(16_384, 1_048_576), help="Input pixels of the network.")
@click.option("--threads", type=click.IntRange(1, 16), help="Interpreter threads.")
@click.option("--runtime", type=click.Choice(["auto", "litert", "tflite"]), help="TFLite runtime.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N pictures of each set.")
@config_option
@json_option
def evaluate(
    datasets: tuple[Path, ...],
    models: tuple[str, ...],
    labels: str,
    input_px: int | None,
    threads: int | None,
    runtime: str | None,
    limit: int | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Measure detectors on labelled pictures.

    Average precision (COCO's AP50), recall and precision at the configured min_score, recall by the height
    of things in picture pixels, and the median time per network run and per picture.
    """
    from rearguard.cli.progress import progress_bar
    from rearguard.lab.evaluate.datasets import Dataset, read_dataset
    from rearguard.lab.evaluate.measure import Ours, measure
    from rearguard.lab.evaluate.table import as_jsonable, show

    base = load(config_file).detect
    changes = {"input_px": input_px, "threads": threads, "runtime": runtime}
    base = msgspec.structs.replace(base, **{k: v for k, v in changes.items() if v is not None})
    sets = [read_dataset(folder) for folder in datasets]
    if limit:
        sets = [Dataset(s.name, s.format, s.pictures[:limit]) for s in sets]
    configs = [msgspec.structs.replace(base, model=name) for name in models or (base.model,)]
    jobs = [(s, _labels(labels, s.labels, configs)) for s in sets]
    with progress_bar("measuring", sum(len(s.pictures) for s in sets)) as bar:
        seers = [Ours(config) for config in configs]
        results = [r for s, scored in jobs for r in measure(s, seers, scored, base.min_score, bar.advance)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([as_jsonable(r) for r in results])).decode())
    else:
        show(results)


def _labels(wanted: str, occurring: frozenset[str], configs: list[Detect]) -> tuple[str, ...]:
    """The labels to score on a set: those asked for, or all that occur and every model can name."""
    from rearguard.detect.classes import COCO
    from rearguard.detect.model import card_of

    known = [card_of(config.model).classes.labels for config in configs]
    if wanted == "all":
        return tuple(label for label in COCO if label in occurring and all(label in names for names in known))
    labels = tuple(label.strip() for label in wanted.split(","))
    for label in labels:
        if label not in COCO:
            raise BadInput(f"--label: {label!r} is not one of COCO's 80 labels")
        for config, names in zip(configs, known, strict=True):
            if label not in names:
                raise BadInput(f"--label: {config.model or 'the default model'} cannot name a {label!r}")
    return labels
