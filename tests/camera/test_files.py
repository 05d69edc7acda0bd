"""Recorded sources: what is delivered of good files, and one clear line for hostile ones."""

from __future__ import annotations

import re
import struct
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from rearguard.camera.catalogue import open_source
from rearguard.camera.truncation import declared_size, picture_cut_short, video_cut_short
from rearguard.config.camera import Camera
from rearguard.ego.pinhole import Pinhole
from rearguard.errors import BadInput, CutShort, PartFailed

CAMERA = Camera()


def picture(value: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    image = np.full((*size, 3), value, np.uint8)
    image[::4] = 255 - value
    return image


def write_video(path: Path, frames: int = 30, fps: float = 10.0) -> Path:
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (160, 120))
    rng = np.random.default_rng(0)
    for i in range(frames):
        image = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        image[:40] = i * 8
        out.write(image)
    out.release()
    return path


def take(word: object, **options: object) -> tuple[list, str | None]:
    """(frames, the line of the BadInput that ended them)."""
    frames = []
    try:
        for frame in open_source(str(word), CAMERA, **options).frames():  # type: ignore[arg-type]
            frames.append(frame)  # noqa: PERF402
    except BadInput as e:
        return frames, str(e)
    return frames, None


def test_pictures_come_in_numeric_order(tmp_path: Path) -> None:
    for number in (1, 2, 10, 11):
        cv2.imwrite(str(tmp_path / f"frame_{number}.png"), picture(number))
    (tmp_path / "boxes.csv").write_text("not a picture")
    frames, error = take(tmp_path, fps=15)
    assert error is None
    assert [int(f.image[1, 0, 0]) for f in frames] == [1, 2, 10, 11]
    assert [f.seq for f in frames] == [0, 1, 2, 3]


def test_file_time_counts_from_zero_at_the_given_rate(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    frames, _ = take(tmp_path, fps=8)
    assert [f.captured_ns for f in frames] == [0, 125_000_000, 250_000_000]


def test_pictures_without_times_ask_for_their_rate(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), picture(number))
    _, error = take(tmp_path)
    assert error is not None
    assert "do not say when they were taken; say --fps" in error
    assert take(tmp_path / "0.jpg")[1] is None  # one picture has no rate


def taken(number: int, when: str, fraction: str | None) -> bytes:
    """A JPEG whose EXIF says when it was taken."""
    texts = {0x9003: when.encode() + b"\0", **({0x9291: fraction.encode() + b"\0"} if fraction else {})}
    at, entries, behind = 26 + 2 + 12 * len(texts) + 4, b"", b""
    for tag, text in texts.items():
        inline = len(text) <= 4
        place = text.ljust(4, b"\0") if inline else struct.pack("<I", at + len(behind))
        entries += struct.pack("<HHI", tag, 2, len(text)) + place
        behind += b"" if inline else text
    first = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    block = (
        b"Exif\0\0II*\0"
        + struct.pack("<I", 8)
        + first
        + struct.pack("<H", len(texts))
        + entries
        + bytes(4)
        + behind
    )
    data = cv2.imencode(".jpg", picture(number))[1].tobytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (["10:00:00 10", "10:00:00 35", "10:00:01 1"], [0.0, 0.25, 1.0]),
        (["23:59:58 999", "23:59:59 099", "23:59:59 199"], [0.0, 0.1, 0.2]),
        (["10:00:00", "10:00:30", "10:01:00"], [0.0, 30.0, 60.0]),  # time lapse
        (["10:00:00", "10:00:00", "10:00:01"], None),  # too coarse
        (["10:00:01", "10:00:00", "10:00:02"], None),
        (["10:00:00 1", "", "10:00:00 3"], None),
        (["99:99:99 1", "10:00:00 2", "10:00:00 3"], None),
    ],
)
def test_pictures_have_the_times_their_camera_wrote(
    tmp_path: Path, times: list[str], told: list[float] | None
) -> None:
    for number, text in enumerate(times):
        clock, _, fraction = text.partition(" ")
        when = f"2026:11:05 {clock}" if clock else "                   "
        (tmp_path / f"{number}.jpg").write_bytes(taken(number, when, fraction or None))
    frames, error = take(tmp_path)
    if told is None:
        assert "say --fps" in str(error)
    else:
        assert error is None
        assert [f.captured_ns / 1e9 for f in frames] == pytest.approx(told, abs=1e-5)
    assert [f.captured_ns for f in take(tmp_path, fps=10)[0]] == [0, 100_000_000, 200_000_000]


