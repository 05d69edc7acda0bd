"""`make faults`: every fault in turn, as a table; exit code 1 if the wearer was not told of one.

python tests/faults/report.py [--json] [--minutes 20] [--write docs/faults.md] [--pairs 4] [NAME…] [NAME+NAME…]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from fault_cases import CASES, Case, pair, pairs
from fault_harness import ALIVE_S, Outcome, memory_folder, run_case

TRIES = 3  # what goes wrong three times is no lateness of a busy machine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these faults")
    parser.add_argument("--json", action="store_true", help="one object per fault, as a list")
    parser.add_argument("--write", type=Path, help="also write the table to this file, or these rows")
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="faults that went wrong are driven in again until this much time is gone; a busy machine is late",
    )
    parser.add_argument(
        "--keep", type=Path, help="keep each outing's trace, journal and stderr in this folder"
    )
    parser.add_argument("--pairs", type=int, default=0, help="also so many drawn pairs of faults at once")
    parser.add_argument("--only-pairs", action="store_true", help="nothing but those")
    parser.add_argument(
        "--seed", type=int, default=date.today().toordinal(), help="which pairs; today's date"
    )
    args = parser.parse_args()
    known = {case.name: case for case in CASES}
    if unknown := {part for name in args.names for part in name.split("+")} - known.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    ends = time.monotonic() + 60 * args.minutes
    cases = [] if args.only_pairs else list(CASES)
    if args.names:
        cases = [_case(*(known[part] for part in name.split("+"))) for name in args.names]
    cases += pairs(args.pairs, args.seed)
    outcomes: dict[str, Outcome] = {}
    for case in cases:
        outcomes[case.name] = _drive(case, args.keep)
        if not args.json:
            print(_line(outcomes[case.name]), flush=True)
    _drive_again(outcomes, args.keep, ends)
    told = list(outcomes.values())
    for outcome in told:
        for wrong in outcome.wrong:
            print(
                f"{outcome.case.name} WRONG: {wrong}\n{outcome.stderr[-1500:]}", file=sys.stderr, flush=True
            )
    if args.json:
        print(json.dumps([o.row() for o in told], indent=1))
    if args.write:
        before = args.write.read_text() if args.names and args.write.exists() else ""
        args.write.write_text(_page([outcome for outcome in told if outcome.case.name in known], before))
    return int(any(o.wrong for o in told))


def _case(one: Case, *other: Case) -> Case:
    return pair(one, *other) if other else one


def _drive(case: Case, keep: Path | None) -> Outcome:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        return run_case(case, (keep or Path(folder)) / case.name)


def _drive_again(outcomes: dict[str, Outcome], keep: Path | None, ends: float) -> None:
    """Give what went wrong more tries, one round after the other, as long as there is time."""
    for number in range(1, TRIES):
        for name, outcome in outcomes.items():
            if outcome.wrong and time.monotonic() < ends:
                print(f"{name}: {'; '.join(outcome.wrong)}; try {number + 1}", file=sys.stderr, flush=True)
                outcomes[name] = _drive(outcome.case, keep)


def _line(o: Outcome) -> str:
    after = "" if o.after_s is None else f"{o.after_s:.2f} s"
    return f"{o.case.name:<20} {o.felt or '(nothing new)':<14} {after:>8}  silence {o.silence_s:.2f} s"


def _recovers(o: Outcome) -> str:
    if o.case.code:
        return "no: it says so and leaves"
    return "yes" if o.recovered else "once its cause is gone"


def _row(o: Outcome) -> str:
    after = "" if o.after_s is None else f"{o.after_s:.2f}"
    return (
        f"| {o.case.what} | {o.felt or 'nothing new'} | {after} "
        f"| {o.silence_s:.2f} | {o.restarts} | {_recovers(o)} |"
    )


def _page(outcomes: list[Outcome], before: str) -> str:
    """The page. Faults that were not driven in keep the row that they have in the page `before`."""
    told = {o.case.what: _row(o) for o in outcomes}
    kept = {line.split(" | ")[0].removeprefix("| "): line for line in before.splitlines() if " | " in line}
    rows = "\n".join(row for case in CASES if (row := told.get(case.what) or kept.get(case.what)))
    return f"""# What is felt when something breaks

Written by `make faults`, which drives each fault into the real two-process program on a simulated outing and
reads the recorded pins. "After" is counted from the last judged frame where sight is lost, else from the moment
of the fault. In these runs the alive tick comes every {ALIVE_S:g} s; "silence" is the longest time without any
motor running while on watch, and must not exceed that by more than 0.5 s. While no pin can be driven at all, while a
blindness that was told is muted, or while the warden itself stands still, nothing is felt, and the missing tick is the
sign. Four pairs of faults are drawn each time and must tell what the more urgent one tells; `make pairs` drives all.

| fault | felt | after, s | longest silence, s | restarts of vision | recovers |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())
