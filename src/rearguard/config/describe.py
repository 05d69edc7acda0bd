"""The configuration as TOML with a comment for every setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rearguard.config.root import Config


def as_toml(config: Config) -> str:
    """All settings, each under one line that says what it trades and its bounds."""
    lines = ["# rearguard configuration: every setting there is, with its bounds."]
    for section in msgspec.structs.fields(Config):
        value = getattr(config, section.name)
        lines += ["", f"[{section.name}]"]
        info = msgspec.inspect.type_info(type(value))
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            lines += [f"# {_about(field.type)}", f"{field.name} = {_value(getattr(value, field.name))}"]
    return "\n".join(lines) + "\n"


def _about(kind: msgspec.inspect.Type) -> str:
    """The description of a type and, in brackets, what it accepts."""
    text = ""
    if isinstance(kind, msgspec.inspect.Metadata):
        text = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    allowed = accepts(kind)
    return f"{text} [{allowed}]" if allowed else text


def accepts(kind: msgspec.inspect.Type) -> str:
    """What a setting of this type accepts, in a few words; empty where that is free."""
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return accepts(inner)
        case msgspec.inspect.IntType(ge=low, le=high) | msgspec.inspect.FloatType(ge=low, le=high) if (
            low is not None and high is not None
        ):
            return f"{low:g} to {high:g}"
        case msgspec.inspect.LiteralType(values=values):
            return " | ".join(json.dumps(v) for v in values)
        case msgspec.inspect.BoolType():
            return "true | false"
        case msgspec.inspect.TupleType(item_types=items):
            return f"[{', '.join(accepts(item) or 'text' for item in items)}]"
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
            return f"list of {accepts(item) or 'text'}"
        case _:
            return ""


def _value(value: Any) -> str:
    """A value in TOML's notation."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case Mapping():
            return "{" + ", ".join(f"{_text(k)} = {_value(v)}" for k, v in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(_value(v) for v in value) + "]"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")


def _text(value: str) -> str:
    """A string; what is not for printing is escaped, TOML's way (JSON's has no more than four digits)."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(
        c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"
        for c in quoted
    )
