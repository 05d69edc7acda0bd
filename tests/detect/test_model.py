"""A model is loaded only if it is the one its card describes."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest

from rearguard.detect.classes import COCO, KEPT, PRIORS, priors
from rearguard.detect.model import DEFAULT, available, load_model, models_folder
from rearguard.errors import BadInput


@pytest.fixture
def copy(tmp_path):
    """A copy of the default model in a folder of its own: (path of the .tflite, function to edit its card)."""
    for suffix in (".tflite", ".toml"):
        shutil.copy(models_folder() / (DEFAULT + suffix), tmp_path)
    card = tmp_path / f"{DEFAULT}.toml"

    def edit(old: str, new: str) -> None:
        assert old in card.read_text()
        card.write_text(card.read_text().replace(old, new))

    return tmp_path / f"{DEFAULT}.tflite", edit


def sign(path, edit):
    """Make the card agree with whatever bytes the model file has now."""
    original = hashlib.sha256((models_folder() / path.name).read_bytes()).hexdigest()
    edit(original, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("name", available())
def test_every_committed_model_loads_and_names_itself(name):
    model = load_model(name, threads=1)
    assert model.name == name
    assert model.digest == hashlib.sha256((models_folder() / f"{name}.tflite").read_bytes()).hexdigest()
    assert model.input.shape == (1, model.input_size[1], model.input_size[0], 3)
    assert set(model.card.classes.labels) <= set(COCO)


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("size", [(96, 64), (320, 576)])
def test_every_committed_model_runs_at_any_multiple_of_32(name, size):
    model = load_model(name, threads=1, size=size)
    assert model.scores.shape == (1, size[1] // 4, size[0] // 4, len(KEPT))


@pytest.mark.parametrize("size", [(100, 64), (0, 64), (8192, 64)])
def test_other_sizes_are_refused(size):
    with pytest.raises(BadInput, match="only multiples of 32"):
        load_model(size=size)


@pytest.mark.parametrize("offset", [-1, 99999999])
def test_a_card_that_points_outside_its_file_is_refused(copy, offset):
    path, edit = copy
    edit("sizes_at = [", f"sizes_at = [{offset}, ")
    with pytest.raises(BadInput, match=f"says that a size stands at byte {offset}"):
        load_model(str(path), size=(96, 64))


def test_int8_sees_what_float_sees():
    scores = []
    for name in ("centernet", "centernet-int8"):
        model = load_model(name, threads=1, size=(192, 128))
        model.input[:] = np.random.default_rng(0).uniform(0, 255, model.input.shape)
        model.invoke()
        scores.append(1 / (1 + np.exp(-model.scores)))
    assert np.abs(scores[0] - scores[1]).max() < 0.1


def test_loading_writes_nothing_to_the_terminal(capfd):
    load_model()
    assert capfd.readouterr() == ("", "")


def test_a_path_works_as_well_as_a_name(copy):
    path, _ = copy
    assert load_model(str(path)).name == DEFAULT


def test_both_runtimes_give_the_same_answer():
    pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime has no wheel for this Python")
    pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    answers = []
    for runtime in ("litert", "tflite"):
        model = load_model(runtime=runtime)
        model.input[:] = np.random.default_rng(0).uniform(0, 255, model.input.shape)
        model.invoke()
        answers.append(model.scores.copy())
    np.testing.assert_allclose(*answers, atol=0.02)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(BadInput, match=rf"no model called 'nonesuch'.*{DEFAULT}"):
        load_model("nonesuch")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.tflite: no such model file"):
        load_model(str(tmp_path / "gone.tflite"))


def test_a_model_without_a_card_is_refused(copy):
    path, _ = copy
    path.with_suffix(".toml").unlink()
    with pytest.raises(BadInput, match="has no card"):
        load_model(str(path))


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
def test_a_truncated_model_is_refused_by_its_digest(copy, size):
    path, _ = copy
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BadInput, match="damaged or not the model"):
        load_model(str(path))


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
def test_even_a_signed_truncated_model_gives_one_line(copy, size):
    path, edit = copy
    path.write_bytes(path.read_bytes()[:size])
    sign(path, edit)
    with pytest.raises(BadInput, match=r"cannot load it: [^\n]+$"):
        load_model(str(path))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "shape = [1, 80, 144, 4]",
            "shape = [1, 80, 144, 5]",
            r"none is the float32 boxes \(1, 80, 144, 5\)",
        ),
        ("width_px = 576", "width_px = 512", r"expects inputs float32 \(1, 320, 576, 3\), the card says"),
        (f"144, {len(KEPT)}]", "144, 80]", "labels do not fit"),
        ('decoder = "centernet"', 'decoder = "oracle"', "not a model card"),
        ('kind = "logit"', "", "not a model card"),
        ('file = "', 'file = "../', "not a model card"),
    ],
)
def test_a_model_that_is_not_as_its_card_says_is_refused_with_the_reason(copy, old, new, reason):
    path, edit = copy
    edit(old, new)
    with pytest.raises(BadInput, match=reason):
        load_model(str(path))


def test_heights_come_from_the_configuration_before_the_table():
    table = priors(ignore=("dog",), heights_m={"person": 1.26, "unicorn": 2.0})
    assert table["person"].height_m == 1.26
    assert table["person"].sd_m == pytest.approx(PRIORS["person"].sd_m * 1.26 / PRIORS["person"].height_m)
    assert table["unicorn"].height_m == 2.0
    assert "dog" not in table


def test_every_class_kept_is_one_of_coco_with_a_plausible_height():
    assert len(COCO) == 80
    for label, row in PRIORS.items():
        assert label in COCO
        assert 0.1 <= row.height_m <= 4.0
        assert 0 < row.sd_m < row.height_m
        assert row.source
