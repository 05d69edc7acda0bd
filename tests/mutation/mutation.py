"""`make mutants`: change one rule at a time, and see whether a test fails.

python tests/mutation/mutation.py [--count 60] [--seed 1] [--jobs 2] [--least 0.8] [FILE…]

Every mutant is the program with one small change in one place: a comparison that is off by the equal case or turned
round, `and` for `or`, a `not` left out, a number twice as large, plus for minus, `min` for `max`, yes for no. A mutant
that the tests of its package pass has survived: either a test is missing, or the place makes no difference.
Exit code 1 when fewer than `--least` of them were caught.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "rearguard"
LONGEST_S = 180

# What is changed, and the tests that must notice.
TESTS: dict[str, tuple[str, ...]] = {
    "judge/*.py": ("tests/judge", "tests/lab/replay/test_ledger.py"),
    "cue/arbiter.py": ("tests/cue/test_arbiter.py",),
    "warden/heartbeat.py": ("tests/warden/test_rules.py",),
    "warden/guard.py": ("tests/warden/test_rules.py", "tests/warden/test_process.py"),
    "warden/situation.py": ("tests/warden/test_rules.py", "tests/warden/test_process.py"),
}


def files() -> dict[str, tuple[str, ...]]:
    """Each file that is changed, with its tests."""
    return {
        str(path.relative_to(SOURCE)): tests
        for pattern, tests in TESTS.items()
        for path in sorted(SOURCE.glob(pattern))
        if path.name != "__init__.py"
    }


_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One file with one change."""

    name: str
    line: int
    change: str
    source: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}: {self.change}"


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """The node, changed in each way that there is for it."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARE:
            other = copy.deepcopy(node)
            other.ops[0] = _COMPARE[type(op)]()
            yield other
        case ast.BoolOp():
            other = copy.deepcopy(node)
            other.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield other
        case ast.UnaryOp(op=ast.Not()):
            yield copy.deepcopy(node.operand)
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            other = copy.deepcopy(node)
            other.op = _ARITHMETIC[type(node.op)]()
            yield other
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            other = copy.deepcopy(node)
            other.func = ast.Name("max" if name == "min" else "min", ast.Load())
            yield other
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value * 2 if value else 1)


class _Swap(ast.NodeTransformer):
    def __init__(self, at: int, new: ast.AST) -> None:
        self._at, self._new, self._seen = at, new, -1

    def visit(self, node: ast.AST) -> ast.AST:
        self._seen += 1
        return ast.copy_location(self._new, node) if self._seen == self._at else self.generic_visit(node)


def mutants(name: str, source: str) -> list[Mutant]:
    """Every mutant of a file."""
    found = []
    tree = ast.parse(source)
    idle = {id(n) for part in _idle(tree) for n in ast.walk(part)}
    for at, node in enumerate(_in_order(tree)):
        if id(node) in idle:
            continue
        for new in changed(node):
            mutated = ast.fix_missing_locations(_Swap(at, new).visit(copy.deepcopy(tree)))
            change = f"{ast.unparse(node)} → {ast.unparse(new)}"
            found.append(Mutant(name, getattr(node, "lineno", 0), change, ast.unparse(mutated)))
    return found


def _idle(tree: ast.AST) -> Iterator[ast.AST]:
    """What decides nothing: annotations, and decorators such as `dataclass(frozen=True)`."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
                yield annotation
            case ast.ClassDef(decorator_list=decorators) | ast.FunctionDef(decorator_list=decorators):
                yield from decorators


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)


class Bench:
    """Copies of the source to put mutants into, one for each run at a time."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        for n in range(jobs):
            copy_ = folder / str(n)
            shutil.copytree(SOURCE, copy_ / "src" / "rearguard", ignore=shutil.ignore_patterns("__pycache__"))
            (copy_ / "models").symlink_to(ROOT / "models")
            self._free.put(copy_)

    def survives(self, mutant: Mutant | None, tests: tuple[str, ...]) -> bool:
        """Whether the tests pass with this mutant, or as it is with None."""
        folder = self._free.get()
        path = folder / "src" / "rearguard" / (mutant.name if mutant else "__init__.py")
        before = path.read_text()
        try:
            if mutant:
                path.write_text(mutant.source)
            return self._passes(folder, tests)
        finally:
            path.write_text(before)
            self._free.put(folder)

    def _passes(self, folder: Path, tests: tuple[str, ...]) -> bool:
        command = [
            sys.executable,
            "-B",
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            *tests,
        ]
        env = os.environ | {"PYTHONPATH": str(folder / "src"), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=env, capture_output=True, timeout=LONGEST_S, check=False
            )
        except subprocess.TimeoutExpired:
            return False  # it hangs: noticed
        return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="FILE", help=f"only these: {', '.join(files())}")
    parser.add_argument("--count", type=int, default=60, help="how many mutants, drawn by chance; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.8, help="share that must be caught")
    args = parser.parse_args()
    tests_of = files()
    if unknown := set(args.names) - set(tests_of):
        parser.error(f"no such file: {', '.join(sorted(unknown))}; there are {', '.join(tests_of)}")
    names = args.names or list(tests_of)
    everything = [m for name in names for m in mutants(name, (SOURCE / name).read_text())]
    drawn = random.Random(args.seed).sample(everything, min(args.count or len(everything), len(everything)))
    survivors = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        bench = Bench(Path(folder), args.jobs)
        sets = sorted({tests_of[name] for name in names})
        for tests, passes in zip(sets, pool.map(lambda t: bench.survives(None, t), sets), strict=True):
            if not passes:
                print(f"{' '.join(tests)}: fail without any mutant", file=sys.stderr)
                return 2
        runs = pool.map(lambda m: bench.survives(m, tests_of[m.name]), drawn)
        for n, (mutant, survived) in enumerate(zip(drawn, runs, strict=True), 1):
            print(f"{n:>4}/{len(drawn)} {'SURVIVED' if survived else 'caught  '} {mutant}", flush=True)
            survivors += [mutant] if survived else []
    caught = len(drawn) - len(survivors)
    print(
        f"{caught} of {len(drawn)} caught ({caught / len(drawn):.0%}), of {len(everything)} there are; seed {args.seed}"
    )
    return int(caught < args.least * len(drawn))


if __name__ == "__main__":
    sys.exit(main())
