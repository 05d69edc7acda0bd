"""`make sensitivity`: halve and double every number of the estimate, and see what it breaks.

python tests/sensitivity/sensitivity.py [--jobs 2] [--out FOLDER] [--write docs/constants.md] [PLACE…]

A number is a constant of `ego`, `track`, `looming` or `judge`, or one of the settings of those packages. Each is halved
and doubled in the source as it is imported, whatever is derived from it included, and the same runs are made again with
the same seeds: box scenarios at two speeds, and, for what works on pictures, drawn worlds whose pictures and detections
are kept from the first run. One result a file in FOLDER: what is there is not run again, so that going on after an
interruption is running it again. A number whose halving and doubling change nothing has no business in the source.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "rearguard"
PACKAGES = ("ego", "track", "looming", "judge")
SETTINGS = ("config/track.py", "config/looming.py", "config/judge.py")
FACTORS = (0.5, 2.0)
# No quantities: places in a state, formats, and what only keeps a division from failing.
STRUCTURE = frozenset({"_STATES", "_KINDS", "_TINY", "_FAR", "_NEVER_S"})
FPS = 10.0
BOX_RUNS = ((2.5, 3), (5.0, 1))  # speed (m/s), seeds of every row
PICTURES = (
    *("WALL", "POST", "HURDLE", "STAND-0", "RUN-TOWARD", "PASS-BY-1.5", "BEND-20", "TRUNK-TURNED"),
    *("BALL", "BRANCH"),
)
# What works on pictures is judged by them; nothing of it is run by boxes.
ON_PICTURES = ("looming/", "ego/", "track/patches.py", "track/texture_scale.py", "config/looming.py")
NOT_ON_BOXES = ("looming/", "ego/flow.py", "track/texture_scale.py", "config/looming.py")
LONGEST_S = 3600


@dataclass(frozen=True)
class Number:
    """One number of the source: its file, its name, which one it is of those in its value, and what is said of it."""

    file: str
    name: str
    place: int
    value: str
    said: str

    def __str__(self) -> str:
        return f"{self.file}:{self.name}" + (f"[{self.place}]" if self.place >= 0 else "")


def numbers(file: str, source: str) -> Iterator[Number]:
    """Every constant and default of a file that is a quantity; a tuple of them is one, a row of a table several."""
    tree, lines = ast.parse(source), source.splitlines()
    for node, name, value in _assignments(tree):
        found = list(_quantities(value))
        if name in STRUCTURE or not found:
            continue
        said = _said(lines, node)
        if isinstance(value, ast.Call) and len(found) > 1:
            for place, one in enumerate(found):
                yield Number(file, name, place, ast.unparse(one), said)
        else:
            yield Number(file, name, -1, ast.unparse(value), said)


def _assignments(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, ast.expr]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.isupper():
                yield node, name, value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for one, value in zip(names, values, strict=True):
                    if isinstance(one, ast.Name) and one.id.isupper():
                        yield node, one.id, value
            case ast.ClassDef(name=kind, body=body):
                for field in body:
                    match field:
                        case ast.AnnAssign(
                            target=ast.Name(id=name), value=ast.Constant(value=float()) as value
                        ):
                            yield field, f"{kind}.{name}", value


def _quantities(value: ast.expr) -> Iterator[ast.Constant]:
    """The numbers of a value that is nothing but numbers: no arrays built by a formula, no names."""
    match value:
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() | float()):
            yield value
        case ast.UnaryOp(operand=operand):
            yield from _quantities(operand)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _quantities(part)
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name[0].isupper():
            for part in parts:
                yield from _quantities(part)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math")), args=[part]):
            yield from _quantities(part)


def _said(lines: Sequence[str], node: ast.stmt) -> str:
    """The comment behind a constant, or the ones right above it."""
    assert node.end_lineno is not None
    for line in lines[node.lineno - 1 : node.end_lineno]:
        if "  # " in line:
            return line.split("  # ", 1)[1].strip()
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.startswith("# "):
            break
        above.insert(0, line[2:].strip())
    return " ".join(above)


class _Scale(ast.NodeTransformer):
    def __init__(self, targets: set[int], factor: float) -> None:
        self._targets, self._factor = targets, factor

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if id(node) not in self._targets:
            return node
        value: Any = node.value * self._factor
        if isinstance(node.value, int):
            value = max(1, round(value)) if node.value else 0
        return ast.copy_location(ast.Constant(value), node)


def scaled(source: str, name: str, place: int, factor: float) -> ast.Module:
    """The source with one number times `factor`; a whole number stays one, and above 0."""
    tree = ast.parse(source)
    for _, found, value in _assignments(tree):
        if found == name:
            of = list(_quantities(value))
            targets = {id(q) for q in (of if place < 0 else of[place : place + 1])}
            return ast.fix_missing_locations(_Scale(targets, factor).visit(tree))
    raise LookupError(name)


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, number: tuple[str, int, float]) -> None:
        super().__init__(fullname, path)
        self._number = number

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        source = Path(self.path).read_text(encoding="utf-8")
        return compile(scaled(source, *self._number), self.path, "exec")


class Finder(MetaPathFinder):
    """Imports one module with one of its numbers scaled."""

    def __init__(self, file: str, name: str, place: int, factor: float) -> None:
        self._module = "rearguard." + file.removesuffix(".py").replace("/", ".")
        self._number = (name, place, factor)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._number)
        return spec


# ── the runs, in a process of their own ──────────────────────────────────────


def _box_runs() -> Iterator[dict[str, Any]]:
    from rearguard.config import Config
    from rearguard.lab.scenarios.run import Cell, run
    from rearguard.lab.scenarios.table import SCENARIOS

    for speed, seeds in BOX_RUNS:
        for row in SCENARIOS:
            for seed in range(seeds) if row.boxes else ():
                yield _told(
                    row.name, row.must_warn, run(Cell(row.name, speed, FPS, 0.0, True), seed, Config())
                )


def _told(name: str, must_warn: bool, outcome: Any) -> dict[str, Any]:
    frames = sum(outcome.accuracy.frames) - sum(outcome.accuracy.untold)
    return {
        "row": name,
        "missed": must_warn and not outcome.passed,
        "critical": bool(outcome.criticals),
        "false": bool(outcome.cautions),
        "lead": outcome.critical_lead_s if must_warn else None,
        "mid": sum(outcome.accuracy.mid) / frames if frames else None,
    }


class _Kept:
    """A detector that says again what was found the first time."""

    def __init__(self, found: Sequence[Any]) -> None:
        self._found = iter(found)

    def detect(self, image: Any, hints: Any) -> Any:  # noqa: ARG002
        return next(self._found)


def _picture_runs(folder: Path) -> Iterator[dict[str, Any]]:
    from rearguard.config import Config
    from rearguard.lab.scenarios.run import Cell, configured, outcome_of, scene_values
    from rearguard.lab.scenarios.table import BY_NAME
    from rearguard.lab.world import catalogue

    for name in PICTURES:
        row = BY_NAME[name]
        config = configured(row, Config())
        scene = catalogue.scene(row.world, **scene_values(Cell(name, 2.5, FPS, 0.0, True, "rendered"), 0))
        stream = _again(scene, folder / name, config)
        yield _told(name, row.must_warn, outcome_of(row, 2.5, stream, config))


def _again(scene: Any, kept: Path, config: Any) -> Iterator[Any]:
    """A scene's pictures judged once more."""
    import numpy as np

    from rearguard.ego.pinhole import Pinhole
    from rearguard.lab.scenarios.table import LATENCY_S
    from rearguard.types import Frame
    from rearguard.vision.pipeline import Pipeline

    images, found = _kept(scene, kept, config)
    height, width = images[0].shape[:2]
    lens = Pinhole.from_fov(width, height, config.camera.hfov_deg)
    pipeline = Pipeline(config, lens, _Kept([d for d, _ in found]), lambda _: LATENCY_S)  # type: ignore[arg-type]
    for seq, (_, truth) in enumerate(found):
        frame = Frame(seq, round(seq / FPS * 1e9), np.asarray(images[seq]), truth)
        yield pipeline.process_frame(frame).verdict, truth


