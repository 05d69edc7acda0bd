"""Videos as people have them: the container's times, the picture upright, whole or cut short."""

from __future__ import annotations

import os
import re
import struct
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import drawn, held, record, trimmed

from rearguard.camera.files import open_recorded
from rearguard.camera.truncation import video_cut_short
from rearguard.errors import BadInput, CutShort
from rearguard.types import Frame

STEADY = [i / 30 for i in range(40)]
VARIABLE = [i / 30 for i in range(30)] + [1 + i / 10 for i in range(10)]
PAUSED = [i / 30 for i in range(30)] + [11 + i / 30 for i in range(30)]
TIMELAPSE = [30.0 * i for i in range(7)]


def read(path: Path, **options: object) -> tuple[list[Frame], str | None]:
    """(frames, the line of the error that ended them)."""
    given = {"fps": None, "hfov_deg": 66.0, "realtime": False, **options}
    frames: list[Frame] = []
    try:
        for frame in open_recorded(path, **given).frames():  # type: ignore[arg-type]
            frames.append(frame)  # noqa: PERF402
    except BadInput as e:
        return frames, str(e)
    return frames, None


def first_error(path: Path) -> str | None:
    """Why it cannot be opened."""
    try:
        open_recorded(path, fps=None, hfov_deg=66, realtime=False)
    except BadInput as e:
        return str(e)
    return None


def times(frames: list[Frame]) -> list[float]:
    return [f.captured_ns / 1e9 for f in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    "truth", [STEADY, VARIABLE, PAUSED, TIMELAPSE], ids=["steady", "vfr", "pause", "lapse"]
)
def test_every_frame_has_the_files_own_time(tmp_path: Path, suffix: str, truth: list[float]) -> None:
    frames, error = read(record(tmp_path / f"v{suffix}", truth))
    assert error is None
    assert times(frames) == pytest.approx(truth, abs=0.002)
    assert [f.seq for f in frames] == list(range(len(truth)))


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    frames, error = read(record(tmp_path / "v.mkv", [7.5 + t for t in STEADY]))
    assert error is None
    assert times(frames) == pytest.approx(STEADY, abs=0.002)


def test_a_transport_stream_is_read(tmp_path: Path) -> None:
    frames, error = read(record(tmp_path / "v.ts", VARIABLE, codec="libx264"))
    assert error is None
    assert times(frames) == pytest.approx(VARIABLE, abs=0.002)


def test_times_that_jump_back_go_on(tmp_path: Path) -> None:
    """Two recordings behind one another in one transport stream: the second begins where the first ends."""
    one = record(tmp_path / "1.ts", [5 + t for t in STEADY], codec="libx264").read_bytes()
    two = record(tmp_path / "2.ts", STEADY, codec="libx264").read_bytes()
    (tmp_path / "both.ts").write_bytes(one + two)
    frames, error = read(tmp_path / "both.ts")
    assert error is None
    assert len(frames) >= 79
    steps = np.diff(times(frames))
    assert (steps > 0).all()
    assert steps.max() < 0.2


def test_a_stream_that_changes_its_pixels_keeps_its_picture(tmp_path: Path) -> None:
    """As calls and live streams are recorded, which adapt to their line."""

    def large(index: int) -> np.ndarray:
        return drawn(index, (128, 192))

    one = record(tmp_path / "1.ts", STEADY, codec="libx264").read_bytes()
    two = record(tmp_path / "2.ts", [2 + t for t in STEADY], codec="libx264", picture=large).read_bytes()
    (tmp_path / "both.ts").write_bytes(one + two)
    frames, error = read(tmp_path / "both.ts")
    assert error is None
    assert len(frames) >= 79  # the demuxer may lose the one at the seam
    assert {f.image.shape for f in frames} == {(64, 96, 3)}
    assert np.abs(frames[-20].image[30:, 20:90].mean() - frames[20].image[30:, 20:90].mean()) < 6


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".ts"])
def test_frames_that_are_stored_in_another_order_than_shown(tmp_path: Path, suffix: str) -> None:
    path = record(tmp_path / f"v{suffix}", STEADY, codec="libx264", b_frames=3)
    frames, error = read(path)
    assert error is None
    assert times(frames) == pytest.approx(STEADY, abs=0.002)
    brightness = [float(f.image[30:, 1:8].mean()) for f in frames]
    assert brightness == sorted(brightness)


