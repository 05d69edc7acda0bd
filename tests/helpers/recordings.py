"""Small recordings of the kinds people have, drawn here and written with PyAV, and the patches that spoil them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 96)  # rows, columns


def drawn(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture whose brightness counts the frames, with a white bar along the top."""
    image = np.full((*size, 3), 20 + 3 * index % 160, np.uint8)
    image[::8, ::8] = 200
    image[: size[0] // 6] = 255
    return image


def record(
    path: Path,
    times_s: Iterable[float],
    *,
    codec: str = "mpeg4",
    picture: Callable[[int], np.ndarray] = drawn,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    b_frames: int = 0,
) -> Path:
    """A video whose frames lie at `times_s`, to the millisecond (AVI, MPEG: at 30/s); one keyframe at the start."""
    tick = Fraction(1, 30) if path.suffix in (".avi", ".mpg") else Fraction(1, 1000)
    with av.open(str(path), "w", options=options or {}) as out:
        out.metadata.update(tags or {})
        stream = out.add_stream(codec, rate=30)
        first = picture(0)
        stream.width, stream.height = first.shape[1], first.shape[0]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = tick
        stream.codec_context.gop_size = 1000
        stream.codec_context.max_b_frames = b_frames
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for index, at_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(picture(index), format="bgr24")
            frame.pts, frame.time_base = round(at_s / tick), tick
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def held(path: Path, turn_deg: int, *, mirrored: bool = False) -> Path:
    """Set the matrix in an MP4's track header, as a phone that is held so does: first mirrored, then clockwise."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn_deg]
    one, side = 0x10000, -1 if mirrored else 1
    matrix = struct.pack(
        ">9i", side * cos * one, side * sin * one, 0, -sin * one, cos * one, 0, 0, 0, 0x40000000
    )
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    # version and flags 4, times 8, id and reserved 8, duration 4, reserved 8, layer to volume 8, reserved … matrix
    data[at + 44 : at + 80] = matrix
    path.write_bytes(bytes(data))
    return path


def trimmed(path: Path, frames: int) -> Path:
    """Hide the first frames of an MP4 by an edit list, as a lossless trim does: they are decoded, not shown."""
    with av.open(str(path)) as whole:
        stream = whole.streams.video[0]
        base = stream.time_base
        packets = [(p.pts, p.dts, bytes(p), p.is_keyframe) for p in whole.demux(stream) if p.size]
        out_path = path.with_name("trimmed-" + path.name)
        with av.open(str(out_path), "w") as out:
            copy = out.add_stream_from_template(stream)
            zero = packets[frames][0]
            for pts, dts, data, key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.time_base = pts - zero, dts - zero, base
                packet.is_keyframe, packet.stream = key, copy
                out.mux(packet)
    return out_path
