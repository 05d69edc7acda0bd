"""The house keeps its shape: no import points upwards, and what warns does not know the laboratory."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rearguard

SOURCE = Path(rearguard.__file__).parent
# From the ground up; a package imports from floors below its own, never from beside or above.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"__init__", "types", "clock", "errors"}),
    frozenset({"text", "plain", "output", "config", "ego"}),
    frozenset({"ipc", "cue", "track", "camera", "detect", "health", "judge", "sense"}),
    frozenset({"looming", "journal", "sound"}),
    frozenset({"vision", "warden"}),
    frozenset({"review", "doctor", "lab"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
MODULES = sorted(SOURCE.rglob("*.py"))


def room(module: str) -> str:
    """The package or top-level module that a dotted name lies in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> Iterator[str]:
    """Every module of rearguard that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "rearguard")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rearguard":
            if node.module == "rearguard":
                yield from (f"rearguard.{a.name}" for a in node.names if a.name != "__version__")
            else:
                yield str(node.module)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_import_points_upwards(path: Path) -> None:
    own = path.relative_to(SOURCE).with_suffix("").parts[0]
    for module in imports(path):
        there = room(module)
        assert there == own or FLOOR_OF[there] < FLOOR_OF[own], f"{own} imports {module}"


def test_no_files_import_each_other_in_a_circle() -> None:
    names = {
        ".".join(("rearguard", *path.relative_to(SOURCE).with_suffix("").parts)): path for path in MODULES
    }
    graph = {name: {there for there in imports(path) if there in names} for name, path in names.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        pytest.fail(f"a circle: {' → '.join(e.args[1])}")


def test_every_package_has_its_floor() -> None:
    rooms = {path.relative_to(SOURCE).with_suffix("").parts[0] for path in MODULES}
    assert rooms == set(FLOOR_OF)


@pytest.mark.parametrize(
    ("process", "heavy"),
    [
        ("rearguard.vision.__main__", ()),
        ("rearguard.warden.process", ("numpy", "cv2", "sqlite3")),
        ("rearguard.sound.__main__", ("cv2", "sqlite3", "sounddevice")),
    ],
)
def test_the_processes_know_no_laboratory(process: str, heavy: tuple[str, ...]) -> None:
    script = f"import sys, {process}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = set(loaded.stdout.split())
    assert process in names
    assert not [n for n in names if n.startswith("rearguard.lab")]
    assert not names & set(heavy)
