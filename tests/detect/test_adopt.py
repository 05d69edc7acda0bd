"""Models people have: each kind is recognised, loads, and its boxes land right; hostile ones are one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tflite_kit import constant_model, post_processed, yolo5, yolo8

from rearguard.camera.files import open_recorded, read_picture
from rearguard.cli.main import cli
from rearguard.config.detect import Detect
from rearguard.detect.adopt import adopt, card_toml
from rearguard.detect.card import read_card
from rearguard.detect.detector import Detector
from rearguard.detect.labels import UNNAMED, fit_labels, parse_labels
from rearguard.detect.model import available
from rearguard.detect.tflite_file import _normal, _root, read_tflite
from rearguard.errors import BadInput, PartFailed
from rearguard.types import Box

BOX = (0.5, 0.25, 0.2, 0.4)  # centre and sides, as shares
FOUND = [(1, 0.8, BOX), (0, 0.4, (0.2, 0.2, 0.1, 0.1)), (1, 0.7, (0.51, 0.25, 0.2, 0.4))]
LABELS = "dog\nPerson\ncar"
OTHERS = Path(__file__).parents[3] / "shared" / "other_models"
MADE = Path(__file__).parents[2] / "build" / "models"
PETS = OTHERS / "pets_ssd_mobilenet_v1_uint8.tflite"


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REARGUARD_MODELS", str(tmp_path / "models"))


def kept(tmp_path: Path, content: bytes, labels: str | None = LABELS, name: str = "mine") -> Path:
    """The model with its card beside it, as `detect.model` takes it."""
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(content)
    listed = None
    if labels is not None:
        listed = tmp_path / "labels.txt"
        listed.write_text(labels)
    path.with_suffix(".toml").write_text(card_toml(adopt(path, listed, name).card))
    return path


KINDS = {
    "v5 shares": yolo5(3, FOUND),
    "v5 pixels": yolo5(3, FOUND, 64.0),
    "v8 shares": yolo8(3, FOUND),
    "v8 pixels": yolo8(3, FOUND, 64.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_yolo_is_recognised_and_its_boxes_land_right(tmp_path: Path, kind: str) -> None:
    path = kept(tmp_path, constant_model([KINDS[kind]]))
    card = read_card(path.with_suffix(".toml"))
    assert card.decoder == f"yolo{kind[:2]}"
    assert card.boxes.unit == ("px" if "pixels" in kind else "share")
    detections = Detector(Detect(model=str(path))).detect(np.full((128, 128, 3), 90, np.uint8))
    assert [(d.label, round(d.score, 2)) for d in detections] == [("person", 0.8), ("dog", 0.4)]
    box = detections[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((51.2, 6.4, 76.8, 57.6), abs=0.5)


@pytest.mark.parametrize("unit", [1.0, 64.0], ids=["shares", "pixels"])
def test_a_yolo_with_its_own_nms(tmp_path: Path, unit: float) -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [*(np.array([0.4, 0.05, 0.6, 0.45]) * unit), 0.8, 1]
    rows[0, 1] = [*(np.array([0.1, 0.1, 0.3, 0.3]) * unit), 0.6, 0]
    rows[0, 2] = [*(np.array([0.1, 0.1, 0.3, 0.3]) * unit), 0.9, 9]  # no such class
    path = kept(tmp_path, constant_model([rows]))
    detections = Detector(Detect(model=str(path))).detect(np.full((128, 128, 3), 90, np.uint8))
    assert [(d.label, round(d.score, 2)) for d in detections] == [("person", 0.8), ("dog", 0.6)]
    box = detections[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((51.2, 6.4, 76.8, 57.6), abs=0.5)


def test_boxes_of_a_wide_picture_are_put_back_by_the_letterbox(tmp_path: Path) -> None:
    path = kept(tmp_path, constant_model([yolo8(3, [(1, 0.8, (0.5, 0.5, 0.5, 0.25))])]))
    (found,) = Detector(Detect(model=str(path))).detect(np.full((64, 128, 3), 90, np.uint8))
    box = found.box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((32, 16, 96, 48), abs=0.5)


@pytest.mark.parametrize(("kind", "zero"), [(np.int8, -128), (np.uint8, 0)])
def test_quantised_inputs_and_outputs(tmp_path: Path, kind: type, zero: int) -> None:
    exact = yolo8(3, FOUND)
    stored = np.round(exact * 255 + zero).astype(kind)
    content = constant_model(
        [stored], input_type=kind, input_scale=(1 / 255, zero), output_scale=(1 / 255, zero)
    )
    path = kept(tmp_path, content)
    card = read_card(path.with_suffix(".toml"))
    assert (card.input.type, card.input.mean) == (np.dtype(kind).name, 0.0)
    detector = Detector(Detect(model=str(path)))
    detections = detector.detect(np.full((64, 64, 3), 90, np.uint8))
    assert [(d.label, round(d.score, 1)) for d in detections] == [("person", 0.8), ("dog", 0.4)]
    assert set(np.unique(detector.model.input)) == {90 + zero}  # the pixels as they are


@pytest.mark.parametrize("unpacked", [False, True], ids=["int8 out", "float out"])
def test_pixels_and_scores_that_were_rounded_together_are_refused(tmp_path: Path, unpacked: bool) -> None:
    rounded = np.clip(yolo8(3, FOUND, 64.0) * 255 / 64 - 128, -128, 127).round().astype(np.int8)
    content = constant_model([rounded], output_scale=(64 / 255, -128), labels=LABELS, unpacked=unpacked)
    with pytest.raises(BadInput, match=r"steps of 0\.25: no score is left"):
        kept(tmp_path, content)
    fine = np.clip(yolo8(3, FOUND) * 255 - 128, -128, 127).round().astype(np.int8)
    kept(tmp_path, constant_model([fine], output_scale=(1 / 255, -128), labels=LABELS, unpacked=unpacked))


@pytest.mark.parametrize("strides", [(16, 32), (4, 8, 16, 32), (8, 16, 32, 64)])
def test_yolos_with_fewer_or_more_heads(tmp_path: Path, strides: tuple[int, ...]) -> None:
    cells = sum((64 // s) ** 2 for s in strides)
    for shape, decoder in (((1, 7, cells), "yolov8"), ((1, 3 * cells, 8), "yolov5")):
        content = constant_model([np.zeros(shape, np.float32)], labels=LABELS)
        (tmp_path / "m.tflite").write_bytes(content)
        assert adopt(tmp_path / "m.tflite").card.decoder == decoder


def test_labels_of_another_network_are_told(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(constant_model([yolo8(3, FOUND)]))
    (tmp_path / "coco.txt").write_text("\n".join(f"thing {n}" for n in range(80)))
    told = adopt(tmp_path / "m.tflite", tmp_path / "coco.txt").assumed
    assert any("80 labels of coco.txt for 3 classes" in line for line in told)


def test_labels_in_the_file_may_be_numbered(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(
        constant_model([yolo8(3, FOUND)], labels="\ufeff0 person\r\n1 bicycle\r\n2 car\r\n")
    )
    assert adopt(tmp_path / "m.tflite").card.classes.labels == ("person", "bicycle", "car")


def test_pictures_are_given_channels_first_where_the_network_has_them_so(tmp_path: Path) -> None:
    """As Ultralytics exports since it uses litert-torch."""
    path = kept(tmp_path, constant_model([yolo8(3, FOUND)], input_shape=(1, 3, 64, 64)))
    detector = Detector(Detect(model=str(path)))
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :, 0], picture[10, 20, 2] = 51, 255  # blue, and one point of red
    assert [d.label for d in detector.detect(picture)] == ["person", "dog"]
    red, green, blue = detector.model._input()[0]
    assert np.argwhere(red).tolist() == [[10, 20]]
    assert not green.any()
    assert blue == pytest.approx(0.2)


NAMES = {0: "dog", 1: "Person", 2: "car"}


@pytest.mark.parametrize("told", [
    json.dumps({"task": "detect", "names": NAMES}),
    str({"task": "detect", "names": NAMES}),
    str({"stride": 32, "names": list(NAMES.values())}),
], ids=["Ultralytics", "Ultralytics before", "YOLOv5"])  # fmt: skip
def test_labels_are_read_as_yolos_exporters_write_them(tmp_path: Path, told: str) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(constant_model([yolo8(3, FOUND)], labels=told))
    assert adopt(path).card.classes.labels == ("dog", "person", "car")


@pytest.mark.parametrize(
    "told", ["{", "{1: " * 5000, '{"names": 7}', '{"names": {"x": "y", "-1": "z"}}', "{1, 2}"]
)
def test_a_hostile_list_of_names_is_none(tmp_path: Path, told: str) -> None:
    content = constant_model([yolo8(3, FOUND)], labels=told)
    assert "no labels in the file" in refused(tmp_path, content, labels=None)


def test_a_network_for_another_task_is_refused(tmp_path: Path) -> None:
    told = json.dumps({"task": "pose", "names": {"0": "person"}})
    assert "made for the task 'pose'" in refused(tmp_path, constant_model([yolo8(3, FOUND)], labels=told))


def test_labels_in_the_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(constant_model([yolo8(3, FOUND)], labels="???\ncat\nPEDESTRIAN\n"))
    assert adopt(path).card.classes.labels == (UNNAMED, "cat", "person")


def test_what_has_no_name_is_never_told_of(tmp_path: Path) -> None:
    path = kept(
        tmp_path,
        constant_model([yolo8(3, [(0, 0.9, BOX), (1, 0.5, (0.2, 0.8, 0.2, 0.2))])]),
        "???\nperson\ncar",
    )
    assert [d.label for d in Detector(Detect(model=str(path))).detect(np.zeros((64, 64, 3), np.uint8))] == [
        "person"
    ]


# ── TensorFlow's post-processing, as SSD and EfficientDet-Lite end in ───────────────────────────────────

THINGS = [(1, 0.7, (0.4, 0.2, 0.6, 0.8)), (0, 0.5, (0.0, 0.0, 0.2, 0.1)), (2, 0.9, (0.7, 0.7, 0.9, 0.9))]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)], ids=["TF1", "reversed", "TF2"])
def test_outputs_are_known_by_the_operation_not_by_their_order(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    path = kept(tmp_path, post_processed(THINGS, 3, order=order), "dog\nperson\n???")
    detections = Detector(Detect(model=str(path))).detect(np.full((128, 128, 3), 90, np.uint8))
    assert [(d.label, round(d.score, 2)) for d in detections] == [("person", 0.7), ("dog", 0.5)]
    box = detections[0].box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((51.2, 25.6, 76.8, 102.4), abs=0.5)


@pytest.mark.parametrize(
    "labels", ["dog\nperson\ncar", "???\ndog\nperson\ncar", "background\nDog\nPerson\nCar\n"]
)
def test_the_background_is_no_class(tmp_path: Path, labels: str) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(post_processed(THINGS, 3, labels=labels))
    assert adopt(path).card.classes.labels == ("dog", "person", "car")


def test_how_pixels_are_scaled_is_read_from_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(post_processed(THINGS, 3, labels="dog\nperson\ncar", normal=(127.0, 128.0)))
    adopted = adopt(path)
    assert (adopted.card.input.mean, adopted.card.input.scale) == pytest.approx((127.0, 1 / 128))
    assert adopted.assumed == ()
    path.write_bytes(post_processed(THINGS, 3, labels="dog\nperson\ncar"))
    assert any("-1 to 1 is assumed" in line for line in adopt(path).assumed)


def test_what_lies_behind_the_last_thing_is_no_answer(tmp_path: Path) -> None:
    """TensorFlow's operation fills only as many rows as there are things; real files leave anything in the rest."""
    detector = Detector(Detect(model=str(kept(tmp_path, post_processed(THINGS, 3), "dog\nperson\ncar"))))
    picture = np.full((64, 64, 3), 90, np.uint8)
    several = len(detector.detect(picture))
    for part in detector.model._parts[:3]:
        part._view()[:, 3:] = np.nan
    assert len(detector.detect(picture)) == several == 3


