"""How wide a recording sees: what the file says goes before what is configured, what is asked for before both."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import drawn, held, record

from rearguard.camera.exif import ORIENTATION, exif
from rearguard.camera.files import open_recorded
from rearguard.camera.lens import PRESETS
from rearguard.camera.lens_of_file import gopro_view
from rearguard.ego.pinhole import Pinhole

STILL = [0.0, 0.1, 0.2]
UP = np.zeros((48, 64, 3), np.uint8)
UP[:12] = 255  # bright on top
UP[:, :8, 2] = 200  # red on the left


def tiff(order: str, orientation: int, film_mm: int = 0) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    main = struct.pack(
        f"{order}HHHIHHHHII", 2, ORIENTATION, 3, 1, orientation, 0, 0x8769, 4, 1, 8 + 2 + 24 + 4
    )
    sub = struct.pack(f"{order}HHHIHHI", 1, 0xA405, 3, 1, film_mm, 0, 0)
    return mark + struct.pack(f"{order}HI", 42, 8) + main + struct.pack(f"{order}I", 0) + sub


def jpeg(path: Path, image: np.ndarray, order: str = "<", orientation: int = 1, film_mm: int = 0) -> Path:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    payload = b"Exif\0\0" + tiff(order, orientation, film_mm)
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + data[2:])
    return path


def opened(path: Path, **options: object):
    return open_recorded(path, **{"fps": None, "hfov_deg": 66.0, "realtime": False, **options})  # type: ignore[arg-type]


STORED = {  # EXIF orientation → how such a camera stores the upright picture
    1: UP,
    2: UP[:, ::-1],
    3: UP[::-1, ::-1],
    4: UP[::-1],
    5: UP.transpose(1, 0, 2),
    6: np.rot90(UP, 1),
    7: UP[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UP, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_exif_orientation_is_upright(tmp_path: Path, orientation: int, order: str) -> None:
    stored = np.ascontiguousarray(STORED[orientation])
    source = opened(jpeg(tmp_path / "a.jpg", stored, order, orientation))
    image = next(iter(source.frames())).image
    assert image.shape == UP.shape
    assert np.abs(image.astype(int) - UP).mean() < 12


def test_a_png_with_an_orientation_is_upright(tmp_path: Path) -> None:
    data = cv2.imencode(".png", np.ascontiguousarray(STORED[6]))[1].tobytes()
    block = tiff(">", 6)
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    image = next(iter(opened(tmp_path / "a.png").frames())).image
    assert np.array_equal(image, UP)


def test_a_phones_photo_tells_its_lens(tmp_path: Path) -> None:
    wide = opened(jpeg(tmp_path / "a.jpg", UP, film_mm=26))
    # 26 mm on film: 79.5° from corner to corner, of a 4:3 picture 67.3° along the long side.
    assert wide.info.hfov_deg == pytest.approx(67.3, abs=0.2)
    assert "26 mm" in wide.info.assumed[0]
    upright = opened(jpeg(tmp_path / "b.jpg", np.ascontiguousarray(np.rot90(UP)), film_mm=26))
    assert upright.info.hfov_deg == pytest.approx(53.1, abs=0.2)


@pytest.mark.parametrize(
    "spoil", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0XX" + b"\xff" * 40]
)
def test_senseless_exif_is_none(tmp_path: Path, spoil: bytes) -> None:
    data = cv2.imencode(".jpg", UP)[1].tobytes()
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(spoil) + 2) + spoil + data[2:]
    assert exif(data) == {}
    (tmp_path / "a.jpg").write_bytes(data)
    assert opened(tmp_path / "a.jpg").info.hfov_deg == 66


def test_an_iphones_video_tells_its_lens(tmp_path: Path) -> None:
    key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    path = record(tmp_path / "a.mov", STILL, options={"movflags": "use_metadata_tags"}, tags={key: "13"})
    source = opened(path)
    assert source.info.hfov_deg == pytest.approx(108.4, abs=0.3)  # 96 x 64: 0.83 of the diagonal
    senseless = record(
        tmp_path / "b.mov", STILL, options={"movflags": "use_metadata_tags"}, tags={key: "-13"}
    )
    assert opened(senseless).info.hfov_deg == 66


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def gopro(path: Path, diagonal_deg: float, chosen: bytes = b"W") -> Path:
    """Put GoPro's data into an MP4's moov, which lies at its end, so that no offset in it moves."""

    def klv(key: bytes, kind: str, size: int, count: int, data: bytes) -> bytes:
        return (
            struct.pack(">4scBH", key, kind.encode() or b"\0", size, count) + data + b"\0" * (-len(data) % 4)
        )

    settings = klv(b"DVNM", "c", 1, 15, b"Global Settings") + klv(b"VFOV", "c", 1, 1, chosen)
    settings += klv(b"ZFOV", "f", 4, 1, struct.pack(">f", diagonal_deg))
    gpmf = struct.pack(">4sBBH", b"DEVC", 0, 1, len(settings)) + settings
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    length = struct.unpack(">I", data[at : at + 4])[0]
    assert at + length == len(data)
    path.write_bytes(data[:at] + box(b"moov", data[at + 8 :] + box(b"udta", box(b"GPMF", gpmf))))
    return path


def test_a_gopro_tells_its_lens(tmp_path: Path) -> None:
    """HERO11's Wide in 16:9 sees 130° from corner to corner; around the axis it draws as its focal length says."""
    lens = PRESETS["gopro-wide"]
    film = record(tmp_path / "a.mp4", STILL, picture=lambda i: drawn(i, (270, 480)))
    assert gopro_view(gopro(film, 130.4)) == (pytest.approx(130.4), False)
    source = opened(film)
    focal_px = Pinhole.from_fov(480, 270, source.info.hfov_deg).focal_px
    assert focal_px == pytest.approx(lens.for_size(480, 270).fx_px, rel=0.02)
    assert "GoPro" in source.info.assumed[0]
    assert "--lens gopro-wide" in source.info.assumed[0]
    assert len(list(source.frames())) == 3