def test_grey_pictures_become_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.pgm"), picture(9)[:, :, 0])
    frames, _ = take(tmp_path)
    assert frames[0].image.shape == (48, 64, 3)


def test_a_folder_may_keep_its_pictures_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    cv2.imwrite(str(tmp_path / "img" / "0.png"), picture(1))
    frames, error = take(tmp_path)
    assert (len(frames), error) == (1, None)


def test_two_subfolders_with_pictures_must_be_chosen_from(tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), picture(1))
    _, error = take(tmp_path)
    assert error is not None
    assert "left, right" in error


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".pgm", ".bmp"])
def test_frames_before_a_cut_picture_are_delivered(tmp_path: Path, suffix: str) -> None:
    for number in range(3):
        image = picture(number * 20)
        cv2.imwrite(str(tmp_path / f"{number}{suffix}"), image[:, :, 0] if suffix == ".pgm" else image)
    last = tmp_path / f"2{suffix}"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    frames, error = take(tmp_path, fps=15)
    assert len(frames) == 2
    assert error is not None
    assert str(last) in error


def test_a_spoiled_picture_in_between_is_a_gap_and_is_told(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number * 20))
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(CutShort, match=r"1\.png: the picture is empty.*and 1 more are so; what else"):
        list(open_source(str(tmp_path), CAMERA, fps=10).frames())
    frames, _ = take(tmp_path, fps=10)
    assert [(f.seq, f.captured_ns) for f in frames] == [(0, 0), (3, 300_000_000), (4, 400_000_000)]


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture(1))
    cv2.imwrite(str(tmp_path / "1.png"), picture(1, (30, 30)))
    frames, error = take(tmp_path, fps=15)
    assert len(frames) == 1
    assert error is not None
    assert "30x30" in error


def test_a_video_is_delivered_whole(tmp_path: Path) -> None:
    frames, error = take(write_video(tmp_path / "v.avi"))
    assert (len(frames), error) == (30, None)
    assert frames[10].captured_ns == 1_000_000_000
    assert frames[0].image.shape == (120, 160, 3)


def test_a_video_that_ends_mid_frame_delivers_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, error = take(path)
    assert 5 < len(frames) < 30
    assert error is not None
    assert str(path) in error
    assert "cut short" in error


def test_a_rate_asked_for_overrides_the_file(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "v.avi", 4)), CAMERA, fps=5)
    assert source.info.fps == 5
    assert [f.captured_ns for f in source.frames()] == [0, 200_000_000, 400_000_000, 600_000_000]


@pytest.mark.parametrize("fps", [0.0, -1.0, 1000.0, float("nan")])
def test_a_senseless_rate_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(BadInput, match="fps"):
        open_source(str(tmp_path), CAMERA, fps=fps)