def test_metadata_as_tensorflows_own_library_writes_it() -> None:
    """tests/data/tflite-metadata.bin: tflite-support 0.4.4, an input of mean 127 and deviation 128, two outputs."""
    data = (Path(__file__).parents[1] / "data" / "tflite-metadata.bin").read_bytes()
    assert _normal(_root(data)) == (127.0, 1 / 128)


def test_classes_beyond_the_labels_are_passed_over(tmp_path: Path) -> None:
    path = kept(tmp_path, post_processed([*THINGS, (7, 0.95, (0.1, 0.6, 0.3, 0.9))], 8), "dog\nperson\ncar")
    found = Detector(Detect(model=str(path))).detect(np.full((64, 64, 3), 90, np.uint8))
    assert [d.label for d in found] == ["car", "person", "dog"]


# ── real files ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pets() -> Path:
    if not PETS.is_file():
        pytest.skip(f"no {PETS.name} here")
    return PETS


def test_a_real_ssd_with_post_processing(pets: Path, tmp_path: Path) -> None:
    adopted = adopt(pets, OTHERS / "pet_label_map.pbtxt", "pets")
    assert adopted.card.decoder == "postprocess"
    assert (adopted.card.input.type, adopted.card.input.width_px) == ("uint8", 300)
    assert len(adopted.card.classes.labels) == 37
    assert adopted.card.classes.labels[0] == "abyssinian"
    (tmp_path / "pets.tflite").write_bytes(adopted.content)
    (tmp_path / "pets.toml").write_text(card_toml(adopted.card))
    assert (
        Detector(Detect(model=str(tmp_path / "pets.tflite"))).detect(np.zeros((300, 400, 3), np.uint8)) == []
    )


