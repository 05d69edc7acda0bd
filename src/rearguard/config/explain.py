"""What is wrong with a configuration file, told with line, key, what is allowed and the nearest known word."""

from __future__ import annotations

import re
from difflib import get_close_matches

import msgspec

from rearguard.config.describe import accepts
from rearguard.config.root import Config

_SECTION = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


def line_of(text: str, section: str, key: str = "") -> int | None:
    """The line (from 1) that sets a key of a section, or opens the section; None where it cannot be found."""
    inside, opened = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if opens := _SECTION.match(line):
            inside = opens[1]
            opened = number if inside == section else opened
            continue
        sets = rf"\s*[\"']?{re.escape(key)}[\"']?\s*=" if inside else rf"\s*{re.escape(section)}\s*[.=]"
        if ((key and inside == section) or not inside) and re.match(sets, line):
            return number
    return opened


def explain(text: str, error: msgspec.ValidationError) -> tuple[int | None, str]:
    """Line and words for the first thing that does not fit."""
    message = str(error)
    at = _AT.search(message)
    path = re.sub(r"\[[^\]]*\]", "", at[1]) if at else ""
    message = _AT.sub("", message)
    section, _, key = path.partition(".")
    if unknown := _UNKNOWN.search(message):
        word, known = unknown[1], _words(section)
        near = get_close_matches(word, known, 1)
        hint = (
            f"; did you mean {near[0]}?"
            if near
            else f"; there are: {', '.join(known)}"
            if not section
            else ""
        )
        name = f"{section}.{word}" if section else word
        return line_of(text, section or word, word if section else ""), f"{name}: unknown key{hint}"
    allowed = accepts(_type_of(section, key)) if key else ""
    told = message[:1].lower() + message[1:]
    hint = f"; allowed: {allowed}" if allowed else ""
    return line_of(text, section, key), f"{path}: {told}{hint}" if path else told


def _words(section: str) -> list[str]:
    """The keys of a section, or, of none, the sections."""
    for field in msgspec.structs.fields(Config):
        if field.name == section:
            return [f.name for f in msgspec.structs.fields(field.type)]
    return [f.name for f in msgspec.structs.fields(Config)]


def _type_of(section: str, key: str) -> msgspec.inspect.Type:
    for field in msgspec.structs.fields(Config):
        if field.name == section:
            info = msgspec.inspect.type_info(field.type)
            assert isinstance(info, msgspec.inspect.StructType)
            for inner in info.fields:
                if inner.name == key:
                    return inner.type
    return msgspec.inspect.AnyType()