def _kept(scene: Any, kept: Path, config: Any) -> tuple[Any, list[Any]]:
    """The pictures of a scene, and detections and truth of each; made the first time."""
    import pickle

    import numpy as np

    from rearguard.lab.scenarios.rendered import judged_frames

    # A name may have a dot in it: PASS-BY-1.5.
    pictures, found = kept.with_name(f"{kept.name}.npy"), kept.with_name(f"{kept.name}.pickle")
    if not found.exists():
        steps = list(judged_frames(scene, FPS, config))
        np.save(pictures, np.stack([step.frame.image for step in steps]))
        found.write_bytes(pickle.dumps([(step.seen.detections, step.frame.truth) for step in steps]))
    return np.load(pictures, mmap_mode="r"), pickle.loads(found.read_bytes())


def run_one(file: str, name: str, place: int, factor: float, folder: Path) -> None:
    """Runs with one number scaled; `file` empty: as it is. Prints JSON."""
    if file:
        sys.meta_path.insert(0, Finder(file, name, place, factor))
    on_pictures = not file or file.startswith(ON_PICTURES)
    on_boxes = not file or not file.startswith(NOT_ON_BOXES)
    runs: dict[str, Any] = {"boxes": [], "pictures": []}
    try:
        if on_boxes:
            runs["boxes"] = list(_box_runs())
        if on_pictures:
            runs["pictures"] = list(_picture_runs(folder))
    except Exception as e:  # a number that breaks the program is told as such
        runs["broke"] = f"{type(e).__name__}: {e}"
    print(json.dumps(runs))


