"""A video file as a picture source: every frame at the container's own time, upright, its pixels square.

    source = VideoFile(Path("run.mp4"), View(66.0), realtime=False)
    for frame in source.frames(): ...

Read with PyAV, so that times, rotation and pixel aspect are the file's and not a guess of the OpenCV release.
"""

from __future__ import annotations

import math
import os
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2

from rearguard.camera.lens_of_file import View, field_of_view
from rearguard.camera.source import SourceInfo
from rearguard.camera.truncation import index_cut, video_cut_short
from rearguard.camera.turns import TURNS, upright
from rearguard.clock import NS_PER_S
from rearguard.errors import BadInput, CutShort
from rearguard.types import Frame, Image

MAX_SIDE_PX = 8192
# Demuxers that stand for files people record; no playlists, no lists of other files, no network streams.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,ivf,nut,mxf,gif,apng,dv,"
    "h264,hevc,mjpeg,mpegvideo,m4v,obu,vvc,mpjpeg,yuv4mpegpipe"
)
# Streams without a container: the times the demuxer gives are made up from a default rate.
_TIMELESS = frozenset({"h264", "hevc", "mjpeg", "mpegvideo", "m4v", "obu", "vvc", "mpjpeg"})
FASTEST_HZ = 250.0  # phones' slow motion is 240; more is a broken header
SLOWEST_S = 3600.0
_SCANNED = 300  # packets whose times are looked at before the first frame is given
_JUMP_S = 1.0  # times that go back further than this begin anew; less is one frame out of order
_DEFAULT_STEP_S = 1 / 15
_OTHER_SPEED = 0.2  # cameras that say 30 take 24 in the dark
_BOUNDARY_BYTES = 1024
_SAME_SHAPE = 0.02  # of the ratio of the sides