def test_a_transport_stream_cut_in_a_packet_is_cut_and_zeros_behind_it_are_not(tmp_path: Path) -> None:
    path = record(tmp_path / "v.ts", STEADY, codec="libx264")
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 1001)
    assert read(path)[1] is None
    path.write_bytes(whole[: len(whole) // 2 // 188 * 188 + 100])
    assert "cut short" in (read(path)[1] or "")


@pytest.mark.parametrize(
    ("name", "codec"), [("v.mpg", "mpeg2video"), ("v.wmv", "wmv2"), ("v.h264", "libx264")]
)
def test_a_stream_that_ends_within_a_picture_is_cut(tmp_path: Path, name: str, codec: str) -> None:
    fps = 30 if codec == "libx264" else None
    whole, error = read(record(tmp_path / name, STEADY, codec=codec, picture=noisy), fps=fps)
    assert (len(whole), error) == (40, None)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5003])
    frames, error = read(tmp_path / name, fps=fps)
    assert 30 < len(frames) < 40
    assert "cut short" in (error or "")
    for one, other in zip(frames, whole, strict=False):
        assert np.array_equal(one.image, other.image)


def test_a_raw_mjpeg_stream_cut_in_a_picture(tmp_path: Path) -> None:
    path = record(tmp_path / "raw.mjpeg", STEADY[:20], codec="mjpeg", picture=noisy)
    path.write_bytes(path.read_bytes()[:-700])
    frames, error = read(path, fps=20)
    assert len(frames) == 19
    assert "cut short" in (error or "")


@pytest.mark.parametrize(("name", "codec"), [("raw.mjpeg", "mjpeg"), ("raw.h264", "libx264")])
def test_a_stream_without_times_asks_for_its_rate(tmp_path: Path, name: str, codec: str) -> None:
    path = record(tmp_path / name, STEADY[:20], codec=codec)
    with pytest.raises(BadInput, match=r"no times in it; say --fps"):
        open_recorded(path, fps=None, hfov_deg=66, realtime=False)
    frames, error = read(path, fps=20)
    assert error is None
    assert times(frames) == pytest.approx([i / 20 for i in range(20)], abs=1e-6)


