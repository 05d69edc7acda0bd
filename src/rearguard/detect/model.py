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
SYSTEM_MODELS = Path("/var/lib/rearguard-models")

# runtime name → the module that has `Interpreter`; `auto` takes the first that can be imported.
RUNTIMES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}

Size = tuple[int, int]  # width, height in pixels

_PAIR = struct.Struct("<2i")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_MAX_BYTES = 128 * 1024 * 1024


class Model:
    """An interpreter with its card, ready to be invoked; for one thread at a time.

    Fill `input` ((1, height, width, 3), of the card's type), call `invoke`, read `scores` and `boxes`. They are
    views of the interpreter's own memory, made anew on each access: keep none across `invoke`. What is stored
    quantised is read as float32. `parts` are all outputs that the card names by number, in its order.
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
        self._input = interpreter.tensor(_only_input(card, size, interpreter))
        if card.tensors:
            self._parts = [_Output(interpreter, index) for index in card.tensors]
            self._scores, self._boxes = self._parts[2 if len(self._parts) == 4 else 0], self._parts[0]
            for part, shape in ((self._scores, card.scores.shape), (self._boxes, card.boxes.shape)):
                if part.shape != shape:
                    raise ValueError(f"an output is {part.shape}, {card.name}.toml says {shape}")
        else:
            self._parts = []
            scores = _output(card, "scores", card.scores_shape(size), interpreter)
            boxes = _output(card, "boxes", card.boxes_shape(size), interpreter)
            self._scores, self._boxes = _Output(interpreter, scores), _Output(interpreter, boxes)

    @property
    def input(self) -> NDArray[Any]:
        view: NDArray[Any] = self._input()
        return view.transpose(0, 2, 3, 1) if self.card.input.channels_first else view

    @property
    def scores(self) -> NDArray[np.float32]:
        return self._scores.read()

    @property
    def boxes(self) -> NDArray[np.float32]:
        return self._boxes.read()

    @property
    def parts(self) -> list[NDArray[np.float32]]:
        return [part.read() for part in self._parts]

    def finite(self) -> bool:
        """Whether the last answer is of numbers: a sum is none if any part is none."""
        scores, boxes = self.scores, self.boxes
        if self.card.decoder == "postprocess":
            count = float(self._parts[3].read().reshape(-1)[0])
            if not np.isfinite(count):
                return False
            # Behind the things that were found lies whatever the memory held before.
            several = max(0, int(count))
            scores, boxes = scores[:, :several], boxes[:, :several]
        return bool(np.isfinite(scores.sum()) and np.isfinite(boxes.sum()))

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


def own_models_folder() -> Path:
    """Where models of one's own are kept: $REARGUARD_MODELS; else for root the machine's, where the service finds them;
    else the user's data folder."""
    chosen = os.environ.get("REARGUARD_MODELS", "")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return SYSTEM_MODELS
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "share") / "rearguard" / "models"


def _folders() -> list[Path]:
    return list(dict.fromkeys((models_folder(), SYSTEM_MODELS, own_models_folder())))


def available() -> list[str]:
    """Names `load_model` knows, sorted: the ones that come with rearguard and one's own."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")})


def card_of(name_or_path: str = "") -> Card:
    """The card of a model, by name or path as for `load_model`; raises `BadInput`."""
    return read_card(_card_path(name_or_path or DEFAULT))


def check_model(name_or_path: str = "") -> None:
    """Raise `BadInput` when the model, its card or its file is missing or damaged; loads nothing."""
    card_path = _card_path(name_or_path or DEFAULT)
    _content(card_path, read_card(card_path))


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
    path, content = card_path.with_name(card.file), _content(card_path, card)
    size = size or card.input_size
    if not card.can_be(size):
        raise BadInput(
            f"{path}: cannot run at {size[0]}×{size[1]}; only multiples of 32, if its card has sizes_at"
        )
    content = _resized(content, card, size)
    runtime, interpreter_class = runtime_class(runtime)
    try:
        with without_chatter():
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
    if not model.finite():
        raise BadInput(f"{path}: answers a black picture with numbers that are not finite")
    return model


def _card_path(name_or_path: str) -> Path:
    if not name_or_path.endswith(".tflite") and _NAME.fullmatch(name_or_path):
        places = [folder / f"{name_or_path}.toml" for folder in _folders()]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise BadInput(f"no model called {name_or_path!r}; there are: {', '.join(available()) or 'none'}")
        return path
    path = Path(name_or_path).expanduser()
    if path.suffix != ".tflite":
        raise BadInput(f"{name_or_path!r}: neither a model's name nor the path of a .tflite file")
    if not path.is_file():
        raise BadInput(f"{path}: no such model file")
    card = path.with_suffix(".toml")
    if not card.is_file():
        raise BadInput(f"{path}: has no card {card.name} beside it; `rearguard model add {path}` makes one")
    return card


def _content(card_path: Path, card: Card) -> bytes:
    """The model's bytes, if they are those that the card names."""
    path = card_path.with_name(card.file)
    content = read_model(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise BadInput(
            f"{path}: damaged or not the model of {card_path.name}: sha256 {digest[:12]}…, "
            f"the card says {card.sha256[:12]}…; fetch it anew"
        )
    return content


def read_model(path: Path) -> bytes:
    """The whole file. Raises `BadInput` when it is missing or too large for a detector."""
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


def runtime_class(wanted: str) -> tuple[str, Any]:
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
def without_chatter() -> Iterator[None]:
    """Suppress the INFO lines that the runtime writes straight to file descriptor 2; pass on the rest."""
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


class _Output:
    """One output tensor, read as float32."""

    def __init__(self, interpreter: Any, index: int) -> None:
        found = [d for d in interpreter.get_output_details() if d["index"] == index]
        if not found:
            raise ValueError(f"has no output tensor {index}, as its card says")
        self.shape = tuple(map(int, found[0]["shape"]))
        self._view = interpreter.tensor(index)
        scale, zero = found[0]["quantization"]
        self._quantised = (float(scale), int(zero)) if scale else None
        if found[0]["dtype"] is not np.float32 and self._quantised is None:
            raise ValueError(f"gives {np.dtype(found[0]['dtype']).name} without a scale")

    def read(self) -> NDArray[np.float32]:
        view: NDArray[Any] = self._view()
        if self._quantised is None:
            return view
        scale, zero = self._quantised
        return (view.astype(np.float32) - zero) * np.float32(scale)


def _only_input(card: Card, size: Size, interpreter: Any) -> int:
    """The index of the input tensor; raises ValueError when it is not as the card says."""
    inputs = interpreter.get_input_details()
    expected = (1, 3, size[1], size[0]) if card.input.channels_first else (1, size[1], size[0], 3)
    same = len(inputs) == 1 and np.dtype(inputs[0]["dtype"]).name == card.input.type
    if not same or tuple(inputs[0]["shape"]) != expected:
        raise ValueError(f"expects inputs {_shapes(inputs)}, the card says {card.input.type} {expected}")
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