# ── what changed ─────────────────────────────────────────────────────────────


def compare(base: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """How many runs more are missed, falsely CRITICAL or falsely warned of, and by how much lead and times change, as
    means over the runs that both tell."""
    change = {"missed": 0.0, "critical": 0.0, "false": 0.0, "lead": 0.0, "mid": 0.0, "differ": 0.0}
    for kind in ("boxes", "pictures"):
        pairs = list(zip(base[kind], other[kind], strict=False))
        for a, b in pairs:
            for key in ("missed", "critical", "false"):
                change[key] += b[key] - a[key]
            change["differ"] += a != b
        for key in ("lead", "mid"):
            both = [b[key] - a[key] for a, b in pairs if a[key] is not None and b[key] is not None]
            if both:
                change[key] += sum(both) / len(both)
    return change


def idle(changes: Sequence[dict[str, float]]) -> bool:
    """Whether neither halving nor doubling does anything that a wearer could notice."""
    return all(
        not (c["missed"] or c["critical"] or c["false"]) and abs(c["lead"]) < 0.01 and abs(c["mid"]) < 1.0
        for c in changes
    )


def words(change: dict[str, float] | str) -> str:
    """One cell of the table."""
    if isinstance(change, str):
        return change
    parts = [
        f"{change[key]:+.0f} {what}"
        for key, what in (("missed", "missed"), ("critical", "false CRITICAL"), ("false", "false warnings"))
        if change[key]
    ]
    if abs(change["lead"]) >= 0.01:
        parts.append(f"lead {change['lead']:+.2f} s")
    if abs(change["mid"]) >= 1.0:
        parts.append(f"MiD {change['mid']:+.0f}")
    return ", ".join(parts) or ("–" if change["differ"] else "nothing at all")


class Bench:
    """Runs numbers in processes of their own, and keeps what they gave."""

    def __init__(self, out: Path) -> None:
        self._out = out
        out.mkdir(parents=True, exist_ok=True)

    def result(self, number: Number | None, factor: float) -> dict[str, Any]:
        key = f"{number}@{factor:g}" if number else "as it is"
        kept = self._out / (hashlib.sha256(key.encode()).hexdigest()[:16] + ".json")
        if not kept.exists():
            told = self._run(number, factor)
            kept.with_suffix(".new").write_text(json.dumps({"key": key, **told}))
            kept.with_suffix(".new").replace(kept)
        loaded: dict[str, Any] = json.loads(kept.read_text())
        return loaded

    def _run(self, number: Number | None, factor: float) -> dict[str, Any]:
        where = (number.file, number.name, str(number.place)) if number else ("", "", "-1")
        command = [sys.executable, "-B", __file__, "--one", *where, str(factor), "--out", str(self._out)]
        env = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=LONGEST_S, check=False
            )
        except subprocess.TimeoutExpired:
            return {"boxes": [], "pictures": [], "broke": "ran for ever"}
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["died"]
            return {"boxes": [], "pictures": [], "broke": last[0]}
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told


