"""Clips: what was seen from before a near miss to after it, heads hidden, in a file that players open."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from journal_kit import MONO_NS, Told, a_near_miss, a_writer

from rearguard.config.journal import Journal as Settings
from rearguard.journal.db.store import Journal
from rearguard.journal.media.avi import mux
from rearguard.journal.media.clips import ClipRing
from rearguard.journal.media.jpeg import from_jpeg, to_jpeg
from rearguard.journal.media.thumbnails import key, unpack
from rearguard.journal.paths import CLIPS
from rearguard.types import Box, Frame

FPS = 10


def frame(n: int, width: int = 640, height: int = 360) -> Frame:
    """Frame `n`: its brightness tells which it is."""
    image = np.full((height, width, 3), n % 250, np.uint8)
    return Frame(n, MONO_NS + n * 1_000_000_000 // FPS, image)


def fill(ring: ClipRing, first: int, last: int, people: tuple[Box, ...] = ()) -> None:
    """Hand over frames as fast as the ring takes them all."""
    for n in range(first, last):
        while True:
            before = ring.passed_over
            ring.add(frame(n), people)
            if ring.passed_over == before:
                break
            time.sleep(0.002)


def frame_numbers(path: Path) -> list[int]:
    """The frames in a clip, by their brightness, as OpenCV reads it."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    found = []
    while True:
        ok, image = capture.read()
        if not ok:
            return found
        found.append(round(float(image.mean())))


def test_a_clip_runs_from_before_to_after_the_worst_moment(tmp_path: Path) -> None:
    ring = ClipRing(Settings())
    told = Told()
    writer = a_writer(tmp_path, told, ring=ring)
    fill(ring, 0, 101)
    near_miss = writer.near_miss(a_near_miss(9.5))  # worst at frame 95, released at frame 100
    fill(ring, 101, 140)
    found = near_miss.result(5)
    assert writer.close(5)
    assert told.lines == []
    with Journal.open(tmp_path, readonly=True) as journal:
        media = journal.media(found)
    assert sorted(media) == ["clip", "picture", "strip"]
    numbers = frame_numbers(tmp_path / CLIPS / media["clip"].file)
    assert (numbers[0], numbers[-1]) == (65, 115)
    assert numbers == list(range(65, 116))
    picture = from_jpeg((tmp_path / CLIPS / media["picture"].file).read_bytes())
    assert round(float(picture.mean())) == 95
    thumbs = unpack((tmp_path / CLIPS / media["strip"].file).read_bytes())
    worst = key(thumbs)
    assert worst is not None
    assert (worst.offset_s, worst.width_px) == (0.0, 320)
    assert min(t.offset_s for t in thumbs) < -2
    assert max(t.offset_s for t in thumbs) > 1


def test_when_the_outing_ends_at_once_the_clip_is_what_there_is(tmp_path: Path) -> None:
    ring = ClipRing(Settings())
    writer = a_writer(tmp_path, ring=ring)
    fill(ring, 0, 101)
    writer.near_miss(a_near_miss(9.5))
    assert writer.close(5)
    (clip,) = (tmp_path / CLIPS).glob("*.avi")
    assert frame_numbers(clip) == list(range(65, 101))


def test_the_ring_is_bounded() -> None:
    settings = Settings(clip_memory_mb=4)
    ring = ClipRing(settings)
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    for n in range(60):
        ring.add(Frame(n, n * 100_000_000, noise))
        time.sleep(0.01)
    ring.finish(5)
    assert 3 << 20 < ring.bytes <= 4 << 20


def test_frames_that_come_too_fast_are_passed_over_not_queued() -> None:
    ring = ClipRing(Settings())
    big = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), dtype=np.uint8)
    for n in range(200):
        ring.add(Frame(n, n, big))
    assert len(ring._waiting) <= 3
    assert ring.passed_over > 100
    ring.finish(5)


def test_what_is_to_be_hidden_is_hidden_in_every_picture() -> None:
    ring = ClipRing(Settings())
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (360, 640, 3), dtype=np.uint8)
    cut = ring.cut(400_000_000)
    heads = (Box(200, 50, 300, 130),)
    for n, hide in enumerate((heads, heads, ())):
        ring.add(Frame(n, n * 300_000_000, noise), hide)
        time.sleep(0.05)
    ring.finish(5)
    head_part, legs = (slice(60, 120), slice(210, 290)), (slice(250, 340), slice(210, 290))
    spread = [
        float(from_jpeg(s.jpeg)[head_part].std()) / float(from_jpeg(s.jpeg)[legs].std()) for s in cut.stills
    ]
    assert max(spread[:2]) < 0.6
    assert spread[2] > 0.8


def test_off_keeps_nothing_in_memory_either() -> None:
    ring = ClipRing(Settings(clips="off"))
    ring.add(frame(1))
    assert (ring.bytes, len(ring._waiting)) == (0, 0)
    assert ring.cut(0).complete


def test_a_source_that_begins_again_does_not_confuse_the_ring() -> None:
    ring = ClipRing(Settings())
    fill(ring, 100, 120)
    fill(ring, 0, 30)
    cut = ring.cut(frame(25).captured_ns)
    ring.finish(5)
    times = [s.t_ns for s in cut.stills]
    assert times == sorted(times)
    assert times[0] == frame(0).captured_ns


def test_handing_a_frame_over_costs_little_of_what_encoding_costs() -> None:
    ring = ClipRing(Settings())
    big = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    spent = 0.0
    for n in range(30):
        begun = time.thread_time()
        ring.add(Frame(n, n * 66_000_000, big), ())
        spent += time.thread_time() - begun
        while ring._waiting or ring._busy:
            time.sleep(0.001)
    ring.finish(5)
    assert ring.passed_over == 0
    assert spent < 0.2 * ring.cpu_s


@pytest.mark.parametrize("sizes", [(64, 48), (639, 359)])
def test_ffprobe_finds_nothing_wrong(tmp_path: Path, sizes: tuple[int, int]) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed (package ffmpeg)")
    width, height = sizes
    rng = np.random.default_rng(0)
    jpegs = [to_jpeg(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)) for _ in range(25)]
    path = tmp_path / "clip.avi"
    path.write_bytes(mux(jpegs, 12.5, width, height))
    command = ["ffprobe", "-v", "warning", "-count_frames", "-of", "csv=p=0", "-show_entries"]
    fields = "stream=codec_name,width,height,avg_frame_rate,nb_read_frames,duration"
    done = subprocess.run([*command, fields, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() == f"mjpeg,{width},{height},25/2,2.000000,25"
