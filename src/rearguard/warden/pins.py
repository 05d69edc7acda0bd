"""Optional pins: a device that is opened if it has a pin, and given back whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rearguard.errors import PartFailed


@contextmanager
def open_device(pin: int, make: Callable[[], Any], problem: str) -> Iterator[Any | None]:
    """What `make` opens on `pin` (BCM), or None for pin 0.

    Raises `PartFailed`: the pin, `problem` ("cannot be read ...; set SETTING") and why.
    """
    if pin == 0:
        yield None
        return
    try:
        device = make()
    except Exception as e:
        raise PartFailed(f"GPIO {pin} {problem} ({e})") from e
    try:
        yield device
    finally:
        with suppress(Exception):
            device.close()
