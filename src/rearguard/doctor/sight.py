"""Runtime, model, frame rate, camera. OpenCV and the interpreter are imported when a check runs."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING

from rearguard.detect.fit import FULL_FPS, detect_s, fit
from rearguard.doctor.boards import promise
from rearguard.doctor.finding import CheckContext, Finding, fail, ok, warn
from rearguard.errors import RearguardError
from rearguard.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rearguard.camera.picam import PicamSource
    from rearguard.config.camera import Camera
    from rearguard.types import Frame

_RUNTIMES = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
)
_REINSTALL = "`sudo make install` on a Pi, `make demo` elsewhere, puts the environment right"
_CAMERA_FRAMES = 20
_DIM_LUMA, _FLAT_SD, _SOFT = 15.0, 8.0, 20.0
_KEEP_UP = 0.8  # a camera this much slower than asked for is too slow


def runtime(patient: CheckContext) -> Finding:  # noqa: ARG001
    """The libraries that see, imported; importing alone proves little, so the model check invokes them."""
    found, broken = [], []
    for module, package in _RUNTIMES:
        try:
            import_module(module)
            found.append(f"{package} {version(package)}")
        except (ImportError, PackageNotFoundError):
            continue
        except Exception as e:
            broken.append(f"{package}: {_line(e)}")
    try:
        cv2, numpy = import_module("cv2"), import_module("numpy")
    except Exception as e:  # with a NumPy it was not built for, it raises more than ImportError
        return fail("runtime", f"OpenCV or NumPy cannot be imported: {_line(e)}", _REINSTALL)
    if not found:
        return fail("runtime", "; ".join(broken) or "neither LiteRT nor tflite-runtime", _REINSTALL)
    text = ", ".join([*found, f"OpenCV {cv2.__version__}", f"NumPy {numpy.__version__}"])
    return warn("runtime", f"{text}; {'; '.join(broken)}", _REINSTALL) if broken else ok("runtime", text)


def model(patient: CheckContext) -> Finding:
    """The model, checked against its card and invoked, and the frame rate that allows on this machine."""
    from rearguard.detect.detector import Detector
    from rearguard.health.selftest import SelfTest

    size = (patient.config.camera.width_px, patient.config.camera.height_px)
    began = time.perf_counter()
    try:
        detector = Detector(patient.config.detect, size)
    except RearguardError as e:
        return fail("model", str(e), "fetch the file anew, or leave detect.model empty for the default")
    load_s = time.perf_counter() - began
    took_s = detect_s(detector, *size, rounds=1 if patient.quick else 6)
    fps = min(patient.config.camera.fps, 1 / took_s)
    allowed = promise(fps, patient.config.health.min_fps)
    loaded = detector.model
    text = (
        f"{loaded.name} ({loaded.digest[:12]}) by {loaded.runtime}, {took_s * 1000:.0f} ms a picture with "
        f"{patient.config.detect.threads} threads: {fps:.1f} fps, {allowed.text}"
    )
    numbers = {"detect_ms": took_s * 1000, "fps": fps, "load_s": load_s}
    golden = SelfTest(patient.config)
    golden.check_detector(detector.detect, size)
    if golden.problems:
        return fail("model", golden.problems[0], "the default model and detect settings find it", **numbers)
    if allowed.name == "full":
        return ok("model", text, **numbers)
    remedy = "`rearguard doctor model` tries what is quicker" if patient.quick else _quicker(patient, size)
    return warn("model", text, remedy, **numbers)


def _quicker(patient: CheckContext, size: tuple[int, int]) -> str:
    """What this machine could keep up with, tried out."""
    from rearguard.detect.detector import Detector

    best = fit(
        patient.config.detect, FULL_FPS, lambda detect: detect_s(Detector(detect, size), *size, rounds=4)
    )
    gained = promise(best.fps, patient.config.health.min_fps)
    way = f"{best.settings()} gives {best.fps:.1f} fps here: {gained.text}"
    return way if gained.name == "full" else f"{way}; a Pi 5 is quicker"


def camera(patient: CheckContext) -> Finding:
    """The camera: found, delivering in time, lit, focused, and seeing what the configuration says."""
    from rearguard.camera.picam import PicamSource

    if patient.service_active:
        return ok("camera", "in use by the running service; stop that to examine it")
    try:
        source = PicamSource(patient.config.camera)
    except RearguardError as e:
        webcams = sorted(path.name for path in patient.path("/dev").glob("video*"))
        if patient.board is None and webcams:
            return warn("camera", f"no Pi camera, but /dev/{webcams[0]}", "use --source webcam:0")
        text = str(e) if patient.board else f"no camera here: {e}"
        remedy = "cable at both ends, then `rpicam-hello --list-cameras`" if patient.board else ""
        return Finding("camera", patient.absent(), text, remedy)
    try:
        return _examine(source, patient)
    except RearguardError as e:
        return fail("camera", str(e), "seat the cable anew at both ends; try another one")
    finally:
        source.close()


def _examine(source: PicamSource, patient: CheckContext) -> Finding:
    import cv2
    import numpy as np

    settings, info = patient.config.camera, source.info
    frames: list[Frame] = []
    ages = []
    for frame in islice(source.frames(), _CAMERA_FRAMES):
        ages.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
        frames.append(frame)
    span_s = (frames[-1].captured_ns - frames[5].captured_ns) / 1e9
    fps = (len(frames) - 6) / span_s if span_s > 0 else 0.0
    grey = cv2.cvtColor(frames[-1].image, cv2.COLOR_BGR2GRAY)
    luma, spread = float(grey.mean()), float(grey.std())
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    age_ms = float(np.median(ages[5:]))
    lit = source.exposure
    text = (
        f"{info.width_px}x{info.height_px} at {fps:.1f} fps, {info.hfov_deg:.0f}° across, "
        f"{age_ms:.0f} ms old on arrival, brightness {luma:.0f}, sharpness {sharpness:.0f}"
    )
    if lit is not None:
        text += f", exposure {lit.exposure_us / 1000:.1f} ms at gain {lit.gain:.1f}"
    if source.mode is not None:
        text += f", sensor read in {source.mode.readout_ms:.0f} ms"
    numbers = {"fps": fps, "age_ms": age_ms, "luma": luma, "sharpness": sharpness, "hfov_deg": info.hfov_deg}
    remedy = _complaint(numbers, spread, source, settings)
    return warn("camera", text, remedy, **numbers) if remedy else ok("camera", text, **numbers)


def _complaint(seen: Mapping[str, float], spread: float, source: PicamSource, asked: Camera) -> str:
    """The first thing wrong with the picture, with its remedy; empty when all is well."""
    lit, module = source.exposure, source.lens_deg
    if seen["luma"] < _DIM_LUMA:
        return "the picture is dark: lens cap, hand or night?"
    if spread < _FLAT_SD:
        return "the picture is all one colour: is the lens covered?"
    if lit is not None and lit.spent:
        return "too dim for a short exposure: rearguard will say DEGRADED here"
    if seen["sharpness"] < _SOFT:
        return "the picture is soft: wipe the lens; turn a manual lens until far things are sharp"
    if seen["fps"] < _KEEP_UP * asked.fps:
        return f"slower than the {asked.fps:g} fps asked for: lower camera.fps or camera.width_px"
    if module is not None and abs(module - asked.hfov_deg) > 3:
        return f"this camera's lens is {module:g}° wide: set camera.hfov_deg = {module:g}"
    return ""


def _line(error: BaseException) -> str:
    return one_line(error)[:160]
