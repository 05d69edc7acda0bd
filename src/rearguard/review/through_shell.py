"""Files over a plain shell, for devices whose sftp is missing or breaks on a greeting.

What the shell there prints before and after is passed over: a token that nobody else prints stands around the files.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from rearguard.errors import BadInput
from rearguard.review.ssh_words import quoted

# $1 the folder, $2 the token; of each line "START NAME" it prints "LENGTH NAME" and the bytes from START on.
_SCRIPT = (
    'cd -- "$1" || exit 0; printf "\\n%s\\n" "$2"; while read -r at name; do [ -f "$name" ] || continue; '
    'n=$(($(wc -c < "$name") - at)); [ "$n" -gt 0 ] || continue; printf "%s %s\\n" "$n" "$name"; '
    'tail -c "+$((at + 1))" "$name" | head -c "$n"; done; printf "%s\\n" "$2"'
)
_MAX_GREETING = 1 << 20
_MAX_LINE = 4096


def command(folder: str, token: str) -> str:
    """What the shell there is to run; a `~` at the folder's beginning is its home."""
    return f"sh -c {shlex.quote(_SCRIPT)} sh {quoted(folder)} {token}"


def receive(
    read: Callable[[], bytes],
    token: str,
    names: set[str],
    to: Path,
    tick: Callable[[], None],
    greets_s: float = 120.0,
) -> bool:
    """Append what comes to the files of `to`; whether it came to its end. Raises `BadInput`, OSError.

    `read` gives the next bytes, none at the end of all; a greeting takes `greets_s` at the most.
    """
    held, began = bytearray(), time.monotonic()

    def until(mark: bytes, most: int) -> bytes | None:
        searched = 0
        while (at := held.find(mark, searched)) < 0:
            searched = max(0, len(held) - len(mark))
            data = read()
            if not data:
                return None
            held.extend(data)
            greets_on = most == _MAX_GREETING and time.monotonic() - began > greets_s
            if greets_on or len(held) - len(data) > most:
                raise BadInput("its shell prints without end; is something else installed there?")
        found = bytes(held[:at])
        del held[: at + len(mark)]
        return found

    if until(f"\n{token}\n".encode(), _MAX_GREETING) is None:
        return False
    while (line := until(b"\n", _MAX_LINE)) is not None:
        if line == token.encode():
            return True
        length, _, name = line.decode(errors="replace").partition(" ")
        if not (length.isascii() and length.isdigit()) or name not in names:
            raise BadInput("sent something else than the files that were asked for")
        left = int(length)
        with (to / name).open("ab") as file:
            while left:
                data = bytes(held[:left]) if held else read()
                if not data:
                    return False
                if held:
                    del held[: len(data)]
                else:
                    held.extend(data[left:])
                    data = data[:left]
                file.write(data)
                left -= len(data)
                tick()
    return False