def table(rows: Sequence[tuple[Number, list[dict[str, float] | str]]], base: dict[str, Any]) -> str:
    """The page: what each number is, and what changes when it is halved and doubled."""
    head = f"""# The numbers of the estimate

Made by `make sensitivity`. Each number was halved and doubled, and {len(base["boxes"])} runs on boxes and
{len(base["pictures"])} on drawn pictures made again with the same seeds. "+2 missed": in two more of these runs the
warning came late or not at all; "lead" is how much earlier (+) CRITICAL came in the mean; MiD is that of `score`.
"–": figures changed by less than a wearer could notice. Pictures and detections are those of the program as it is.
So few runs say what a number breaks, not that it breaks nothing: bad light, gaps, crowds and real footage are not
among them.

| Place | Number | Value | What it is | Halved | Doubled |
|---|---|---|---|---|---|
"""
    lines = (
        f"| {n.file} | `{n.name}{f'[{n.place}]' if n.place >= 0 else ''}` | {n.value} | {n.said.replace('|', '/')} "
        f"| {' | '.join(words(c) for c in changes)} |"
        for n, changes in rows
    )
    return head + "\n".join(lines) + "\n"


def all_numbers() -> list[Number]:
    """Every number there is, in the order of the source."""
    files = [
        str(p.relative_to(SOURCE)) for package in PACKAGES for p in sorted((SOURCE / package).glob("*.py"))
    ]
    return [n for f in (*files, *SETTINGS) for n in numbers(f, (SOURCE / f).read_text(encoding="utf-8"))]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("places", nargs="*", metavar="PLACE", help="only numbers whose file:name begins so")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where results are kept (default: a new folder)")
    parser.add_argument("--write", type=Path, help="write the table here, as well as print it")
    parser.add_argument("--list", action="store_true", help="only list the numbers")
    parser.add_argument("--one", nargs=4, metavar=("FILE", "NAME", "PLACE", "FACTOR"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        file, name, place, factor = args.one
        run_one(file, name, int(place), float(factor), args.out)
        return 0
    chosen = [n for n in all_numbers() if not args.places or str(n).startswith(tuple(args.places))]
    if args.list:
        print("\n".join(f"{n} = {n.value}  # {n.said}" for n in chosen), f"\n{len(chosen)} numbers")
        return 0
    bench = Bench(args.out or Path(tempfile.mkdtemp(prefix="sensitivity-")))
    base = bench.result(None, 1.0)
    done: list[tuple[Number, list[dict[str, float] | str]]] = []

    def both(number: Number) -> tuple[Number, list[dict[str, float] | str]]:
        told = [bench.result(number, factor) for factor in FACTORS]
        return number, [t["broke"] if "broke" in t else compare(base, t) for t in told]

    with ThreadPoolExecutor(args.jobs) as pool:
        for number, changes in pool.map(both, chosen):
            done.append((number, changes))
            quiet = idle([c for c in changes if isinstance(c, dict)]) and not any(
                isinstance(c, str) for c in changes
            )
            print(f"[{len(done)}/{len(chosen)}] {'IDLE ' if quiet else ''}{number}: "
                  f"½: {words(changes[0])}; ×2: {words(changes[1])}", flush=True)  # fmt: skip
    if args.write:
        args.write.write_text(table(done, base), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
