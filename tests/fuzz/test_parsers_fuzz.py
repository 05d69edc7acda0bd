"""Every parser of what comes from elsewhere, on anything: it answers, or refuses in one line.

`pytest tests/fuzz` tries a few hundred; `REARGUARD_FUZZ=20000 pytest tests/fuzz` an hour's worth.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import unicodedata
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import record
from sound_kit import speech

from rearguard import ipc
from rearguard.camera.catalogue import open_source
from rearguard.config import load
from rearguard.config.camera import Camera
from rearguard.config.sound import Sound
from rearguard.detect.card import read_card
from rearguard.detect.model import card_of, models_folder
from rearguard.errors import RearguardError
from rearguard.journal.media.thumbnails import unpack as unpack_strip
from rearguard.journal.transfer import unpack as unpack_parcel
from rearguard.lab.replay.recording import read as read_recording
from rearguard.lab.score.identities import read_identities
from rearguard.lab.score.labels import Identities
from rearguard.lab.world import catalogue
from rearguard.lab.world.camera_faults import BY_NAME
from rearguard.review.plot import Event, Sample, plot
from rearguard.review.svg import Dot, Span, curve, timeline
from rearguard.sense import iio
from rearguard.sense.gpmf import picture_motion
from rearguard.sound.speech import speak
from rearguard.text import clean

TRIES = int(os.environ.get("REARGUARD_FUZZ", "60"))
FUZZ = settings(max_examples=TRIES, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
SAMPLES = st.lists(st.builds(Sample, st.floats(), st.none() | st.floats(), st.integers()), max_size=6)
LINES = st.lists(st.tuples(st.text(max_size=8), st.floats()), max_size=3)
EVENTS = st.lists(st.builds(Event, st.floats(), st.text(max_size=30)), max_size=4)


def harmless(text: str) -> bool:
    """Whether a terminal only shows it."""
    return not any(unicodedata.category(c)[0] == "C" for c in text)


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
@FUZZ
def test_configuration_and_card(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "it.toml"
    path.write_bytes(data)
    for parse in (load, read_card):
        with contextlib.suppress(RearguardError):
            parse(path)


@given(st.data())
@FUZZ
def test_a_card_with_one_value_changed(tmp_path: Path, data) -> None:
    lines = (models_folder() / f"{card_of().name}.toml").read_text().splitlines() if card_of() else []
    number = data.draw(st.integers(0, max(0, len(lines) - 1)))
    key = lines[number].partition("=")[0]
    value = data.draw(JSON.filter(lambda v: v is not None))
    lines[number] = f"{key}= {json.dumps(value)}"
    path = tmp_path / "it.toml"
    path.write_text("\n".join(lines))
    with contextlib.suppress(RearguardError):
        card = read_card(path)
        assert card.input.width_px > 0


@given(st.binary(max_size=400) | JSON.map(lambda v: json.dumps(v).encode()))
@FUZZ
def test_what_a_device_sends(data: bytes) -> None:
    with contextlib.suppress(RearguardError, msgspec.DecodeError, ValueError):
        unpack_parcel(data)
    assert isinstance(unpack_strip(data), list)


@given(st.lists(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()), max_size=5))
@FUZZ
def test_a_recording(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b"\n".join(lines))
    with contextlib.suppress(RearguardError, OSError):
        read_recording(path)


CELLS = st.sampled_from(["frame", "track", "x", "y", "w", "h", "label", "1", "-3", "1e400", "nan", "", '"'])
TABLES = st.lists(st.lists(CELLS, max_size=8).map(",".join), max_size=5).map("\n".join)
TAGS = st.sampled_from(
    ["<d>", "</d>", '<frame number="1">', "</frame>", '<object id="1">', "</object>", "<!DOCTYPE d>", "&lt;"]
)


@given(
    st.sampled_from([".csv", ".txt", ".xml"]), TABLES | st.text(max_size=200) | st.lists(TAGS).map("".join)
)
@FUZZ
def test_whose_box_is_whose(tmp_path: Path, suffix: str, text: str) -> None:
    (tmp_path / f"who{suffix}").write_text(text, encoding="utf-8", errors="ignore")
    with contextlib.suppress(RearguardError):
        assert read_identities(tmp_path, Identities(file=f"who{suffix}"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sound films of each container there is a parser of our own for, and one of the others."""
    folder = tmp_path_factory.mktemp("films")
    return {
        suffix: record(folder / f"film{suffix}", [n / 30 for n in range(6)]).read_bytes()
        for suffix in (".mp4", ".mkv", ".avi", ".ts")
    }