class VideoFile:
    """The frames of a video file, turned upright by the file's own flag and then by `view.rotation_deg`.

    `fps` overrides the file's times. Raises `BadInput` when it cannot be opened or read, or has no usable times and
    no `fps` is given; `CutShort` after the last frame when the file's end is missing.
    """

    def __init__(self, path: Path, view: View, *, fps: float | None = None, realtime: bool = False) -> None:
        self._path = path
        step_s, count = _scan(path, fps)
        self._container, self._stream = _open(path)
        self._fps = fps
        self._step_s = step_s or _DEFAULT_STEP_S
        self._turn = TURNS.get(view.rotation_deg)
        self._closed = threading.Event()
        # AVI has times of storing, not of showing: shown frames get them in order.
        self._in_order = self._container.format.name == "avi"
        self._stamps: list[int] = []
        self._lost = 0  # frames before this one that could not be decoded
        self._broken = False  # what is stored could not be read to its end
        self.dropped = 0
        self._size: tuple[int, int] | None = None  # of the first frame, not turned
        first = self._first_frame()
        height, width = first.shape[:2]
        tags = {**self._container.metadata, **self._stream.metadata}
        hfov_deg, assumed = field_of_view(path, (width, height), view, tags)
        if fps is not None:
            assumed += (f"--fps {fps:g} in place of the file's own times",)
        else:
            assumed += _other_speed(tags, 1 / self._step_s)
        self._realtime = realtime
        rate = fps or 1 / self._step_s
        self.info = SourceInfo(str(path), width, height, rate, hfov_deg, realtime, count, assumed)

    def frames(self) -> Iterator[Frame]:
        """Every frame in order; in real time the late ones are skipped without being made a picture."""
        start_ns = time.monotonic_ns() if self._realtime else 0
        due_from_ns = 0  # what is older is late
        try:
            for index, (time_s, decoded) in enumerate(self._timed()):
                at_ns = start_ns + round(time_s * NS_PER_S)
                if self._realtime:
                    if at_ns + self._step_s * NS_PER_S < due_from_ns:
                        self.dropped += 1
                        continue
                    if self._closed.wait(max(0.0, (at_ns - time.monotonic_ns()) / NS_PER_S)):
                        return
                if self._closed.is_set():
                    return
                yield Frame(index, at_ns, self._picture(decoded))
                due_from_ns = time.monotonic_ns() if self._realtime else 0
        finally:
            self._container.close()

    def close(self) -> None:
        """Stop delivering. Never blocks."""
        self._closed.set()

    def _first_frame(self) -> Image:
        """The first picture, for its size; the file is opened anew after it."""
        try:
            decoded = next(self._decoded(), None)
        except CutShort:
            decoded = None
        if decoded is None:
            raise BadInput(f"{self._path}: {_undecodable(self._path)}")
        image = self._picture(decoded)
        self._container.close()
        self._container, self._stream = _open(self._path)
        return image

    def _timed(self) -> Iterator[tuple[float, Any]]:
        """(seconds since the first frame, decoded frame); time always goes on."""
        if self._fps is not None:
            for index, frame in enumerate(self._decoded()):
                yield (index + self._lost) / self._fps, frame
            return
        base = self._stream.time_base
        zero_s = last_s = None
        for frame in self._decoded():
            if self._in_order:
                stamp = heappop(self._stamps) if self._stamps else None
            else:
                stamp = frame.pts if frame.pts is not None else frame.dts
            own_s = None if stamp is None or base is None else float(stamp * base)
            if zero_s is None or last_s is None:
                zero_s, last_s = own_s or 0.0, 0.0
                yield 0.0, frame
                continue
            now_s = last_s + self._step_s if own_s is None else own_s - zero_s
            if now_s <= last_s - _JUMP_S:  # a second recording behind the first, or a counter that wrapped
                zero_s += now_s - (last_s + self._step_s)
                now_s = last_s + self._step_s
            if now_s > last_s:
                last_s = now_s
                yield now_s, frame

    def _decoded(self) -> Iterator[Any]:
        """Every frame that can be decoded. Raises `CutShort` after the last one when the end is missing."""
        from av.error import FFmpegError

        delivered, cut, self._lost, self._broken = 0, False, 0, False
        self._stamps.clear()
        for packet in self._packets():
            if packet is not None and packet.size and (packet.is_corrupt or self._lacks_end(packet)):
                cut = True  # read as far as the file goes: half a picture is no picture
                self._lost += 1
                continue
            cut = cut and not (packet is not None and packet.size)
            if self._in_order and packet is not None and packet.size and packet.dts is not None:
                heappush(self._stamps, packet.dts)
            try:
                for frame in self._stream.codec_context.decode(packet):
                    if frame.is_corrupt:
                        cut = True  # of a stream without lengths the end shows only in this
                        self._lost += 1
                        continue
                    delivered += 1
                    yield frame
            except FFmpegError:
                self._lost += 1
                if self._in_order and packet is not None and packet.dts in self._stamps:
                    self._stamps.remove(packet.dts)
                    heapify(self._stamps)
        cut = cut or self._broken
        if self._closed.is_set():
            return
        if delivered == 0:
            raise BadInput(f"{self._path}: {_undecodable(self._path)}")
        if cut or video_cut_short(self._path, _end_of_samples(self._stream)):
            raise CutShort(
                f"{self._path}: ends mid-way after frame {delivered}: the file is cut short or corrupt; what it "
                "holds was judged"
            )

    def _packets(self) -> Iterator[Any]:
        """What is stored, and last of all None or an empty packet, on which the decoder gives what it held back."""
        from av.error import FFmpegError

        end = 0
        try:
            for packet in self._container.demux(self._stream):
                end = (packet.pos or 0) + packet.size if packet.size else end
                yield packet
        except FFmpegError:
            # A stream of pictures between boundaries ends in one, behind which nothing comes.
            behind = self._path.stat().st_size - end
            self._broken = self._container.format.name != "mpjpeg" or behind > _BOUNDARY_BYTES
            yield None

    def _lacks_end(self, packet: Any) -> bool:
        """Whether a picture of a stream that has no lengths stops in the middle."""
        of_pictures = self._container.format.name in ("mjpeg", "mpjpeg")
        return of_pictures and b"\xff\xd9" not in bytes(packet).rstrip(b"\0\r\n")[-64:]

    def _picture(self, decoded: Any) -> Image:
        """BGR, its pixels square, upright."""
        width, height = _square(decoded, self._stream.sample_aspect_ratio)
        first_width, first_height = self._size = self._size or (width, height)
        if abs(width * first_height / (height * first_width) - 1) < _SAME_SHAPE:
            width, height = self._size  # a stream that adapts to its line: the same picture in other pixels
        image: Image = decoded.reformat(width=width, height=height, format="bgr24", threads=1).to_ndarray()
        image = upright(image, *_orientation(decoded))
        return image if self._turn is None else cv2.rotate(image, self._turn)


def _open(path: Path) -> tuple[Any, Any]:
    """The container and its video stream. Raises `BadInput`."""
    import av
    from av.error import FFmpegError

    av.logging.set_level(None)  # its complaints are ours to tell, in one line
    with path.open("rb") as file:
        # FFmpeg takes some streams of JPEGs for a single one.
        kind = "mjpeg" if file.read(3) == b"\xff\xd8\xff" else None
        # PyAV names files in UTF-8, whatever the machine does. An absolute path is no URL, whatever colons are in it.
        try:
            named = os.fsencode(path.absolute()).decode()
        except UnicodeDecodeError:
            named = f"/proc/self/fd/{file.fileno()}"
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}  # it must not fetch another
        try:
            container = av.open(named, format=kind, options=options, metadata_errors="replace")
        except (FFmpegError, ValueError) as e:
            raise BadInput(f"{path}: {_unreadable(path)}") from e
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED]
    stream: Any = container.streams.best("video") if streams else None
    context = stream.codec_context if stream is not None else None
    if stream is None or stream not in streams:
        container.close()
        raise BadInput(f"{path}: {_NO_INDEX if index_cut(path) else 'there is no video in it'}")
    if context is None or not (0 < context.width <= MAX_SIDE_PX and 0 < context.height <= MAX_SIDE_PX):
        container.close()
        raise BadInput(
            f"{path}: not a video that can be read (corrupt, cut short or an unknown codec); re-encode or re-copy it"
        )
    # Errors of frame threads come late, and AVI's times are taken off the packets; of a raw stream they may not come.
    late = container.format.name in ("avi", "h264", "mpegvideo", "m4v")
    stream.thread_type = "SLICE" if late else "AUTO"
    return container, stream


