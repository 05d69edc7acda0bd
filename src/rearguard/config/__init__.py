"""The configuration: one section per stage, every value with its unit in its name, a bound and a default.

    from rearguard.config import Config, load
    config = load(path_or_none)

Sections are frozen `msgspec.Struct`s; unknown keys and out-of-range values are refused with the name of
the field. Nothing heavy is imported here.
"""

from rearguard.config.load import digest, found, load, search_path
from rearguard.config.root import Config

__all__ = ["Config", "digest", "found", "load", "search_path"]
