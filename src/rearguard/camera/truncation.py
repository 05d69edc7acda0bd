"""Is a file whole? That is decided by what can be read of it, not by what its header promises.

Headers are wrong in many files that are whole: a length that was never filled in, a count of before the trimming,
something of the phone's own behind the end. A file is cut short when it begins a frame, or lists one, that its
bytes do not reach.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MAX_PARTS = 1_000_000
_AVI_HAS_INDEX = 0x10


def video_cut_short(path: Path, end_of_samples: int | None = None) -> bool:
    """True when the structure says that the end is missing: RIFF/AVI, ISO base media/MP4, Matroska, MPEG-TS
    and -PS, ASF, FLV, Ogg, raw DV.

    `end_of_samples`: of an MP4, the byte behind the last frame its table lists. False for other containers and for
    anything unreadable: those the decoder must judge.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                return _avi_cut(file, size)
            if head[4:8] == b"ftyp":
                return (end_of_samples or 0) > size or _mp4_cut(file, size, listed=end_of_samples is not None)
            if head[:1] == b"\x47" or head[4:5] == b"\x47":
                return _transport_cut(file, size)
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska_cut(file, size)
            if head[:4] == b"\0\0\1\xba":
                return _program_cut(file, size)
            if head[:4] == b"\x30\x26\xb2\x75":
                return _asf_cut(file, size)
            if head[:4] == b"FLV\1":
                return _flv_cut(file, size)
            if head[:4] == b"OggS":
                return _ogg_cut(file, size)
            if (
                head[:3] == b"\x1f\x07\x00"
            ):  # raw DV: frames of one length, by its standard of 50 or 60 fields
                return size % (144_000 if head[3] & 0x80 else 120_000) != 0
    except (OSError, struct.error):
        pass
    return False


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The boxes of an MP4: the kind of each, and where it says that it ends."""
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:16])[0]
        # 0 means "to the end of the file"; anything else is no box but something behind the last one.
        if length < 8:
            return
        at += length
        yield head[4:8], at


def _mp4_cut(file: BinaryIO, size: int, *, listed: bool) -> bool:
    """Does a box reach past the end of the file? With a list of frames only one that would list more counts."""
    kind = next((kind for kind, end in _boxes(file) if end > size), b"")
    return kind == b"moof" or (kind == b"mdat" and not listed)


def index_cut(path: Path) -> bool:
    """Whether the end of the file lies within the index of an MP4."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if file.read(8)[4:] != b"ftyp":
            return False
        return next((kind for kind, end in _boxes(file) if end > size), b"") == b"moov"


def _avi_cut(file: BinaryIO, size: int) -> bool:
    """Walk the chunks of the first RIFF: one that overruns the file, or an index that was promised and is missing."""
    at, promised, indexed, frames = 12, False, False, False
    file.seek(4)
    end = 8 + struct.unpack("<I", file.read(4))[0]
    end = end if 12 < end <= size else size  # a length that was never filled in, or is more than there is
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(24)
        if len(head) < 8 or at >= end or not head[:4].isascii():
            # Padding and a cut at the edge of a chunk look alike; the index comes last.
            return frames and promised and not indexed
        kind, length = head[:4], struct.unpack("<I", head[4:8])[0]
        if kind == b"LIST" and head[8:12] in (b"movi", b"hdrl", b"rec "):
            at += 12  # into it
            continue
        if kind == b"avih" and len(head) == 24:
            promised = bool(struct.unpack("<I", head[20:24])[0] & _AVI_HAS_INDEX)
        indexed |= kind in (b"idx1", b"indx")
        frames |= kind[2:] in (b"dc", b"db")
        if not kind.strip(b"\0"):  # zeros behind the end
            return False
        at += 8 + length + length % 2
        if at - length % 2 > size:
            return True
        if kind == b"RIFF":  # OpenDML: further parts of their own
            return False
    return False


