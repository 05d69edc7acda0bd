"""The detector beside what one would otherwise pick, in one run on the same pictures. Not a test; run it:

    python models/build.py centernet-plain-416 --out OUT      # the network as published
    python -m tf2onnx.convert --tflite OUT/centernet-plain-416.tflite --output OUT/centernet-plain-416.onnx
    python tests/bench/side_by_side.py OUT SET...                   # SET as for `rearguard evaluate`

Rivals whose file is not in OUT are left out: `centernet-plain-416.onnx` for cv2.dnn and ONNX Runtime,
`ssd-oid.tflite` with its card for MediaPipe's SSD MobileNetV2 (Open Images, 300×300; Apache-2.0; bytes
184..9987912 of objectron_solution_packed_assets.data in the npm package @mediapipe/objectron 0.4.1675468480).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from rearguard.cli.progress import progress_bar
from rearguard.config.detect import Detect
from rearguard.detect.classes import COCO
from rearguard.lab.evaluate.datasets import read_dataset
from rearguard.lab.evaluate.measure import Ours, measure
from rearguard.lab.evaluate.table import show
from rearguard.types import Box, Detection

SIDE, STRIDE, LEAST = 416, 4, 0.05
THREADS = 1


class Rival:
    """A square network as most tutorials run it: stretch the picture, decode everything, box by box."""

    def __init__(self, name: str, runtime: str) -> None:
        self.name, self.runtime, self.threads = name, runtime, THREADS
        self.invoke_s, self.input_px = 0.0, SIDE * SIDE

    def prepare(self, picture: tuple[int, int]) -> None:
        """Nothing to prepare."""

    def run(self, blob: np.ndarray) -> list[np.ndarray]:
        """The network's outputs for a float32 RGB picture (1, 416, 416, 3)."""
        raise NotImplementedError

    def detect(self, image: np.ndarray) -> list[Detection]:
        blob = cv2.cvtColor(cv2.resize(image, (SIDE, SIDE)), cv2.COLOR_BGR2RGB)[None].astype(np.float32)
        start = time.perf_counter()
        outputs = self.run(blob)
        self.invoke_s = time.perf_counter() - start
        heat, sides = sorted((o[0] for o in outputs), key=lambda o: -o.shape[-1])
        fx, fy = image.shape[1] / SIDE, image.shape[0] / SIDE
        boxes, scores, labels = [], [], []
        for y in range(heat.shape[0]):
            for x in range(heat.shape[1]):
                label = int(heat[y, x].argmax())
                if heat[y, x, label] >= LEAST:
                    left, top, right, bottom = sides[y, x]
                    x0, y0 = (x * STRIDE - left) * fx, (y * STRIDE - top) * fy
                    boxes.append([x0, y0, (left + right) * fx, (top + bottom) * fy])
                    scores.append(float(heat[y, x, label]))
                    labels.append(COCO[label])
        keep = cv2.dnn.NMSBoxes(boxes, scores, LEAST, 0.5) if boxes else []
        return [
            Detection(
                Box(boxes[i][0], boxes[i][1], boxes[i][0] + boxes[i][2], boxes[i][1] + boxes[i][3]),
                labels[i],
                scores[i],
            )
            for i in np.ravel(keep).astype(int)
        ]


class Naive(Rival):
    """LiteRT with fresh tensors in every frame."""

    def __init__(self, model: Path) -> None:
        super().__init__("naive loop, " + model.stem, "litert")
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(model), num_threads=THREADS)

    def run(self, blob: np.ndarray) -> list[np.ndarray]:
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], blob)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(d["index"]) for d in self._interpreter.get_output_details()]


class OpenCvDnn(Rival):
    """OpenCV's own network module on the same network."""

    def __init__(self, model: Path) -> None:
        super().__init__("cv2.dnn, " + model.stem, f"OpenCV {cv2.__version__}")
        self._net = cv2.dnn.readNetFromONNX(str(model))

    def run(self, blob: np.ndarray) -> list[np.ndarray]:
        self._net.setInput(blob)
        return list(self._net.forward(self._net.getUnconnectedOutLayersNames()))


class OnnxRuntime(Rival):
    """ONNX Runtime on the same network."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        super().__init__("ONNX Runtime, " + model.stem, onnxruntime.__version__)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def run(self, blob: np.ndarray) -> list[np.ndarray]:
        return list(self._session.run(None, {self._session.get_inputs()[0].name: blob}))


class Hog(Rival):
    """OpenCV's HOG people detector (Dalal and Triggs 2005); its windows leave a margin around the person."""

    def __init__(self) -> None:
        super().__init__("HOG people detector", f"OpenCV {cv2.__version__}")
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def detect(self, image: np.ndarray) -> list[Detection]:
        start = time.perf_counter()
        found, weights = self._hog.detectMultiScale(image, winStride=(8, 8), padding=(8, 8), scale=1.05)
        self.invoke_s = time.perf_counter() - start
        self.input_px = image.shape[0] * image.shape[1]
        # The margin is 16 of 64 by 128 pixels on each side. Scores are the SVM's, through a sigmoid.
        return [
            Detection(
                Box(x + w / 8, y + h / 8, x + w - w / 8, y + h - h / 8), "person", float(1 / (1 + np.exp(-s)))
            )
            for (x, y, w, h), s in zip(found, np.ravel(weights), strict=True)
        ]


def main() -> None:
    """Print one table for all sets."""
    folder, sets = Path(sys.argv[1]), [read_dataset(Path(name)) for name in sys.argv[2:]]
    cv2.setNumThreads(THREADS)
    plain, onnx, ssd = (
        folder / name for name in ("centernet-plain-416.tflite", "centernet-plain-416.onnx", "ssd-oid.tflite")
    )
    seers = [Ours(Detect(model=name, threads=THREADS)) for name in ("centernet", "centernet-int8")]
    seers += [Ours(Detect(model=str(path), threads=THREADS)) for path in (plain, ssd) if path.is_file()]
    seers += [Naive(plain)] if plain.is_file() else []
    if onnx.is_file():
        seers.append(OpenCvDnn(onnx))
        try:
            seers.append(OnnxRuntime(onnx))
        except ImportError:
            print("onnxruntime is not installed: left out", file=sys.stderr)
    seers.append(Hog())
    with progress_bar("measuring", sum(len(s.pictures) for s in sets)) as bar:
        show([row for s in sets for row in measure(s, seers, ("person",), 0.3, bar.advance)])


if __name__ == "__main__":
    main()