def test_an_absurd_rate_asks_for_the_real_one(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mp4", [i / 1000 for i in range(30)])
    with pytest.raises(BadInput, match=r"1000 frames per second; say --fps"):
        open_recorded(path, fps=None, hfov_deg=66, realtime=False)
    source = open_recorded(path, fps=30, hfov_deg=66, realtime=False)
    assert len(list(source.frames())) == 30
    assert any("--fps 30" in line for line in source.info.assumed)


@pytest.mark.parametrize(
    ("captured", "told"), [("240.0", True), ("30.0", False), ("1", True), ("nan", False), ("x", False)]
)
def test_slow_motion_that_plays_slowly_is_said(tmp_path: Path, captured: str, told: bool) -> None:
    tags = {"com.android.capture.fps": captured}
    path = record(tmp_path / "v.mp4", STEADY[:10], options={"movflags": "use_metadata_tags"}, tags=tags)
    assumed = open_recorded(path, fps=None, hfov_deg=66, realtime=False).info.assumed
    assert any("judges it at true speed" in line for line in assumed) is told
    assumed = open_recorded(path, fps=240, hfov_deg=66, realtime=False).info.assumed
    assert not any("judges it at true speed" in line for line in assumed)


def test_slow_motion_is_not_absurd(tmp_path: Path) -> None:
    frames, error = read(record(tmp_path / "v.mkv", [round(i / 240, 3) for i in range(60)]))
    assert error is None
    assert len(frames) == 60


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_a_phone_held_upright_gives_an_upright_picture(tmp_path: Path, turn_deg: int, mirrored: bool) -> None:
    def stored(index: int) -> np.ndarray:
        image = drawn(index)
        image[40:, :48] = 0  # dark on the left
        turned = np.rot90(image, turn_deg // 90)
        return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)

    path = held(record(tmp_path / "v.mp4", STEADY[:5], picture=stored), turn_deg, mirrored=mirrored)
    source = open_recorded(path, fps=None, hfov_deg=66, realtime=False)
    image = next(iter(source.frames())).image
    assert image.shape == (64, 96, 3)
    assert (source.info.width_px, source.info.height_px) == (96, 64)
    assert image[:8].mean() > 240
    assert image[-8:].mean() < 100
    assert image[45:, :40].mean() + 10 < image[45:, 56:].mean()


def test_the_pod_that_sits_sideways_is_turned_too(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mp4", STEADY[:3])
    source = open_recorded(path, fps=None, hfov_deg=66, realtime=False, rotation_deg=90)
    image = next(iter(source.frames())).image
    assert image.shape == (96, 64, 3)
    assert image[:, -8:].mean() > 240  # what was on top lies to the right after a quarter clockwise
    assert any("rotation_deg = 90" in line for line in source.info.assumed)


@pytest.mark.parametrize(
    ("aspect", "shape"), [(Fraction(2, 1), (64, 192, 3)), (Fraction(1, 2), (128, 96, 3))]
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, shape: tuple[int, ...]) -> None:
    frames, error = read(record(tmp_path / "v.mkv", STEADY[:3], aspect=aspect))
    assert error is None
    assert frames[0].image.shape == shape


def test_a_lossless_trim_shows_what_it_shows_and_is_whole(tmp_path: Path) -> None:
    frames, error = read(trimmed(record(tmp_path / "v.mp4", STEADY), 15))
    assert error is None
    assert len(frames) == 25
    assert frames[0].image[30:].mean() == pytest.approx(drawn(15)[30:].mean(), abs=6)
    assert times(frames)[-1] == pytest.approx(24 / 30, abs=0.002)


# ── whole or cut ────────────────────────────────────────────────────────────────────────────────────────


def noisy(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (*(64, 96), 3), dtype=np.uint8)


CONTAINERS = {
    "mp4": ("v.mp4", {"movflags": "faststart"}),
    "fragmented": ("v.mp4", {"movflags": "frag_keyframe+empty_moov", "min_frag_duration": "200000"}),
    "mkv": ("v.mkv", {}),
    "avi": ("v.avi", {}),
}


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
def test_a_cut_file_gives_what_it_has_and_says_so(tmp_path: Path, kind: str, share: float) -> None:
    name, options = CONTAINERS[kind]
    path = record(
        tmp_path / name, STEADY, codec="mjpeg" if kind == "avi" else "mpeg4", picture=noisy, options=options
    )
    whole, error = read(path)
    assert (len(whole), error) == (40, None)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    frames, error = read(path)
    assert 40 * share - 8 <= len(frames) < 40 * share + 4
    assert error is not None
    assert "cut short" in error
    assert f"after frame {len(frames)}" in error
    for one, other in zip(frames, whole, strict=False):
        assert np.array_equal(one.image, other.image)  # no half picture among them


@pytest.mark.parametrize(("name", "codec"), [("v.flv", "flv"), ("v.ivf", "libvpx")])
def test_other_containers_cut_anywhere_say_so(tmp_path: Path, name: str, codec: str) -> None:
    path = record(tmp_path / name, STEADY, codec=codec, picture=noisy)
    whole, error = read(path)
    assert (len(whole), error) == (40, None)
    data = path.read_bytes()
    for share in (0.3, 0.55, 0.8, 0.97):
        path.write_bytes(data[: int(len(data) * share)])
        frames, error = read(path)
        assert 0 < len(frames) < 40
        assert "cut short" in (error or "")
        assert all(np.array_equal(one.image, other.image) for one, other in zip(frames, whole, strict=False))


def test_an_ogg_cut_in_a_page_or_in_a_frame_is_cut(tmp_path: Path) -> None:
    def page(lacing: bytes) -> bytes:
        return b"OggS" + bytes(22) + bytes([len(lacing)]) + lacing + b"x" * sum(lacing)

    path = tmp_path / "v.ogv"
    for content, cut in (
        (page(b"\x10") + page(b"\xff\x03"), False),
        (page(b"\x10") + page(b"\xff\x03") + bytes(99), False),
        (page(b"\x10") + page(b"\xff\x03")[:-1], True),
        (page(b"\x10") + page(b"\xff\x03")[:20], True),
        (page(b"\x10") + page(b"\xff\xff"), True),
    ):
        path.write_bytes(content)
        assert video_cut_short(path) is cut


def test_what_the_decoder_holds_back_is_given_though_what_follows_is_no_frame(tmp_path: Path) -> None:
    path = record(tmp_path / "v.ivf", STEADY, codec="libvpx", picture=noisy)
    path.write_bytes(path.read_bytes() + b"\xf3\x91 not a frame" * 99)
    assert len(read(path)[0]) == 40


def test_a_stream_of_pictures_between_boundaries(tmp_path: Path) -> None:
    """What `curl http://camera/stream` leaves."""
    path = tmp_path / "stream.mjpeg"
    parts = [cv2.imencode(".jpg", noisy(n))[1].tobytes() for n in range(8)]
    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    data = b"--frame\r\n" + b"".join(head % len(part) + part + b"\r\n--frame\r\n" for part in parts)
    path.write_bytes(data)
    assert "say --fps" in (first_error(path) or "")
    frames, error = read(path, fps=10)
    assert (len(frames), error) == (8, None)
    path.write_bytes(data[:-1500])
    frames, error = read(path, fps=10)
    assert len(frames) == 7
    assert "cut short" in (error or "")


def test_an_index_that_is_cut_is_told_as_that(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mov", STEADY, picture=noisy)
    data = path.read_bytes()
    for off in (1, 20, 300):
        path.write_bytes(data[:-off])
        assert "index is missing" in (first_error(path) or "index is missing")  # or it is read all the same


def test_a_cut_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = record(tmp_path / "v.avi", STEADY, codec="mjpeg", picture=noisy)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(CutShort):
        list(open_recorded(path, fps=None, hfov_deg=66, realtime=False).frames())


def test_an_mp4_without_its_index_says_what_happened(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mp4", STEADY, picture=noisy)
    path.write_bytes(path.read_bytes()[:-4000])
    _, error = read(path)
    assert error is not None
    assert "index is missing" in error


def patched(path: Path, mark: bytes, offset: int, value: int, order: str = "<I") -> None:
    data = bytearray(path.read_bytes())
    at = data.index(mark) + offset
    data[at : at + 4] = struct.pack(order, value)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("case", ["size", "no size", "endless", "count", "length", "movi"])
def test_a_wrong_avi_header_makes_no_cut(tmp_path: Path, case: str) -> None:
    path = record(tmp_path / "v.avi", STEADY, codec="mjpeg")
    match case:
        case "size":
            patched(path, b"RIFF", 4, path.stat().st_size + 50_000)
        case "no size":
            patched(path, b"RIFF", 4, 0)
        case "endless":
            patched(path, b"RIFF", 4, 0xFFFFFFFF)
        case "count":
            patched(path, b"avih", 8 + 16, 4000)
        case "length":
            patched(path, b"strh", 8 + 32, 4000)
        case "movi":
            patched(path, b"movi", -4, 0x7FFFFFFF)
    frames, error = read(path)
    assert (len(frames), error) == (40, None)


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, b"\0\0\0\1", b"\0\0\x40\0free" + b"x" * 50, b"phone's own data" * 90]
)
def test_what_lies_behind_an_mp4_is_no_cut(tmp_path: Path, tail: bytes) -> None:
    path = record(tmp_path / "v.mp4", STEADY)
    path.write_bytes(path.read_bytes() + tail)
    frames, error = read(path)
    assert (len(frames), error) == (40, None)


@pytest.mark.parametrize("tail", [b"\0" * 999, b"the phone's own data" * 90, bytes(range(256)) * 8])
def test_what_lies_behind_an_avi_is_no_cut(tmp_path: Path, tail: bytes) -> None:
    path = record(tmp_path / "v.avi", STEADY, codec="mjpeg")
    path.write_bytes(path.read_bytes() + tail)
    frames, error = read(path)
    assert (len(frames), error) == (40, None)


def test_a_picture_lost_in_a_raw_stream_leaves_its_place_empty(tmp_path: Path) -> None:
    path = record(tmp_path / "raw.mjpeg", STEADY[:10], codec="mjpeg", picture=noisy)
    whole = path.read_bytes()
    third = [m.start() for m in re.finditer(b"\xff\xd8\xff", whole)][2]
    path.write_bytes(whole[: third + 900] + whole[whole.index(b"\xff\xd8\xff", third + 3) :])
    frames, error = read(path, fps=10)
    assert error is None
    assert times(frames) == pytest.approx([0, 0.1, *[i / 10 for i in range(3, 10)]])


def test_a_live_matroska_without_sizes_is_whole(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mkv", STEADY, options={"live": "1"})
    frames, error = read(path)
    assert (len(frames), error) == (40, None)
    assert not video_cut_short(path)


def test_frames_that_cannot_be_decoded_are_a_gap(tmp_path: Path) -> None:
    path = record(tmp_path / "v.avi", STEADY, codec="mjpeg")
    data = bytearray(path.read_bytes())
    at = data.index(b"00dc", data.index(b"movi")) + 8
    size = struct.unpack("<I", data[at - 4 : at])[0]
    second = data.index(b"00dc", at + size) + 8
    size = struct.unpack("<I", data[second - 4 : second])[0]
    data[second : second + size] = b"\0" * size
    path.write_bytes(bytes(data))
    frames, error = read(path)
    assert error is None
    assert len(frames) == 39
    assert times(frames)[:3] == pytest.approx([0, 2 / 30, 3 / 30], abs=0.002)


def test_a_sound_file_with_a_cover_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + b"\0\0\0\x08free")
    with pytest.raises(BadInput):
        open_recorded(tmp_path / "v.mp4", fps=None, hfov_deg=66, realtime=False)


def test_a_colon_in_the_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (record(tmp_path / "v.mp4", STEADY)).rename(tmp_path / "concat:a.mp4")
    frames, error = read(Path("concat:a.mp4"))
    assert (len(frames), error) == (40, None)


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4"))
    record(tmp_path / "v.mp4", STEADY).rename(path)
    frames, error = read(path)
    assert (len(frames), error) == (40, None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_whatever_a_file_holds_it_is_frames_or_one_line(tmp_path: Path, suffix: str) -> None:
    whole = record(tmp_path / f"v{suffix}", STEADY[:12], codec="libx264").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(40):
        data = bytearray(whole)
        for at in rng.integers(0, len(data) if rng.random() < 0.5 else 600, rng.choice([1, 5, 40])):
            data[at] = rng.choice([0, 255, rng.integers(256)])
        (tmp_path / f"h{suffix}").write_bytes(data)
        frames, error = read(tmp_path / f"h{suffix}")
        assert (np.diff(times(frames)) > 0).all()
        assert error is None or (f"h{suffix}" in error and len(error.splitlines()) == 1)
        refused += error is not None
    assert 0 < refused < 40


def test_real_time_keeps_the_gaps_and_drops_the_late(tmp_path: Path) -> None:
    path = record(tmp_path / "v.mp4", [0.0, 0.02, 0.04, 0.06, 0.08, 0.5, 0.52, 0.54])
    source = open_recorded(path, fps=None, hfov_deg=66, realtime=True)
    began = time.monotonic_ns()
    seen = []
    for frame in source.frames():
        seen.append((frame.seq, (frame.captured_ns - began) / 1e9))
        assert frame.captured_ns <= time.monotonic_ns()
        if frame.seq == 0:
            time.sleep(0.075)
    order = [seq for seq, _ in seen]
    assert order[0] == 0
    assert order[1] >= 3
    assert dict(seen)[5] == pytest.approx(0.5, abs=0.1)
    assert order[-1] == 7
    assert source.dropped >= 2  # type: ignore[union-attr]
