"""A Raspberry Pi camera through picamera2: newest frame only, honest times, no hang that holds the program.

One stream is enough: the ISP scales and converts into B, G, R bytes itself (libcamera calls that format
"RGB888"), which is what the detector and the pictures of a near miss are both made from. A `lores` stream
would be YUV before the Pi 5 and cost the processor the conversion that the ISP does for nothing.

picamera2 is imported when the source is opened; on a Pi it comes from apt and matches the system's libcamera.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rearguard.camera.picam_modes import (
    FIELD_OF_VIEW_DEG,
    Exposure,
    SensorMode,
    cap_exposure,
    choose_mode,
    exposure_of,
    field_of_view_deg,
    parse_modes,
    visible_crop,
)
from rearguard.camera.source import SourceInfo
from rearguard.camera.turns import TURNS
from rearguard.config.camera import Camera
from rearguard.errors import CameraLost, PartFailed
from rearguard.text import one_line
from rearguard.types import Frame

if TYPE_CHECKING:
    from rearguard.types import Image

log = logging.getLogger(__name__)

FIRST_FRAME_S = 5.0  # opening a sensor and settling its exposure take longer than one frame
CLOSE_S = 2.0
_NAME = "picamera2"
_BUFFERS = 4  # one being filled, one queued behind it, one in our hands, one spare
_APT = "sudo apt install python3-picamera2, and a venv made with --system-site-packages"
# Cameras that would not close. They are kept, because their __del__ would hang the thread that drops them.
_abandoned: list[Any] = []


class PicamSource:
    """Live frames of a Raspberry Pi camera, turned by `rotation_deg`, stamped with the sensor's own time.

    Raises `PartFailed` in one line: picamera2 missing, no camera, camera in use, no frame for
    `lost_after_s`. `stuck` is True when the camera would not close in time; whoever leaves the program then
    must do so by `os._exit`, for libcamera's threads cannot be joined.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._turn = TURNS.get(camera.rotation_deg)
        self._exposure: Exposure | None = None
        self._closed = threading.Event()
        self._closing = threading.Lock()
        self._closer: threading.Thread | None = None
        self._picam: Any = None
        self._mode: SensorMode | None = None
        self._capped = False
        # Nothing is exposed longer than a frame lasts.
        longest_us = max(camera.exposure_max_us, camera.exposure_dusk_us)
        self._longest_us = min(longest_us, round(1e6 / camera.fps))
        self._model = ""
        self.stuck = False
        try:
            self._open()
        except PartFailed:
            self.close()
            raise
        except Exception as e:
            self.close()
            raise PartFailed(f"{_NAME}: cannot start the camera: {_root_cause(e)}") from e

    @property
    def exposure(self) -> Exposure | None:
        """How the newest frame was lit; None before the first."""
        return self._exposure

    @property
    def mode(self) -> SensorMode | None:
        """The sensor mode in use; None where the camera offers no choice."""
        return self._mode

    @property
    def lens_deg(self) -> float | None:
        """Horizontal field of view of this module's own lens; None for modules whose lens is not known."""
        return FIELD_OF_VIEW_DEG.get(self._model)

    def frames(self) -> Iterator[Frame]:
        """Each newest frame, until `close`. A frame that waited while nobody asked is not kept."""
        wait_s = FIRST_FRAME_S
        seq = 0
        while not self._closed.is_set():
            try:
                frame = self._capture(seq, wait_s)
            except (TimeoutError, FutureTimeoutError) as e:
                raise CameraLost(
                    f"{_NAME}: no picture for {wait_s:g} s; is the camera's cable seated and unhurt?"
                ) from e
            except CancelledError:
                return  # closed by another thread
            except Exception as e:
                if self._closed.is_set():
                    return
                raise CameraLost(f"{_NAME}: the camera failed: {_root_cause(e)}") from e
            yield frame
            seq += 1
            wait_s = self._camera.lost_after_s

    def close(self) -> None:
        """Stop and release the camera. Returns within about 2 s even when libcamera hangs (then `stuck`)."""
        self._closed.set()
        with self._closing:
            picam, self._picam = self._picam, None
            if picam is not None:
                self._closer = threading.Thread(target=_shut, args=(picam,), name="camera-close", daemon=True)
                self._closer.start()
        if self._closer is None:
            return
        self._closer.join(CLOSE_S)
        atexit.unregister(self.close)
        if self._closer.is_alive() and not self.stuck:
            self.stuck = True
            _abandoned.append(picam)
            log.error("%s: did not close within %g s; left behind", _NAME, CLOSE_S)

    def _open(self) -> None:
        picamera2 = _import_picamera2()
        if not picamera2.Picamera2.global_camera_info():
            raise PartFailed(f"{_NAME}: no camera found; check the cable, then `rpicam-hello --list-cameras`")
        self._picam = _acquire(picamera2, None)
        self._model = model = str(self._picam.camera_properties.get("Model", ""))
        modes = parse_modes(self._picam.sensor_modes)
        tuning = self._tuning(picamera2, model)
        if tuning is not None:  # libcamera reads a tuning only while it opens a camera
            self._picam.close()
            self._picam = None
            self._picam = _acquire(picamera2, tuning)
        self._capped = tuning is not None
        self._mode = choose_mode(modes, self._camera.sensor_mode, self._camera.width_px, self._camera.fps)
        self._fps = min(self._camera.fps, self._mode.max_fps) if self._mode else self._camera.fps
        self._configure(model)
        # picamera2 closes at exit by itself, maybe in the middle of our own close: once is enough.
        atexit.unregister(self._picam.close)
        atexit.register(self.close)
        self._picam.start()

    def _tuning(self, picamera2: Any, model: str) -> dict[str, Any] | None:
        """The module's own tuning, exposure capped; None where libcamera has none (USB, test rigs)."""
        try:
            tuning = picamera2.Picamera2.load_tuning_file(f"{model}.json")
        except (RuntimeError, OSError, ValueError):
            log.info("%s: no tuning file for %r: exposure can only be asked to be short", _NAME, model)
            return None
        camera = self._camera
        return cap_exposure(tuning, camera.exposure_max_us, camera.exposure_dusk_us, camera.gain_max)

    def _configure(self, model: str) -> None:
        camera, picam = self._camera, self._picam
        options: dict[str, Any] = {}
        if self._mode is not None:
            size = (self._mode.width_px, self._mode.height_px)
            options["raw"] = None
            options["sensor"] = {"output_size": size, "bit_depth": self._mode.bit_depth}
        asked = picam.create_video_configuration(
            main={"format": "RGB888", "size": (camera.width_px, camera.height_px)},
            buffer_count=_BUFFERS,
            queue=False,  # a queued request may hold a frame captured before it was asked for
            controls=self._controls(),
            **options,
        )
        picam.configure(asked)
        got = picam.camera_configuration()["main"]
        if got["format"] not in ("RGB888", "BGR888"):
            raise PartFailed(f"{_NAME}: {model or 'the camera'} delivers {got['format']}, not RGB888")
        self._format = str(got["format"])
        self._width, self._height = got["size"]
        self._stride = int(got["stride"])
        turned = camera.rotation_deg in (90, 270)
        width, height = (self._height, self._width) if turned else (self._width, self._height)
        self.info = SourceInfo(_NAME, width, height, self._fps, self._field_deg(), live=True)
        log.info("%s: %s, %dx%d at %g fps, %s", _NAME, model, width, height, self._fps, self._mode)

    def _field_deg(self) -> float:
        camera = self._camera
        array = self._picam.camera_properties.get("PixelArraySize")
        if self._mode is None or not array:
            return camera.hfov_deg
        # Some sensors count a border of dark pixels to the array; no mode is wider than what has a picture.
        size = (max(int(array[0]), self._mode.crop[2]), max(int(array[1]), self._mode.crop[3]))
        crop = visible_crop(self._mode.crop, self._width, self._height)
        return field_of_view_deg(camera.hfov_deg, size, crop, camera.rotation_deg)

    def _controls(self) -> dict[str, Any]:
        """Only what this camera knows: fixed rate, short exposure, lens at a distance."""
        from libcamera import controls

        camera, known = self._camera, self._picam.camera_controls
        # What the camera reports as its limits is that of the mode it was in last, so the mode's own counts.
        period_us = round(1e6 / self._fps)
        asked: dict[str, Any] = {}
        if "FrameDurationLimits" in known:
            asked["FrameDurationLimits"] = (period_us, period_us)
        if "AeExposureMode" in known and not self._capped:
            asked["AeExposureMode"] = controls.AeExposureModeEnum.Short
        if "AfMode" in known and "LensPosition" in known:
            asked["AfMode"] = controls.AfModeEnum.Manual
            asked["LensPosition"] = float(camera.focus_dioptre)
        return asked

    def _capture(self, seq: int, wait_s: float) -> Frame:
        picam = self._picam
        if picam is None:
            raise CancelledError
        from picamera2 import MappedArray

        request = picam.capture_request(wait=wait_s)
        try:
            metadata = request.get_metadata()
            captured_ns = monotonic_from_boottime(int(metadata["SensorTimestamp"]))
            with MappedArray(request, "main", reshape=False, write=False) as mapped:
                image = self._picture(mapped.array)
        finally:
            request.release()
        lit = self._exposure = exposure_of(metadata, self._longest_us, self._camera.gain_max)
        return Frame(seq, captured_ns, image, dim=lit.spent)

    def _picture(self, buffer: Any) -> Image:
        """The one copy out of the camera's buffer: rows without their padding, turned, in B, G, R."""
        view = unpadded(buffer, self._width, self._height, self._stride)
        if self._format == "BGR888":  # bytes are R, G, B
            view = view[:, :, ::-1]
        if self._turn is not None:
            turned: Image = cv2.rotate(np.ascontiguousarray(view), self._turn)
            return turned
        return view.copy()