def test_its_boxes_land_on_the_dog_of_a_real_film(pets: Path, tmp_path: Path, shared_data: Path) -> None:
    film = shared_data / "davis" / "dog"
    if not film.is_dir():
        pytest.skip("no film of a dog here")
    path = kept(tmp_path, pets.read_bytes(), "\n".join(["dog"] * 37))
    detector = Detector(Detect(model=str(path), min_score=0.2))
    with (film / "boxes.csv").open() as file:
        truth = {int(row["frame"]): row for row in csv.DictReader(file)}
    overlaps = []
    for frame in open_recorded(film / "img", fps=24, hfov_deg=66, realtime=False).frames():
        row = truth.get(frame.seq)
        if row is not None and frame.seq % 4 == 0:
            x, y, w, h = (float(row[k]) for k in "xywh")
            found = [d.box.iou(Box(x, y, x + w, y + h)) for d in detector.detect(frame.image)]
            overlaps.append(max(found, default=0.0))
    # A weak detector, of a breed it was not trained on; but where it finds the dog, its box is the dog's.
    assert sorted(overlaps)[-4] > 0.6, overlaps


@pytest.mark.parametrize("kind", ["float32", "uint8", "int8"])
def test_a_real_ssdlite_finds_people(kind: str, tmp_path: Path, shared_data: Path) -> None:
    """What models/others.py makes: PostProcess with fewer rows filled than there are, and garbage behind them."""
    source = MADE / f"ssdlite-{kind}.tflite"
    if not source.is_file():
        pytest.skip(f"no {source.name}: python models/others.py {MADE} --pictures PHOTOGRAPHS")
    detector = Detector(Detect(model=str(kept(tmp_path, source.read_bytes(), "person"))))
    assert detector.model.card.input.type == kind
    photographs = sorted((shared_data / "pennfudan" / "images").glob("*.jpg"))[:12]
    best = [max((d.score for d in detector.detect(read_picture(p)[0])), default=0.0) for p in photographs]
    assert sorted(best)[2] > 0.7, best