@given(data=st.data())
@FUZZ
def test_a_spoiled_film(tmp_path: Path, films: dict[str, bytes], data: st.DataObject) -> None:
    """Cut anywhere, with bytes of anything in it: its frames, or one line."""
    suffix = data.draw(st.sampled_from(sorted(films)))
    film = bytearray(films[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers lie at both ends; what lies between is mostly picture.
        near = data.draw(st.integers(0, 600))
        at = near if data.draw(st.booleans()) else max(0, len(film) - 1 - near)
        film[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    path = tmp_path / f"film{suffix}"
    path.write_bytes(film[: data.draw(st.integers(len(film) // 2, len(film)))])
    with contextlib.suppress(RearguardError):
        source = open_source(str(path), Camera(), fps=data.draw(st.sampled_from([None, 15.0])))
        times = [frame.captured_ns for frame in itertools.islice(source.frames(), 20)]
        source.close()
        assert all(a < b for a, b in itertools.pairwise(times))
    rates, _ = picture_motion(path)
    assert rates is None or rates.window(0, 10**8) is None


IIO_FILES = (
    "name", "sampling_frequency", "sampling_frequency_available", "in_anglvel_scale", "in_anglvel_scale_available",
    "current_timestamp_clock", "buffer/enable", "trigger/current_trigger",
    *(f"scan_elements/in_{c}_{f}" for c in ("anglvel_x", "timestamp", "temp") for f in ("en", "index", "type")),
)  # fmt: skip
IIO_WORDS = st.sampled_from(
    ["0", "1", "208", "le:s16/16>>0", "be:u24/32>>8", "le:s64/64>>0", "[1 1 900]", "nan", "-1", ""]
)


@given(
    st.dictionaries(st.sampled_from(IIO_FILES), IIO_WORDS | st.text(max_size=30), max_size=12),
    st.binary(max_size=80),
)
@FUZZ
def test_a_gyroscope_as_the_kernel_shows_it(tmp_path: Path, files: dict[str, str], scan: bytes) -> None:
    """Set up, or refused in one line; its bytes are numbers."""
    folder = tmp_path / str(next(_COUNT)) / "iio:device0"
    for name, text in {**_SOUND_IIO, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
    layout, refused = None, ""
    try:
        layout = iio.set_up(folder)
    except RearguardError as e:
        refused = str(e)
    assert harmless(refused)
    if layout is None:
        return
    at_ns, rate, _ = layout.sample(scan.ljust(layout.size, b"\0")[: layout.size])
    assert isinstance(at_ns, int)
    assert np.isfinite(rate).all()


_COUNT = itertools.count()
_SOUND_IIO = {
    "sampling_frequency": "208", "in_anglvel_scale": "0.0003", "current_timestamp_clock": "monotonic",
    "scan_elements/in_timestamp_en": "1", "scan_elements/in_timestamp_index": "3",
    "scan_elements/in_timestamp_type": "le:s64/64>>0",
    **{f"scan_elements/in_anglvel_{a}_en": "1" for a in "xyz"},
    **{f"scan_elements/in_anglvel_{a}_index": str(i) for i, a in enumerate("xyz")},
    **{f"scan_elements/in_anglvel_{a}_type": "le:s16/16>>0" for a in "xyz"},
}  # fmt: skip


@given(data=st.data())
@FUZZ
def test_a_spoiled_word(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(speech(tmp_path / "hot.wav", 0.05).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, 60) | st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    (tmp_path / "hot.wav").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(RearguardError):
        words = speak(Sound(words="recorded", words_folder=str(tmp_path)), "hot", 48_000)
        assert words is not None
        assert np.isfinite(words).all()
        assert np.abs(words).max() <= 1


@given(st.lists(st.binary(min_size=1, max_size=200) | JSON.map(
    lambda v: json.dumps(v).encode()), max_size=6))  # fmt: skip
@FUZZ
def test_what_the_other_process_says(messages: list[bytes]) -> None:
    ours, theirs = ipc.pair()
    with ours, theirs:
        for message in messages:
            theirs.send(message)
        heard = ipc.receive_from_vision(ours)
        assert heard is not None
        assert all(isinstance(m, ipc.Judged | ipc.NoFrame | ipc.Armed | ipc.Ended) for m in heard)
        theirs.shutdown(socket.SHUT_WR)


@given(
    st.text(max_size=60)
    | st.builds(
        "sim:{}?{}={}".format,
        st.sampled_from(list(catalogue.names())),
        st.text(max_size=8),
        st.text(max_size=12),
    )
    | st.builds(
        "sim:stand?fault={}&fault_at={}".format,
        st.sampled_from(list(BY_NAME)) | st.text(max_size=9),
        st.floats(),
    )
)
@FUZZ
def test_the_name_of_a_source(word: str) -> None:
    with contextlib.suppress(RearguardError):
        if word.startswith("sim:"):
            catalogue.parse(word)
        elif not word.startswith(("webcam:", "picamera2")) and not os.path.exists(word):
            open_source(word, Camera()).close()


@given(SAMPLES, LINES, EVENTS, st.integers(1, 200))
@FUZZ
def test_plots_of_any_numbers(samples, thresholds, events, wide: int) -> None:
    for line in plot(samples, thresholds, events, wide):
        assert harmless(line.plain)
        assert len(line.plain) < 600
    assert harmless(curve(samples, thresholds, events))


@given(
    st.floats(),
    st.lists(st.builds(Span, st.floats(), st.floats(), st.text(max_size=8)), max_size=3),
    st.lists(
        st.builds(Dot, st.floats(), st.integers(), st.text(max_size=8), st.text(max_size=8)), max_size=3
    ),
)
@FUZZ
def test_timelines_of_any_numbers(length_s: float, spans, dots) -> None:
    drawn = timeline(length_s, spans, dots)
    assert "nan" not in drawn.split("<title>")[0]
    assert drawn.endswith("</svg>")


@given(st.text(), st.integers(0, 600))
@FUZZ
def test_clean_text_does_nothing_to_a_terminal(text: str, most: int) -> None:
    cleaned = clean(text, most)
    assert len(cleaned) <= most
    assert harmless(cleaned)


@pytest.mark.parametrize("number", [1e308, -1e308, float("inf"), float("nan"), 2.0**62 / 1e9])
def test_one_absurd_moment_does_not_take_the_plot_away(number: float) -> None:
    sound = [Sample(n / 10, 3.0 - n / 10, 2) for n in range(20)]
    lines = plot([*sound, Sample(number, 1.0, 3), Sample(0.5, number, 3)], [("CRITICAL", 2.0)], [], 80)
    assert sum(bool(set(line.plain) & {chr(c) for c in range(0x2801, 0x2900)}) for line in lines) >= 4
