"""The detector."""

from typing import Annotated, Literal

import msgspec

from rearguard.config.field import about, within


class Detect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which model runs, how, and what it may report."""

    model: Annotated[
        str, about("name of a model in models/, or the path of a .tflite with its card beside it")
    ] = ""
    runtime: Annotated[
        Literal["auto", "litert", "tflite"], about("auto takes LiteRT where installed, else tflite-runtime")
    ] = "auto"
    threads: Annotated[int, within(1, 16, "interpreter threads; leave a core for the rest")] = 2
    input_px: Annotated[
        int, within(16_384, 1_048_576, "input pixels of the network; more sees further, time grows alike")
    ] = 184_320
    adapt: Annotated[
        bool,
        about("with a camera, a smaller input_px while this machine is too slow or too hot for the full one"),
    ] = True
    closer_share: Annotated[
        float,
        within(0.0, 1.0, "share of input_px spent on a closer look at far things in every frame; 0: none"),
    ] = 0.3
    closer_scale: Annotated[
        float, within(0.25, 1.0, "network pixels per picture pixel of that look; lower covers more, less far")
    ] = 0.8
    min_score: Annotated[
        float, within(0.05, 0.95, "detections below start no track; lower finds more, and ghosts")
    ] = 0.3
    weak_score: Annotated[
        float, within(0.02, 0.95, "detections from here up may still continue a track that exists")
    ] = 0.15
    max_overlap: Annotated[
        float,
        within(0.2, 0.95, "boxes of a class sharing more than this (IoU) are one thing; lower merges crowds"),
    ] = 0.6
    ignore: Annotated[
        tuple[str, ...],
        about("labels never reported; by default what people carry (their bearer is seen anyway) and balls"),
    ] = ("backpack", "umbrella", "handbag", "sports ball")
    heights_m: Annotated[
        dict[str, Annotated[float, msgspec.Meta(ge=0.05, le=10)]],
        about("true heights where the built-in ones do not fit, such as {person = 1.25} among children"),
    ] = msgspec.field(default_factory=dict)
    max_detections: Annotated[int, within(1, 200, "most detections kept per frame, best scores first")] = 50