def hostile(folder: Path) -> dict[str, str]:
    (folder / "empty.mp4").touch()
    (folder / "empty.png").touch()
    (folder / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(40_000))
    (folder / "text.avi").write_text("I am no video\n" * 200)
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    (folder / "hollow").mkdir()
    (folder / "bad").mkdir()
    (folder / "bad" / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture \xff\xd9")
    return {
        "missing": str(folder / "nowhere.mp4"),
        "empty video": str(folder / "empty.mp4"),
        "empty picture": str(folder / "empty.png"),
        "noise": str(folder / "noise.mp4"),
        "text": str(folder / "text.avi"),
        "playlist": str(folder / "list.m3u8"),
        "no pictures": str(folder / "hollow"),
        "bad first picture": str(folder / "bad"),
        "device": "/dev/null",
        "url": "http://127.0.0.1:9/video.mp4",
        "unknown word": "camera",
        "nothing": "",
        "webcam without number": "webcam:",
        "webcam with text": "webcam:front",
        "NUL": "a\0b",
    }


@pytest.mark.parametrize("case", [
    "missing", "empty video", "empty picture", "noise", "text", "playlist", "no pictures", "bad first picture",
    "device", "url", "unknown word", "nothing", "webcam without number", "webcam with text", "NUL",
])  # fmt: skip
def test_hostile_words_are_one_line(tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    word = hostile(tmp_path)[case]
    frames, error = take(word)
    assert frames == []
    assert error is not None
    assert "\n" not in error
    assert (word or "source") in error or repr(word) in error
    assert capfd.readouterr().err == ""  # the decoders' own complaints are not shown


def test_an_unknown_word_lists_the_simulated_worlds() -> None:
    with pytest.raises(BadInput, match=r"webcam:0.*demo, stand"):
        open_source("camera", CAMERA)


def test_truncated_containers_are_recognised(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.avi", 4)
    assert not video_cut_short(whole)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[:-100])
    assert video_cut_short(cut)
    mp4 = tmp_path / "a.mp4"
    mp4.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x20mdat" + b"x" * 24)
    assert not video_cut_short(mp4)
    mp4.write_bytes(mp4.read_bytes()[:-5])
    assert video_cut_short(mp4)


@pytest.mark.parametrize(
    "data", [b"", b"P5", b"P5 # no end", b"P5 3 3 255 \0\0", b"P6 9999999999 1 255\n", b"BM\xff\xff\xff\xff"]
)
def test_picture_headers_never_raise(data: bytes) -> None:
    assert picture_cut_short(data) in (True, False)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_that_declares_a_senseless_size_is_not_decoded(tmp_path: Path, suffix: str) -> None:
    data = bytearray(cv2.imencode(suffix, picture(3))[1].tobytes())
    at = 16 if suffix == ".png" else data.index(b"\xff\xc0") + 5
    assert declared_size(bytes(data)) == (64, 48)
    data[at : at + 4] = b"\0\0\x9c\x40" if suffix == ".png" else b"\x9c\x40\x9c\x40"
    (tmp_path / f"a{suffix}").write_bytes(bytes(data))
    assert "larger than 8192 pixels" in (take(tmp_path / f"a{suffix}")[1] or "")


@pytest.mark.timing
def test_real_time_is_paced_and_late_frames_are_dropped(tmp_path: Path) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    source = open_source(str(tmp_path), CAMERA, fps=100, realtime=True)
    assert source.info.live
    seen = []
    before = time.monotonic_ns()
    for frame in source.frames():
        assert before <= frame.captured_ns <= time.monotonic_ns()
        seen.append(frame.seq)
        if frame.seq < 5:
            time.sleep(0.06)  # six frames late
    assert seen[0] == 0
    assert seen[1] >= 5
    assert seen[-1] == 39
    assert seen == sorted(set(seen))


@pytest.mark.timing
def test_close_wakes_a_waiting_real_time_source(tmp_path: Path) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    source = open_source(str(tmp_path), CAMERA, fps=0.5, realtime=True)
    threading.Timer(0.05, source.close).start()
    start = time.monotonic()
    assert len(list(source.frames())) == 1
    assert time.monotonic() - start < 1.5  # the second frame was due after 2 s


class FakeCapture:
    """Stands in for cv2.VideoCapture: a webcam that delivers three frames and is then unplugged."""

    def __init__(self, number: int, _backend: int) -> None:
        self.opened = number == 0
        self.left = 3
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return self.opened

    def set(self, _prop: int, _value: float) -> bool:
        return True

    def get(self, prop: int) -> float:
        values = {cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FRAME_HEIGHT: 48, cv2.CAP_PROP_FPS: 30}
        return values.get(prop, 0.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, picture(7)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_webcam_that_disappears_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    source = open_source("webcam:0", Camera(rotation_deg=90))
    assert (source.info.width_px, source.info.height_px, source.info.live) == (48, 64, True)
    stream = source.frames()
    frames = [next(stream) for _ in range(3)]
    with pytest.raises(PartFailed, match=r"webcam:0: .*plugged in"):
        next(stream)
    assert frames[0].image.shape == (64, 48, 3)
    assert abs(time.monotonic_ns() - frames[0].captured_ns) < 10_000_000_000


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_a_turned_webcam_sees_as_far_as_before(monkeypatch: pytest.MonkeyPatch, rotation_deg: int) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    info = open_source("webcam:0", Camera(rotation_deg=rotation_deg)).info
    upright = open_source("webcam:0", Camera()).info
    focal_px = Pinhole.from_fov(info.width_px, info.height_px, info.hfov_deg).focal_px
    assert focal_px == pytest.approx(
        Pinhole.from_fov(upright.width_px, upright.height_px, upright.hfov_deg).focal_px
    )


def test_a_webcam_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with pytest.raises(PartFailed, match=re.escape("webcam:7: cannot open /dev/video7")):
        open_source("webcam:7", CAMERA)


def test_real_recordings_are_read_in_full(shared_data: Path) -> None:
    for name, frames in (("jelmoli", 187), ("dronet/test_2", None), ("otb/Couple", None)):
        source = open_source(str(shared_data / name), CAMERA, fps=15)
        assert source.info.frames == (frames or source.info.frames)
        assert sum(1 for _ in source.frames()) == source.info.frames
