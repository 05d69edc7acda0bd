"""`make faults`: every fault in turn, as a table; exit code 1 if the wearer was not told of one.

python tests/faults/report.py [--json] [--write docs/faults.md] [NAME…]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from fault_cases import CASES
from fault_harness import ALIVE_S, Outcome, memory_folder, run_case


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these faults")
    parser.add_argument("--json", action="store_true", help="one object per fault, as a list")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--tries",
        type=int,
        default=1,
        help="how often a fault is driven in until all is well; a busy machine is late",
    )
    parser.add_argument(
        "--keep", type=Path, help="keep each outing's trace, journal and stderr in this folder"
    )
    args = parser.parse_args()
    outcomes = []
    for case in CASES:
        if args.names and case.name not in args.names:
            continue
        for again in reversed(range(args.tries)):
            with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
                outcome = run_case(case, (args.keep or Path(folder)) / case.name)
            if not (outcome.wrong and again):
                break
            print(f"{case.name}: {'; '.join(outcome.wrong)}; once more", file=sys.stderr, flush=True)
        outcomes.append(outcome)
        if not args.json:
            print(_line(outcome), flush=True)
            for wrong in outcome.wrong:
                print(f"    WRONG: {wrong}\n{outcome.stderr[-1500:]}", flush=True)
    if args.json:
        print(json.dumps([o.row() for o in outcomes], indent=1))
    if args.write:
        args.write.write_text(_page(outcomes))
    return int(any(o.wrong for o in outcomes))


def _line(o: Outcome) -> str:
    after = "" if o.after_s is None else f"{o.after_s:.2f} s"
    return f"{o.case.name:<20} {o.felt or '(nothing new)':<14} {after:>8}  silence {o.silence_s:.2f} s"


def _page(outcomes: list[Outcome]) -> str:
    rows = "\n".join(
        f"| {o.case.what} | {o.felt or 'nothing new'} | {'' if o.after_s is None else f'{o.after_s:.2f}'} "
        f"| {o.silence_s:.2f} | {o.restarts} | {'yes' if o.recovered else 'no: it says why and leaves'} |"
        for o in outcomes
    )
    return f"""# What is felt when something breaks

Written by `make faults`, which drives each fault into the real two-process program on a simulated outing and
reads the recorded pins. "After" is counted from the last judged frame where sight is lost, else from the moment
of the fault. In these runs the alive tick comes every {ALIVE_S:g} s; "silence" is the longest time without any
motor running while on watch, and must not exceed that by more than 0.5 s. While no pin can be driven
at all, nothing can be felt, and the missing tick is the sign.

| fault | felt | after, s | longest silence, s | restarts of vision | recovers |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())