def unpadded(buffer: Any, width_px: int, height_px: int, stride: int) -> Image:
    """A view (height, width, 3) into a flat buffer whose rows are `stride` bytes long; no copy."""
    flat = np.frombuffer(buffer, dtype=np.uint8, count=stride * height_px)
    return flat.reshape(height_px, stride)[:, : 3 * width_px].reshape(height_px, width_px, 3)


def monotonic_from_boottime(boottime_ns: int) -> int:
    """CLOCK_BOOTTIME nanoseconds, libcamera's frame stamps, as CLOCK_MONOTONIC; never in the future.

    The two differ by the time the machine was suspended: nothing on a Pi, hours on a laptop.
    """
    now_ns = time.monotonic_ns()
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return min(boottime_ns - asleep_ns, now_ns)


def _import_picamera2() -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    try:
        import picamera2
    except ImportError as e:
        missing = e.name or "picamera2"
        raise PartFailed(f"picamera2: cannot be imported ({missing} is missing): {_APT}") from e
    except Exception as e:  # apt's picamera2 beside a foreign NumPy ends in ValueError or AttributeError
        raise PartFailed(f"picamera2: cannot be imported ({_root_cause(e)}): {_APT}") from e
    return picamera2


def _acquire(picamera2: Any, tuning: dict[str, Any] | None) -> Any:
    # picamera2 prints at length what the error here says in one line.
    logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    try:
        return picamera2.Picamera2(0, tuning=tuning)
    except RuntimeError as e:
        raise PartFailed(
            f"{_NAME}: the camera cannot be opened ({_root_cause(e)}): another program uses it? "
            "`systemctl status rearguard` or `fuser /dev/video0` tells which"
        ) from e


def _shut(picam: Any) -> None:
    """Close a camera. A job that timed out must be cancelled first, or `stop` waits for it for ever."""
    try:
        picam.cancel_all_and_flush()
        picam.stop()
        picam.close()
    except Exception as e:
        log.warning("closing the camera: %s", _root_cause(e))


def _root_cause(error: BaseException) -> str:
    """The first error of a chain, in one line: picamera2's own says only that it failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)