@pytest.mark.parametrize(
    "source", sorted((Path(__file__).parents[1] / "data" / "yolo").iterdir()), ids=lambda p: p.stem
)
def test_a_yolo_that_was_quantised_statically(tmp_path: Path, source: Path) -> None:
    """What models/others.py makes: boxes land right, or the file is refused because no score is left in it."""
    if "px" in source.stem:
        with pytest.raises(BadInput, match="no score is left"):
            kept(tmp_path, source.read_bytes(), "person\ncar")
        return
    detector = Detector(Detect(model=str(kept(tmp_path, source.read_bytes(), "person\ncar"))))
    image = np.full((160, 160, 3), 60, np.uint8)
    image[48:64, 96:112] = 255
    best = detector.detect(image)[0]
    assert best.label == "person"
    assert 0.9 < best.score <= 1
    assert best.box.iou(Box(96, 48, 112, 64)) > 0.9


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_model_cut_short_is_one_line(pets: Path, tmp_path: Path, share: float) -> None:
    data = pets.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadInput, match=r"cut\.tflite"):
        adopt(tmp_path / "cut.tflite", OTHERS / "pet_label_map.pbtxt")


# ── hostile ─────────────────────────────────────────────────────────────────────────────────────────────


def refused(tmp_path: Path, content: bytes, labels: str | None = LABELS) -> str:
    (tmp_path / "m.tflite").write_bytes(content)
    listed = tmp_path / "l.txt" if labels is not None else None
    if listed is not None:
        listed.write_text(labels or "")
    with pytest.raises(BadInput) as e:
        adopt(tmp_path / "m.tflite", listed)
    assert "\n" not in str(e.value)
    assert "m.tflite" in str(e.value) or "l.txt" in str(e.value)
    return str(e.value)


