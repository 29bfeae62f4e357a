"""Shows that each check of the scorecard fails on its sabotaged services."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants import Mutant, groups, load
from tests.mutants.workshop import Verdict, Workshops
from tools import VARIANTS
from tools.toolchain import environment

Trial = tuple[Mutant, Sequence[Mutant], Verdict]
"""The mutant whose tests are run, the mutants that the service is sabotaged with, and what must come of it."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="CHECK", help="numbers of checks")
    parser.add_argument("--variant", choices=VARIANTS, help="one variant")
    parser.add_argument(
        "--together",
        action="store_true",
        help="instead: the mutants that the tests sabotage a service with at once make no test of another fail",
    )
    options = parser.parse_args(arguments)
    trials = [
        trial
        for trial in (together() if options.together else alone())
        if (options.only is None or trial[0].check in options.only) and options.variant in (None, trial[0].variant)
    ]
    if not trials:
        print("error: these checks have no such mutants.", file=sys.stderr)
        return 1

    os.environ["PATH"] = environment()["PATH"]  # as in the tests: a module is registered by the service's own scripts
    failed = 0
    with tempfile.TemporaryDirectory(prefix="plinth-mutants-") as folder:
        workshops = Workshops(Path(folder), Path(folder))
        for mutant, sabotages, wanted in trials:
            began = time.monotonic()
            verdicts, output = workshops[mutant.subject].judge(*sabotages, by=[mutant])
            verdict = verdicts[mutant]
            beside = "" if mutant in sabotages else f" (not there; beside {len(sabotages)} others)"
            print(f"{verdict:9} {time.monotonic() - began:4.0f} s  {mutant}{beside}", flush=True)
            if verdict != wanted:
                failed += 1
                print(output, file=sys.stderr)
    print(f"{len(trials) - failed} of {len(trials)} are as they must be.")
    return 1 if failed else 0


def alone() -> Iterator[Trial]:
    """Each mutant by itself is killed."""
    for mutant in load():
        yield mutant, [mutant], "killed"


def together() -> Iterator[Trial]:
    """The tests of a mutant pass where it is the only one of its group that is not there."""
    for group in groups():
        for mutant in group:
            others = [other for other in group if other != mutant]
            if others:
                yield mutant, others, "SURVIVED"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
