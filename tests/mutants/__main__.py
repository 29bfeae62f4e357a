"""python -m tests.mutants [--only CHECK ...]: shows that each check fails on its sabotaged services."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import load
from tests.mutants.workshop import Workshops
from tools.toolchain import environment


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="CHECK", help="numbers of checks")
    only = parser.parse_args(arguments).only
    mutants = [mutant for mutant in load() if only is None or mutant.check in only]
    if not mutants:
        print(f"error: no check of {only} has mutants.", file=sys.stderr)
        return 1

    os.environ["PATH"] = environment()["PATH"]  # as in the tests: a module is registered by the service's own scripts
    failed = 0
    with tempfile.TemporaryDirectory(prefix="plinth-mutants-") as folder:
        workshops = Workshops(Path(folder), Path(folder))
        for mutant in mutants:
            began = time.monotonic()
            verdicts, output = workshops[mutant.subject].judge(mutant)
            verdict = verdicts[mutant]
            print(f"{verdict:9} {time.monotonic() - began:4.0f} s  {mutant}", flush=True)
            if verdict != "killed":
                failed += 1
                print(output, file=sys.stderr)
    print(f"{len(mutants) - failed} of {len(mutants)} mutants were killed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
