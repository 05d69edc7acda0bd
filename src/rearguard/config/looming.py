"""The class-agnostic channel."""

from typing import Annotated

import msgspec

from rearguard.config.field import about


class Looming(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Expansion of the picture itself: walls, fences, hurdles, posts."""

    enabled: Annotated[bool, about("watch for expanding patches of no known class")] = True
