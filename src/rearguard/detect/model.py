"""A detector network, loaded only if it is the one its card describes."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rearguard
from rearguard.detect.card import Card, read_card
from rearguard.errors import BadInput, PartFailed

DEFAULT = "centernet"

# runtime name → the module that has `Interpreter`; `auto` takes the first that can be imported.
RUNTIMES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}

Size = tuple[int, int]  # width, height in pixels

_PAIR = struct.Struct("<2i")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_MAX_BYTES = 128 * 1024 * 1024


class Model:
    """An interpreter with its card, ready to be invoked; for one thread at a time.

    Fill `input` (float32, (1, height, width, 3)), call `invoke`, read `scores` and `boxes`. All three
    are views of the interpreter's own memory, made anew on each access: keep none across `invoke`.
    """

    def __init__(self, card: Card, content: bytes, size: Size, runtime: str, interpreter: Any) -> None:
        """`interpreter` has its tensors allocated; use `load_model`, which checks everything first."""
        self.card = card
        self.name = card.name
        self.digest = card.sha256
        self.runtime = runtime
        self.input_size = size
        self.invoke_s = 0.0
        self._content = content  # the interpreter reads its weights from here
        self._interpreter = interpreter
        self._input = interpreter.tensor(_only_input(size, interpreter))
        self._scores = interpreter.tensor(_output(card, "scores", card.scores_shape(size), interpreter))
        self._boxes = interpreter.tensor(_output(card, "boxes", card.boxes_shape(size), interpreter))

    @property
    def input(self) -> NDArray[np.float32]:
        view: NDArray[np.float32] = self._input()
        return view

    @property
    def scores(self) -> NDArray[np.float32]:
        view: NDArray[np.float32] = self._scores()
        return view

    @property
    def boxes(self) -> NDArray[np.float32]:
        view: NDArray[np.float32] = self._boxes()
        return view

    def invoke(self) -> None:
        """Run the network once; the interpreter releases the GIL meanwhile. `invoke_s` is how long it took."""
        start = time.perf_counter()
        self._interpreter.invoke()
        self.invoke_s = time.perf_counter() - start


def models_folder() -> Path:
    """Where the models lie: inside an installed package, else in the checkout."""
    package = Path(rearguard.__file__).resolve().parent
    installed = package / "_models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def available() -> list[str]:
    """Names `load_model` knows, sorted."""
    return sorted(path.stem for path in models_folder().glob("*.toml"))


def card_of(name_or_path: str = "") -> Card:
    """The card of a model, by name or path as for `load_model`; raises `BadInput`."""
    return read_card(_card_path(name_or_path or DEFAULT))


def load_model(
    name_or_path: str = "", *, runtime: str = "auto", threads: int = 2, size: Size | None = None
) -> Model:
    """The model called `name_or_path` (empty: the default), checked against its card and invoked once.

    A path names a `.tflite` file with its card (same name, `.toml`) beside it. `size` is the input's
    (width, height) in pixels where it should differ from the card's; see `Card.can_be`. Raises `BadInput`
    when the file is missing, its digest, tensors or types are not the card's, or it cannot be run, and
    `PartFailed` when no runtime is installed.
    """
    card_path = _card_path(name_or_path or DEFAULT)
    card = read_card(card_path)
    path = card_path.with_name(card.file)
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise BadInput(
            f"{path}: damaged or not the model of {card_path.name}: sha256 {digest[:12]}…, "
            f"the card says {card.sha256[:12]}…; fetch it anew"
        )
    size = size or card.input_size
    if not card.can_be(size):
        raise BadInput(
            f"{path}: cannot run at {size[0]}×{size[1]}; only multiples of 32, if its card has sizes_at"
        )
    content = _resized(content, card, size)
    runtime, interpreter_class = _runtime(runtime)
    try:
        with _without_chatter():
            interpreter = interpreter_class(model_content=content, num_threads=threads)
            if size != card.input_size:
                where = interpreter.get_input_details()[0]["index"]
                interpreter.resize_tensor_input(where, [1, size[1], size[0], 3])
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as e:
        raise BadInput(f"{path}: {runtime} cannot load it: {_first_line(e)}") from e
    try:
        model = Model(card, content, size, runtime, interpreter)
        model.input.fill(0)
        model.invoke()
    except (ValueError, RuntimeError) as e:
        raise BadInput(f"{path}: {_first_line(e)}") from e
    if not (np.isfinite(model.scores).all() and np.isfinite(model.boxes).all()):
        raise BadInput(f"{path}: answers a black picture with numbers that are not finite")
    return model


def _card_path(name_or_path: str) -> Path:
    if not name_or_path.endswith(".tflite") and _NAME.fullmatch(name_or_path):
        path = models_folder() / f"{name_or_path}.toml"
        if not path.is_file():
            raise BadInput(f"no model called {name_or_path!r}; there are: {', '.join(available()) or 'none'}")
        return path
    path = Path(name_or_path)
    if path.suffix != ".tflite":
        raise BadInput(f"{name_or_path!r}: neither a model's name nor the path of a .tflite file")
    if not path.is_file():
        raise BadInput(f"{path}: no such model file")
    card = path.with_suffix(".toml")
    if not card.is_file():
        raise BadInput(f"{path}: has no card {card.name} beside it; see models/README.md")
    return card


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{path}: larger than {_MAX_BYTES >> 20} MiB, not a detector")
        return path.read_bytes()
    except OSError as e:
        raise BadInput(f"{path}: cannot read the model: {e.strerror}") from e


def _resized(content: bytes, card: Card, size: Size) -> bytes:
    """The file with the sizes it holds scaled from the card's input size to `size`."""
    if size == card.input_size:
        return content
    patched = bytearray(content)
    for offset in card.input.sizes_at:
        if not 0 <= offset <= len(content) - _PAIR.size:
            raise BadInput(
                f"{card.name}: its card says that a size stands at byte {offset}, outside the file"
            )
        rows, columns = _PAIR.unpack_from(patched, offset)
        rows = rows * size[1] // card.input.height_px
        columns = columns * size[0] // card.input.width_px
        _PAIR.pack_into(patched, offset, rows, columns)
    return bytes(patched)