def test_an_edge_tpu_build_says_to_take_the_cpu_file(tmp_path: Path) -> None:
    assert "take the CPU file" in refused(
        tmp_path, constant_model([yolo8(3, [])], custom="edgetpu-custom-op")
    )


def test_an_operation_nobody_has_is_named(tmp_path: Path) -> None:
    assert "FlexStridedSlice" in refused(tmp_path, constant_model([yolo8(3, [])], custom="FlexStridedSlice"))


def test_without_labels_it_says_what_is_wanted(tmp_path: Path) -> None:
    assert "--labels FILE" in refused(tmp_path, constant_model([yolo8(3, [])]), labels=None)
    assert "no labels in it" in refused(tmp_path, constant_model([yolo8(3, [])]), labels="\n\n")


@pytest.mark.parametrize(("shape", "told"), [
    ((1, 64, 64, 1), "not one colour picture"), ((1, 3, 8, 8), "not one colour picture"),
    ((1, 8, 8, 3), "not one colour picture"),
    ((2, 64, 64, 3), "not one colour picture"), ((64, 64), "not one colour picture"),
])  # fmt: skip
def test_inputs_that_are_no_picture(tmp_path: Path, shape: tuple[int, ...], told: str) -> None:
    assert told in refused(tmp_path, constant_model([yolo8(3, [])], input_shape=shape))


@pytest.mark.parametrize("output", [
    np.zeros((1, 1000), np.float32), np.zeros((1, 7, 9), np.float32),
    np.zeros((1, 5000, 6), np.float32), np.zeros((1, 5, 6), np.float32),
    np.zeros((1, 4, 84), np.float32),
])  # fmt: skip
def test_outputs_of_no_known_kind_are_named(tmp_path: Path, output: np.ndarray) -> None:
    assert "no kind of detector that rearguard knows" in refused(tmp_path, constant_model([output]))


def test_an_input_quantised_without_a_scale(tmp_path: Path) -> None:
    assert "without a scale" in refused(tmp_path, constant_model([yolo8(3, [])], input_type=np.uint8))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\0" * 100, b"\x1c\0\0\0TFL3" + b"\xff" * 200,
                                     b"\xff\xff\xff\x7fTFL3" + b"\0" * 50])  # fmt: skip
