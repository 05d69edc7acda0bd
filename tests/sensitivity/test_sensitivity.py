"""Every number of the estimate is found, and one is scaled with all that is made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sensitivity

SOURCE = '''
"""A rule."""

# Seconds.
_LASTS_S = 2.0
_NEAR_M, _FAR_M = 0.5, 8  # where it holds
_CURVE = (0.1, 0.4, 1.0)
_ROW = Row(3.0, 0.2)
_NAMES = ("a", "b")
_ON = True
_ARRAY = np.eye(3)
_TWICE = 2.0 * _LASTS_S


class Settings:
    """Settings."""

    limit_s: float = 1.5
'''


def test_every_quantity_is_found_with_what_is_said_of_it() -> None:
    found = {str(n): (n.value, n.said) for n in sensitivity.numbers("rule.py", SOURCE)}
    assert found == {
        "rule.py:_LASTS_S": ("2.0", "Seconds."),
        "rule.py:_NEAR_M": ("0.5", "where it holds"),
        "rule.py:_FAR_M": ("8", "where it holds"),
        "rule.py:_CURVE": ("(0.1, 0.4, 1.0)", ""),
        "rule.py:_ROW[0]": ("3.0", ""),
        "rule.py:_ROW[1]": ("0.2", ""),
        "rule.py:Settings.limit_s": ("1.5", ""),
    }


def test_a_number_is_scaled_with_what_is_derived_from_it_and_no_other() -> None:
    source = SOURCE.replace("_ROW = Row(3.0, 0.2)\n", "").replace("_ARRAY = np.eye(3)\n", "")
    names: dict[str, object] = {}
    exec(compile(sensitivity.scaled(source, "_LASTS_S", -1, 2.0), "rule.py", "exec"), names)
    assert (names["_LASTS_S"], names["_TWICE"], names["_NEAR_M"]) == (4.0, 8.0, 0.5)
    exec(compile(sensitivity.scaled(source, "_FAR_M", -1, 0.5), "rule.py", "exec"), names)
    assert (names["_FAR_M"], names["_NEAR_M"], names["_LASTS_S"]) == (4, 0.5, 2.0)


def test_the_program_is_imported_with_the_number_scaled() -> None:
    code = (
        "import sys, sensitivity; sys.meta_path.insert(0, sensitivity.Finder('clock.py', 'NS_PER_S', -1, 2.0))\n"
        "import rearguard.clock; print(rearguard.clock.NS_PER_S)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2000000000"


def test_what_changes_is_told_and_what_changes_nothing_is_named() -> None:
    run = {"row": "STAND-0", "missed": False, "critical": False, "false": False, "lead": 2.0, "mid": 40.0}
    base = {"boxes": [run, run], "pictures": []}
    late = {"boxes": [run, run | {"missed": True, "lead": 1.0}], "pictures": []}
    assert sensitivity.idle([sensitivity.compare(base, base)] * 2)
    change = sensitivity.compare(base, late)
    assert not sensitivity.idle([sensitivity.compare(base, base), change])
    assert sensitivity.words(change) == "+1 missed, lead -0.50 s"
    assert sensitivity.words(sensitivity.compare(base, base)) == "nothing at all"


def test_the_numbers_of_the_real_source_are_found() -> None:
    places = {str(n) for n in sensitivity.all_numbers()}
    assert {
        "track/associate.py:GATE",
        "judge/contact.py:_BODY_M",
        "config/judge.py:Judge.critical_ttc_s",
    } <= places
