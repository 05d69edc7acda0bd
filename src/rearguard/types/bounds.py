"""What a number or a text may be at most: bounds that are checked wherever a type is decoded."""

from __future__ import annotations

from typing import Annotated

import msgspec

# Differences and sums of these still fit into SQLite's 64 bits.
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**61), le=2**61)]
Number = Annotated[int, msgspec.Meta(ge=-(2**40), le=2**40)]
Pixels = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Angle = Annotated[float, msgspec.Meta(ge=-3.2, le=3.2)]
Rate = Annotated[float, msgspec.Meta(ge=-1e3, le=1e3)]
Spread = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Metres = Annotated[float, msgspec.Meta(ge=-1e5, le=1e5)]
Label = Annotated[str, msgspec.Meta(max_length=200)]
UNSTORED = msgspec.Meta(description="matters only while it happens: no column of the journal")
