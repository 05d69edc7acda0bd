"""Reading a TensorFlow.js graph model and replaying it with TensorFlow operations at another input size.

Development only: needs the `build` extra. The graph is walked once, in topological order, inside a
`tf.function`, so that the TFLite converter sees ordinary TensorFlow operations. Constants stay NumPy
arrays, which is what keeps every shape static.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

_DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by name (as in the JSON) and the weights of its constants, float16 widened to float32."""

    nodes: dict[str, dict[str, Any]]
    weights: dict[str, np.ndarray]


def read(json_path: Path) -> Graph:
    """The graph in `json_path` with the weights of the `.bin` files it names, beside it."""
    doc = json.loads(json_path.read_text())
    weights: dict[str, np.ndarray] = {}
    for group in doc["weightsManifest"]:
        data = b"".join((json_path.parent / name).read_bytes() for name in group["paths"])
        offset = 0
        for spec in group["weights"]:
            count = int(np.prod(spec["shape"], dtype=np.int64))
            dtype = np.dtype(_DTYPES[spec["dtype"]])
            stored = np.dtype(np.float16) if "quantization" in spec else dtype
            if "quantization" in spec and spec["quantization"]["dtype"] != "float16":
                raise ValueError(
                    f"{spec['name']}: quantization {spec['quantization']['dtype']} is not float16"
                )
            values = np.frombuffer(data, stored, count, offset).astype(dtype)
            weights[spec["name"]] = values.reshape(spec["shape"])
            offset += count * stored.itemsize
        if offset != len(data):
            raise ValueError(f"{json_path.name}: {len(data)} bytes of weights, {offset} described")
    return Graph({node["name"]: node for node in doc["modelTopology"]["node"]}, weights)


def replay(
    graph: Graph, feeds: dict[str, tf.Tensor], outputs: Sequence[str], scale: tuple[float, float]
) -> list[Any]:
    """The tensors called `outputs`, computed from `feeds`.

    `scale` (vertical, horizontal) is this input size over the size the graph was made for: the constant
    target sizes of its resize operations follow it.
    """
    needs: dict[str, list[str]] = {}
    todo = list(outputs)
    while todo:
        name = todo.pop()
        if name not in needs:
            needs[name] = (
                [] if name in feeds else [_node_of(ref) for ref in graph.nodes[name].get("input", [])]
            )
            todo += needs[name]
    values: dict[str, Any] = {}
    for name in TopologicalSorter(needs).static_order():
        if name in feeds:
            values[name] = feeds[name]
        elif graph.nodes[name]["op"] == "Const":
            values[name] = graph.weights[name]
        else:
            node = graph.nodes[name]
            inputs = [values[_node_of(ref)] for ref in node.get("input", []) if not ref.startswith("^")]
            with tf.name_scope(name):  # so that an operation can be told by its name in the converted model
                values[name] = _OPS[node["op"]](inputs, _Attributes(node.get("attr", {}), scale))
    return [values[name] for name in outputs]


def _node_of(ref: str) -> str:
    return ref.lstrip("^").partition(":")[0]


@dataclass(frozen=True, slots=True)
class _Attributes:
    """A node's attributes in Python's types; TF.js stores strings in base64."""

    raw: dict[str, Any]
    scale: tuple[float, float]

    def text(self, key: str, default: str) -> str:
        return base64.b64decode(self.raw[key]["s"]).decode() if key in self.raw else default

    def ints(self, key: str, default: list[int]) -> list[int]:
        return [int(i) for i in self.raw.get(key, {}).get("list", {}).get("i", [])] or default

    def texts(self, key: str) -> list[str]:
        return [base64.b64decode(s).decode() for s in self.raw.get(key, {}).get("list", {}).get("s", [])]

    def flag(self, key: str) -> bool:
        return bool(self.raw.get(key, {}).get("b", False))


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"Relu": tf.nn.relu, "Relu6": tf.nn.relu6}


def _finish(value: Any, inputs: list[Any], attributes: _Attributes) -> Any:
    """The bias and activation that TF.js fused into a convolution."""
    for op in attributes.texts("fused_ops"):
        value = tf.nn.bias_add(value, inputs[2]) if op == "BiasAdd" else _ACTIVATIONS[op](value)
    return value


def _conv(inputs: list[Any], attributes: _Attributes) -> Any:
    ones = [1, 1, 1, 1]
    value = tf.nn.conv2d(
        inputs[0],
        inputs[1],
        attributes.ints("strides", ones),
        attributes.text("padding", "SAME"),
        dilations=attributes.ints("dilations", ones),
    )
    return _finish(value, inputs, attributes)


def _depthwise(inputs: list[Any], attributes: _Attributes) -> Any:
    ones = [1, 1, 1, 1]
    value = tf.nn.depthwise_conv2d(
        inputs[0],
        inputs[1],
        attributes.ints("strides", ones),
        attributes.text("padding", "SAME"),
        dilations=attributes.ints("dilations", ones)[1:3],
    )
    return _finish(value, inputs, attributes)


def _resize(inputs: list[Any], attributes: _Attributes) -> Any:
    size = np.rint(np.asarray(inputs[1]) * attributes.scale).astype(np.int32)
    return tf.compat.v1.image.resize_bilinear(
        inputs[0],
        size,
        align_corners=attributes.flag("align_corners"),
        half_pixel_centers=attributes.flag("half_pixel_centers"),
    )


def _mean(inputs: list[Any], attributes: _Attributes) -> Any:
    return tf.reduce_mean(inputs[0], inputs[1].tolist(), keepdims=attributes.flag("keep_dims"))


def _pool(inputs: list[Any], attributes: _Attributes) -> Any:
    ones = [1, 1, 1, 1]
    return tf.nn.max_pool2d(
        inputs[0],
        attributes.ints("ksize", ones),
        attributes.ints("strides", ones),
        attributes.text("padding", "SAME"),
    )


_OPS: dict[str, Callable[[list[Any], _Attributes], Any]] = {
    "Add": lambda x, _: x[0] + x[1],
    "AddV2": lambda x, _: x[0] + x[1],
    "ConcatV2": lambda x, _: tf.concat(x[:-1], int(x[-1])),
    "Conv2D": _conv,
    "_FusedConv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "FusedDepthwiseConv2dNative": _depthwise,
    "Identity": lambda x, _: x[0],
    "MaxPool": _pool,
    "Mean": _mean,
    "Mul": lambda x, _: x[0] * x[1],
    "Relu": lambda x, _: tf.nn.relu(x[0]),
    "Relu6": lambda x, _: tf.nn.relu6(x[0]),
    "ResizeBilinear": _resize,
    "Sigmoid": lambda x, _: tf.sigmoid(x[0]),
    "Sub": lambda x, _: x[0] - x[1],
}
