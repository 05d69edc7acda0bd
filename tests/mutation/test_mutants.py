"""Mutants are one change each, they are Python, and what nobody tests survives."""

from __future__ import annotations

from pathlib import Path

import mutation

RULE = """
@dataclass(frozen=True)
class Near:
    limit_s: Annotated[float, Meta(ge=1)] = 3.0

def near(ttc_s: float = 2.0, on: bool = True) -> bool:
    if not on:
        return False
    return on and max(ttc_s, 0) > 4
"""


def test_each_mutant_is_one_change_and_is_python() -> None:
    found = mutation.mutants("rule.py", RULE)
    assert sorted(m.change for m in found) == [
        "0 → 1",
        "2.0 → 4.0",
        "3.0 → 6.0",
        "4 → 8",
        "False → True",
        "True → False",
        "max(ttc_s, 0) > 4 → max(ttc_s, 0) >= 4",
        "max(ttc_s, 0) → min(ttc_s, 0)",
        "not on → on",
        "on and max(ttc_s, 0) > 4 → on or max(ttc_s, 0) > 4",
    ]
    assert len({m.source for m in found}) == len(found)
    for mutant in found:
        compile(mutant.source, "rule.py", "exec")


def test_a_mutant_is_caught_by_the_test_of_its_rule_and_by_no_other(tmp_path: Path) -> None:
    (mutant,) = [
        m
        for m in mutation.mutants("clock.py", (mutation.SOURCE / "clock.py").read_text())
        if m.change == "1000000000 → 2000000000"
    ]
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        "from rearguard.clock import NS_PER_S\ndef test(): assert NS_PER_S == 10**9\n"
    )
    (tests / "test_b.py").write_text("def test(): pass\n")
    bench = mutation.Bench(tmp_path / "copies", 1)
    assert bench.survives(None, (str(tests),))
    assert not bench.survives(mutant, (str(tests / "test_a.py"),))
    assert bench.survives(mutant, (str(tests / "test_b.py"),))
    assert bench.survives(None, (str(tests),)), "the mutant is gone again"


def test_what_is_changed_and_its_tests_are_there() -> None:
    found = mutation.files()
    assert {"cue/arbiter.py", "judge/judge.py", "warden/guard.py"} <= found.keys()
    assert all((mutation.ROOT / test).exists() for tests in found.values() for test in tests)
    for pattern in mutation.TESTS:
        assert list(mutation.SOURCE.glob(pattern)), pattern
