"""The gyroscope and its accelerometer, if there are any."""

from typing import Annotated

import msgspec

from rearguard.config.field import about, within

_Degrees = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class Gyro(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gyroscope on the pod beside the camera: it tells the camera's turns better than the picture does, and the
    accelerometer of the same part, if it has one, which way is down and when the wearer falls."""

    device: Annotated[
        str,
        about(
            "its name in the kernel, e.g. lsm6dso_gyro (its accelerometer comes along); auto: whichever there is, or a "
            "recording's own; empty: none",
            r"^[\w.:+-]{0,64}\Z",
        ),
    ] = ""
    turned_deg: Annotated[
        tuple[_Degrees, _Degrees, _Degrees],
        about(
            "how the sensor sits: the turn (about right, down, ahead) to the camera's axes; `aim --gyro` finds it"
        ),
    ] = (0.0, 0.0, 0.0)
    offset_ms: Annotated[
        float,
        within(-100, 100, "by how much later than a picture's time stamp it shows; `aim --gyro` finds it"),
    ] = 0.0
    earlier_s: Annotated[
        float,
        within(
            0.0,
            1.5,
            "added to judge.lead_s while the gyroscope works; more is earlier, and busier in a crowd",
        ),
    ] = 0.0
