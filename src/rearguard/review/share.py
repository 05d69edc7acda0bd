"""One encounter to hand on: a film or a page that tells what happened, and not who, where or when it was worn.

Neither has the device's name, the source, the outing, the date or the wearer's note in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape
from typing import Any

from rearguard import __version__
from rearguard.errors import NotFound, PartFailed
from rearguard.journal.paths import read_clip
from rearguard.review.page import head, picture
from rearguard.review.story import Story
from rearguard.review.svg import curve
from rearguard.review.text import metres, seconds, what_happened
from rearguard.text import clean

_CODECS = ("libx264", "mpeg4")
_SLOWEST_HZ, _FASTEST_HZ = 1, 120
_CAPTION_PX = 40


def as_page(story: Story) -> Iterator[str]:
    """The encounter as one HTML page that loads nothing and runs nothing."""
    row = story.row
    yield head(f"A near miss: {clean(row.label)}")
    yield f"<h1>{escape(clean(row.label).capitalize())}, {escape(row.level_name)}</h1>"
    yield f"<p>{escape(what_happened(row, story.mount))}</p>{picture(story)}"
    yield curve(story.samples, story.thresholds, story.events)
    yield "<table>"
    for turn in story.turns():
        yield (
            f'<tr><td class="n">{turn.t_s:+.1f} s</td><td class="{escape(turn.level.name)}">'
            f"{escape(turn.level.name)}</td><td>{escape(turn.words)}</td></tr>"
        )
    yield f'</table><footer class="soft">rearguard {escape(__version__)}. An aid, not protective equipment.</footer>'
    yield "</body></html>\n"


def as_film(story: Story) -> bytes:
    """The clip as MP4 with a line of numbers below it.

    Raises `NotFound` when no clip was kept, `PartFailed` when it cannot be read or no codec is there.
    """
    media = story.media.get("clip")
    data = read_clip(story.folder, media.file) if media else None
    if data is None:
        raise NotFound(
            f"near miss {story.row.id} has no clip{' any more' if story.row.media_gone else ''}; "
            "share it as a page: -o FILE.html"
        )
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="avi") as clip:
            stream = clip.streams.video[0]
            rate = min(_FASTEST_HZ, max(_SLOWEST_HZ, round(float(stream.average_rate or 10))))
            pictures = [frame.to_ndarray(format="bgr24") for frame in clip.decode(stream)]
    except (av.error.FFmpegError, IndexError, ValueError) as e:
        raise PartFailed(f"near miss {story.row.id}: its clip cannot be read: {e}") from e
    if not pictures:
        raise PartFailed(f"near miss {story.row.id}: its clip holds no picture")
    return _encode([_captioned(p, _caption(story)) for p in pictures], rate)


def _caption(story: Story) -> str:
    row = story.row
    told = [clean(row.label, 20), row.level_name, f"least TTC {seconds(row.min_ttc_s)}"]
    told += [f"passed {metres(row.pass_m)}"] if row.pass_m is not None else []
    return "  ".join(told).replace("–", "-")


def _captioned(picture: Any, caption: str) -> Any:
    """The picture above a dark line of text; its sides even, as H.264 wants them."""
    import cv2
    import numpy as np

    height, width = (n - n % 2 for n in picture.shape[:2])
    out = np.zeros((height + _CAPTION_PX, width, 3), np.uint8)
    out[:height] = picture[:height, :width]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.6
    (wide, _), _ = cv2.getTextSize(caption, font, scale, 1)
    scale *= min(1.0, (width - 12) / max(wide, 1))
    cv2.putText(out, caption, (6, height + 26), font, scale, (230, 230, 230), 1, cv2.LINE_AA)
    return out


def _encode(pictures: list[Any], rate: int) -> bytes:
    import av

    for codec in _CODECS:
        file = io.BytesIO()
        try:
            with av.open(file, "w", format="mp4") as film:
                stream: Any = film.add_stream(codec, rate=rate)
                stream.height, stream.width = pictures[0].shape[:2]
                stream.pix_fmt = "yuv420p"
                for picture in pictures:
                    film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
                film.mux(stream.encode())
            return file.getvalue()
        except (av.error.FFmpegError, ValueError):
            continue
    raise PartFailed(
        f"PyAV has none of the codecs {', '.join(_CODECS)}; share the near miss as a page: -o FILE.html"
    )
