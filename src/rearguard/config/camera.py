"""How the camera is worn and what it delivers."""

from typing import Annotated, Literal

import msgspec

from rearguard.config.field import about, within
from rearguard.types import Region


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The camera pod: where it sits, what it sees."""

    mount: Annotated[
        Literal["back", "front"],
        about("plate of the harness the camera sits on: back for running backwards, front for forwards"),
    ] = "back"
    height_m: Annotated[float, within(0.3, 2.2, "lens above the ground; only range estimates use it")] = 1.35
    pitch_deg: Annotated[
        float, within(-45, 45, "lens tilt, up is negative; a forward lean tilts a back-plate camera up")
    ] = -2.0
    hfov_deg: Annotated[
        float,
        within(20, 140, "lens's horizontal field of view; 66 sees a cyclist at 25 m, 102 walls and crowds"),
    ] = 66.0
    lens: Annotated[
        str,
        about(
            "a lens that bends lines: the file of `rearguard calibrate`, gopro-wide or module3-wide; empty: none"
        ),
    ] = ""
    width_px: Annotated[int, within(160, 1920, "picture width; more reaches further and costs time")] = 1280
    height_px: Annotated[int, within(120, 1440, "picture height")] = 720
    fps: Annotated[
        float, within(1, 120, "frames per second asked of the camera; below 8 warnings come late")
    ] = 15.0
    rotation_deg: Annotated[
        Literal[0, 90, 180, 270], about("turn the picture when the pod sits sideways")
    ] = 0
    ignore: Annotated[
        tuple[Region, ...],
        msgspec.Meta(
            max_length=8,
            description="parts of the upright picture that are yours, a strap or dirt: [left, top, right, bottom] as "
            "shares; nothing is seen there; `rearguard aim` proposes them",
        ),
    ] = ()
    sensor_mode: Annotated[
        Literal["field", "fast"],
        about("Pi camera: field reads the whole width, fast reads quicker (gait bends it less), sees less"),
    ] = "field"
    exposure_max_us: Annotated[
        int,
        within(100, 30000, "Pi camera: longest exposure while gain is left; 2000 keeps gait from blurring"),
    ] = 2000
    exposure_dusk_us: Annotated[
        int, within(100, 60000, "Pi camera: longest exposure of all; more sees longer into dusk, blurred")
    ] = 8000
    gain_max: Annotated[
        float, within(1.0, 16.0, "Pi camera: highest analogue gain; more is brighter and noisier")
    ] = 8.0
    focus_dioptre: Annotated[
        float,
        within(0.0, 10.0, "Pi camera with autofocus: fixed focus, 1/metres: 0.15 is 7 m; more is nearer"),
    ] = 0.15
    lost_after_s: Annotated[
        float, within(0.2, 10.0, "Pi camera: without a frame for this long it is lost and opened anew")
    ] = 1.0
    roll_deg: Annotated[
        float,
        within(-45, 45, "lean of the pod; only `rearguard aim` draws it, for a lean is mended by turning"),
    ] = 0.0