def _transport_cut(file: BinaryIO, size: int) -> bool:
    """Does the file end within a packet of a transport stream (188 bytes, or 192 with a time code before each)?"""
    for length, sync in ((188, 0), (192, 4)):
        marks = []
        for at in (0, length, 2 * length, size // length * length):
            file.seek(at + sync)
            marks.append(file.read(1) == b"\x47")
        if all(marks[:3]):
            return marks[3] and size % length != 0
    return False


def _program_cut(file: BinaryIO, size: int) -> bool:
    """Does the last packet of an MPEG program stream reach past the end of the file?"""
    start = max(0, size - (1 << 17))  # a packet is 64 KiB at most
    file.seek(start)
    tail = file.read()
    at = max(tail.rfind(b"\0\0\1" + bytes([kind])) for kind in (0xBD, *range(0xC0, 0xF0)))
    return at >= 0 and at + 6 + int.from_bytes(tail[at + 4 : at + 6], "big") > len(tail)


def _asf_cut(file: BinaryIO, size: int) -> bool:
    """Does the header count more data packets than the file holds? The data object's length is kept by recorders."""
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(24)
        if len(head) < 24:
            return False
        length = struct.unpack_from("<Q", head, 16)[0]
        if head[:4] == b"\x36\x26\xb2\x75":
            return bool(length > 50 and at + length > size)
        if length < 24:
            return False
        at += length
    return False


def _flv_cut(file: BinaryIO, size: int) -> bool:
    """Walk the tags: one that reaches past the end of the file."""
    file.seek(5)
    at = struct.unpack(">I", file.read(4))[0] + 4
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(4)
        # Sound, picture, words; else it is something behind the end.
        if len(head) < 4 or head[0] & 0x1F not in (8, 9, 18):
            return False
        at += 11 + int.from_bytes(head[1:4], "big") + 4
        if at - 4 > size:
            return True
    return False


def _ogg_cut(file: BinaryIO, size: int) -> bool:
    """Walk the pages: one that reaches past the end of the file, or a last one that begins what is not there."""
    at, goes_on = 0, False
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(27)
        if head[:4] != b"OggS" or len(head) < 27:
            return goes_on or (len(head) >= 4 and head[:4] == b"OggS")
        lacing = file.read(head[26])
        at += 27 + head[26] + sum(lacing)
        if len(lacing) < head[26] or at > size:
            return True
        goes_on = lacing[-1:] == b"\xff"
    return False


def _matroska_cut(file: BinaryIO, size: int) -> bool:
    """Walk the segment's elements: a cluster that overruns the file, or a segment that ends before its promise."""
    at, end, cues = 0, None, False
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(12)
        if not head:
            return end is not None and end > size and not cues
        id_length = _vint_length(head[0])
        if not id_length or len(head) <= id_length:
            return False
        kind = head[:id_length]
        body = head[id_length:]
        length_length = _vint_length(body[0])
        if not length_length or len(body) < length_length:
            return False
        bits = 7 * length_length
        length = int.from_bytes(body[:length_length], "big") & ((1 << bits) - 1)
        unknown = length == (1 << bits) - 1
        at += id_length + length_length
        if kind == b"\x18\x53\x80\x67":  # Segment
            end = None if unknown else at + length
            continue
        if unknown:
            return False  # written live: no lengths to go by
        cues |= kind == b"\x1c\x53\xbb\x6b"
        at += length
        if at > size:
            return kind == b"\x1f\x43\xb6\x75"  # Cluster
    return False


def _vint_length(first: int) -> int:
    """Bytes of an EBML number by its first byte; 0 for none."""
    return 9 - first.bit_length() if first else 0


def picture_cut_short(data: bytes) -> bool:
    """True when a JPEG, PNG, BMP or binary PGM/PPM in memory lacks its end; what comes behind the end is no matter."""
    if data[:2] == b"\xff\xd8":
        return _jpeg_short(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_short(data)
    if data[:2] in (b"P5", b"P6"):
        return _netpbm_short(data)
    if data[:2] == b"BM":
        return _bmp_short(data)
    return False


def declared_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG or JPEG declares, before anything is decoded; None where it does not."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return struct.unpack_from(">II", data, 16)
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame's start, of any kind
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _jpeg_short(data: bytes) -> bool:
    """Walk the segments to the scans and through them; a thumbnail's end inside a segment is not the picture's."""
    at, scanned = 2, False
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 2 > len(data):
            return True
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker == 0xD9:
            return not scanned
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # stuffing and restarts within a scan
            at += 2
        else:
            scanned |= marker == 0xDA
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _png_short(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return True


def _bmp_short(data: bytes) -> bool:
    """By the pixels there must be; the header's own file size is often wrong."""
    if len(data) < 30:
        return True
    offset = struct.unpack_from("<I", data, 10)[0]
    header, width, height = struct.unpack_from("<Iii", data, 14)
    bits, compression = struct.unpack_from("<HI", data, 28) if len(data) >= 34 else (0, 1)
    if header < 40 or compression != 0:
        return bool(struct.unpack_from("<I", data, 2)[0] > len(data))
    return bool(len(data) < offset + (width * bits + 31) // 32 * 4 * abs(height))


def _netpbm_short(data: bytes) -> bool:
    fields: list[int] = []
    at = 2
    while len(fields) < 3:
        while data[at : at + 1].isspace():
            at += 1
        if data[at : at + 1] == b"#":
            end = data.find(b"\n", at)
            if end < 0:
                return True
            at = end + 1
            continue
        start = at
        while data[at : at + 1].isdigit():
            at += 1
        if start == at or at - start > 9:
            return True
        fields.append(int(data[start:at]))
    width, height, deepest = fields
    need = width * height * (3 if data[:2] == b"P6" else 1) * (2 if deepest > 255 else 1)
    return len(data) - (at + 1) < need