_ATTACHED = 0x400  # AV_DISPOSITION_ATTACHED_PIC: the cover of an album
_NO_INDEX = (
    "its index is missing: the recording was cut off before it was finished; a repair tool (untrunc) may help"
)


def _undecodable(path: Path) -> str:
    return _NO_INDEX if index_cut(path) else "no frame in it can be decoded; re-encode or re-copy the video"


def _unreadable(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return _NO_INDEX
    return "not a video that can be read (corrupt, cut short or no video); re-encode or re-copy it"


def _scan(path: Path, fps: float | None) -> tuple[float | None, int | None]:
    """Seconds from frame to frame (None of a single frame), and how many there will be, where that is known.

    Raises `BadInput` asking for --fps when the file has no times to go by and none is given.
    """
    from av.error import FFmpegError

    container, stream = _open(path)
    stamps: list[int] = []
    without = 0
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                stamp = packet.pts if packet.pts is not None else packet.dts
                without += stamp is None
                stamps += [stamp] if stamp is not None else []
            if len(stamps) + without >= _SCANNED:
                break
    except FFmpegError:
        pass  # told when the frames are read
    listed = sum(not entry.is_discard for entry in stream.index_entries)
    count = listed if container.format.name.startswith(("mov", "avi")) else stream.frames
    base, kind = stream.time_base, container.format.name
    container.close()
    if fps is not None:
        return 1 / fps, count or None
    steps = [float((b - a) * base) for a, b in pairwise(sorted(stamps)) if base is not None]
    if kind in _TIMELESS:
        raise BadInput(
            f"{path}: a raw {kind} stream has no times in it; say --fps with the rate it was recorded at"
        )
    if without > len(stamps):
        raise BadInput(f"{path}: its frames have no times; say --fps with the rate it was recorded at")
    if not steps:
        return None, count or None
    step_s = statistics.median(steps)
    if not 1 / FASTEST_HZ <= step_s <= SLOWEST_S:
        said = f"{1 / step_s:.4g} frames per second" if step_s > 0 else "all frames at one moment"
        raise BadInput(f"{path}: its header says {said}; say --fps with the rate it was recorded at")
    return step_s, count or None


def _end_of_samples(stream: Any) -> int | None:
    """Where the last of the frames that the file's own table lists ends, in bytes; None without such a table."""
    if not stream.container.format.name.startswith("mov"):
        return None
    return max((entry.pos + entry.size for entry in stream.index_entries), default=None)


def _other_speed(tags: dict[str, str], plays_hz: float) -> tuple[str, ...]:
    """A line when an Android phone wrote that it took more or fewer pictures per second than the film plays."""
    try:
        took_hz = float(tags.get("com.android.capture.fps", ""))
    except ValueError:
        return ()
    if not 0.5 <= took_hz <= 240 or abs(took_hz / plays_hz - 1) < _OTHER_SPEED:  # what --fps takes
        return ()
    return (
        f"it plays {plays_hz:.3g} pictures per second, but its phone took {took_hz:.3g}: slow motion or time lapse; "
        f"--fps {took_hz:.3g} judges it at true speed",
    )


def _orientation(frame: Any) -> tuple[bool, int]:
    """Whether to mirror a frame, and by how many degrees to turn it clockwise then, by its display matrix."""
    shown = frame.side_data.get("DISPLAYMATRIX")
    if shown is None or len(bytes(shown)) != 36:
        return False, 0
    a, b, _, c, d, *_ = struct.unpack("<9i", bytes(shown))  # x' = ax + cy, y' = bx + dy, y downwards
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return mirrored, round(math.degrees(math.atan2(b, a)) / 90) * 90 % 360


def _square(frame: Any, aspect: Any) -> tuple[int, int]:
    """Width and height with square pixels; the side that is too short is stretched, so that nothing is lost."""
    width, height = frame.width, frame.height
    ratio = float(aspect) if aspect else 1.0
    if not 0.1 <= ratio <= 10 or abs(ratio - 1) < 0.005:
        return width, height
    if ratio > 1:
        return min(MAX_SIDE_PX, round(width * ratio)), height
    return width, min(MAX_SIDE_PX, round(height / ratio))