def test_a_linear_gopro_is_a_pinhole(tmp_path: Path) -> None:
    source = opened(gopro(record(tmp_path / "a.mp4", STILL), 95.0, b"L"))
    assert source.info.hfov_deg == pytest.approx(84.4, abs=0.3)  # tan(47.5°) · 96 / 115.4
    assert "--lens" not in source.info.assumed[0]


def test_a_real_gopro_film(shared_data: Path) -> None:
    film = shared_data / "gopro_walk" / "gopro_walk_path.mp4"
    if not film.is_file():
        pytest.skip("no film of a GoPro here")
    # 137° from corner to corner; measured along the path, the pinhole that fits has about 94°.
    assert opened(film).info.hfov_deg == pytest.approx(94, abs=5)


@pytest.mark.parametrize("angle", [0.0, -3.0, float("nan"), float("inf"), 1e9])
def test_a_senseless_angle_is_not_believed(tmp_path: Path, angle: float) -> None:
    assert opened(gopro(record(tmp_path / "a.mp4", STILL), angle)).info.hfov_deg == 66


def test_what_is_asked_for_goes_first(tmp_path: Path) -> None:
    path = gopro(record(tmp_path / "a.mp4", STILL), 132.0)
    source = opened(path, hfov_deg=90.0, hfov_asked=True)
    assert source.info.hfov_deg == 90
    assert "--hfov" in source.info.assumed[0]


def test_a_portrait_video_gets_the_lens_along_its_long_side(tmp_path: Path) -> None:
    path = held(record(tmp_path / "a.mp4", STILL), 90)
    info = opened(path).info
    assert (info.width_px, info.height_px) == (64, 96)
    assert info.hfov_deg == pytest.approx(46.8, abs=0.2)  # tan(33°)·64/96
    assert "assumed to see 66°" in info.assumed[0]


@pytest.mark.parametrize("behind", [b"\0" * 5000, b"MotionPhoto_Data" + b"\xff\xd8\xff\xe0 second" * 500])
def test_a_motion_photo_is_a_whole_picture(tmp_path: Path, behind: bytes) -> None:
    path = jpeg(tmp_path / "a.jpg", UP)
    path.write_bytes(path.read_bytes() + behind)
    assert len(list(opened(path).frames())) == 1


def test_a_thumbnails_end_is_not_the_pictures(tmp_path: Path) -> None:
    """Cut in the middle of the scan: the end mark that an embedded thumbnail has does not make it whole."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    thumbnail = cv2.imencode(".jpg", noise[:8, :8])[1].tobytes()
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    (tmp_path / "a.jpg").write_bytes(data[:-300])
    with pytest.raises(Exception, match="cut short"):
        opened(tmp_path / "a.jpg")


def test_a_bmp_whose_size_is_wrong_is_whole(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.bmp"), UP)
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    data[2:6] = struct.pack("<I", 10**8)
    (tmp_path / "a.bmp").write_bytes(bytes(data))
    assert len(list(opened(tmp_path / "a.bmp").frames())) == 1