def test_what_is_no_model_is_one_line(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def test_every_cut_and_many_flips_of_a_model_are_told() -> None:
    content = constant_model([yolo8(3, FOUND)], labels=LABELS)
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        data = bytearray(content)
        for at in rng.integers(0, min(len(data), 1200), 3):
            data[at] = rng.integers(256)
        try:
            read_tflite(bytes(data), "m.tflite")
        except BadInput:
            refused += 1
    assert refused > 30
    for end in range(0, 400, 7):
        with pytest.raises(BadInput):
            read_tflite(content[:end], "m.tflite")


def test_a_network_that_answers_nonsense_fails_loudly(tmp_path: Path) -> None:
    output = yolo8(3, FOUND)
    path = kept(tmp_path, constant_model([output]))
    output[0, 5, 3] = np.nan
    nan = constant_model([output])
    path.write_bytes(nan)
    (tmp_path / "mine.toml").write_text(card_toml(adopt(path, tmp_path / "labels.txt", "mine").card))
    with pytest.raises((BadInput, PartFailed), match=r"finite|not a number"):
        Detector(Detect(model=str(path))).detect(np.zeros((64, 64, 3), np.uint8))


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("text", "classes", "labels"), [
    ("person\nbicycle\n", 2, ("person", "bicycle")),
    ("???\nperson\nbicycle", 2, ("person", "bicycle")),
    ("background\nPerson\nMotorbike", 2, ("person", "motorcycle")),
    ("person\n???\ncar", 3, ("person", UNNAMED, "car")),
    ("0 person\n1 bicycle\n3 car\n", 4, ("person", "bicycle", UNNAMED, "car")),
    ("0: traffic_light\r\n1: Fire-Hydrant\r\n", 2, ("traffic light", "fire hydrant")),
    ("item { id: 1 name: 'PERSON' }\nitem { name: '/m/x' id: 3 display_name: \"Dog\" }", 3, ("person", UNNAMED, "dog")),
    ("person", 3, ("person", UNNAMED, UNNAMED)),
    ("a\nb\nc", 2, ("a", "b")),
    ("???\nperson", None, ("person",)),
    ("id,name\n0,person\n1,car\n", 2, ("person", "car")),
    ('{"0": "person", "1": "car"}', 2, ("person", "car")),
    ('["person", "car"]', 2, ("person", "car")),
    ("path: ../coco\nnames:\n  0: person\n  1: 'fire hydrant'  # red\n\ndownload: x\n", 2, ("person", "fire hydrant")),
    ("nc: 2\nnames: ['person', \"car\"]\n", 2, ("person", "car")),
    ("names:\n- person\n- car\nnc: 2\n", 2, ("person", "car")),
    ("names:\nnc: 2\n", None, ()),
    ("names: [", None, ()),
])  # fmt: skip
def test_label_files_as_they_come(text: str, classes: int | None, labels: tuple[str, ...]) -> None:
    assert fit_labels(parse_labels(text), classes) == labels


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────


def test_add_then_list_then_use(tmp_path: Path) -> None:
    (tmp_path / "My Net_v8.tflite").write_bytes(constant_model([yolo8(3, FOUND)], labels=LABELS))
    done = CliRunner().invoke(cli, ["model", "add", str(tmp_path / "My Net_v8.tflite")])
    assert done.exit_code == 1, done.output  # it finds no person where there is one
    assert "YOLOv8" in done.output
    assert "does not find the person" in done.output
    assert 'detect.model = "my-net-v8"' in done.output
    assert "my-net-v8" in available()
    again = CliRunner().invoke(cli, ["model", "add", str(tmp_path / "My Net_v8.tflite")])
    assert "--replace" in str(again.exception)
    listed = json.loads(CliRunner().invoke(cli, ["model", "list", "--json"]).stdout)
    assert {"name": "my-net-v8", "decoder": "yolov8", "people": True}.items() <= next(
        r for r in listed if r["name"] == "my-net-v8"
    ).items()
    assert Detector(Detect(model="my-net-v8")).detect(np.zeros((64, 64, 3), np.uint8))[0].label == "person"
    taken = CliRunner().invoke(
        cli, ["model", "add", str(tmp_path / "My Net_v8.tflite"), "--name", "centernet"]
    )
    assert "rearguard's own model has this name" in str(taken.exception)


def test_what_cannot_be_run_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "dead.tflite").write_bytes(
        constant_model([np.full_like(yolo8(3, FOUND), np.nan)], labels=LABELS)
    )
    done = CliRunner().invoke(cli, ["model", "add", str(tmp_path / "dead.tflite")])
    assert "not finite" in str(done.exception)
    assert "dead" not in available()


def test_a_network_that_finds_the_golden_person_may_be_run_with(tmp_path: Path) -> None:
    person = (
        0.5,
        0.25 + 0.716 * 0.5625 * 1.0 - 0.0,
        0.0846,
        0.278,
    )  # the golden person, letterboxed into a square
    (tmp_path / "g.tflite").write_bytes(constant_model([yolo8(3, [(1, 0.8, person)])], labels=LABELS))
    done = CliRunner().invoke(cli, ["model", "add", str(tmp_path / "g.tflite"), "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 0, told
    assert told["score"] == pytest.approx(0.8, abs=0.01)
    assert told["overlap"] > 0.5
    assert told["knows"] == ["dog", "person", "car"]