def _runtime(wanted: str) -> tuple[str, Any]:
    """The runtime's name and its `Interpreter` class."""
    if wanted not in (*RUNTIMES, "auto"):
        raise BadInput(f"no runtime called {wanted!r}; there are: auto, {', '.join(RUNTIMES)}")
    for name in RUNTIMES if wanted == "auto" else (wanted,):
        try:
            return name, import_module(RUNTIMES[name]).Interpreter
        except ImportError:
            continue
    raise PartFailed(f"TFLite runtime {wanted!r} is not installed; pip install ai-edge-litert")


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back the runtime's INFO lines, which it writes straight to file descriptor 2; pass on the rest."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if not line.startswith(b"INFO:"):
                    os.write(2, line)


def _only_input(size: Size, interpreter: Any) -> int:
    """The index of the input tensor; raises ValueError when it is not as the card says."""
    inputs = interpreter.get_input_details()
    expected = (1, size[1], size[0], 3)
    if len(inputs) != 1 or tuple(inputs[0]["shape"]) != expected or inputs[0]["dtype"] is not np.float32:
        raise ValueError(f"expects inputs {_shapes(inputs)}, the card says float32 {expected}")
    return int(inputs[0]["index"])


def _output(card: Card, what: str, shape: tuple[int, ...], interpreter: Any) -> int:
    """The index of the output of this shape (and, if several have it, of this name)."""
    outputs = interpreter.get_output_details()
    fitting = [d for d in outputs if tuple(d["shape"]) == shape and d["dtype"] is np.float32]
    if len(fitting) > 1:
        fitting = [d for d in fitting if what in d["name"]]
    if len(fitting) != 1:
        raise ValueError(
            f"has outputs {_shapes(outputs)}, none is the float32 {what} {shape} of {card.name}.toml"
        )
    return int(fitting[0]["index"])


def _shapes(details: list[dict[str, Any]]) -> str:
    return ", ".join(f"{np.dtype(d['dtype']).name} {tuple(map(int, d['shape']))}" for d in details)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
