"""Runs the main run, a slice, or all of them: what `make test`, `make test-slice` and `make test-all` call."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import selection
from tests.selection import Selection
from tests.slices import MAIN, SLICES, find, of_commit, slice_of
from tools import ROOT, TOOLCHAIN, ToolError
from tools.git import git
from tools.new import check_variant

PASSED = TOOLCHAIN / "passed"
"""What has passed, in one file per state of the working tree."""


@dataclass(frozen=True)
class Result:
    """How long tests took that have passed."""

    seconds: float
    cpu: float
    """Seconds of all processes."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("command", choices=["test", "slice", "all"])
    parser.add_argument("--check", action="store_true", help="only check the variables that select tests")
    options = parser.parse_args(arguments)
    given = {name: os.environ.pop(name, "") for name in ("TESTS", "VARIANT", "CHANGED", "SLICE")}
    try:
        if options.command == "all":
            return run_all()
        if options.command == "slice":
            return run_slice(given["SLICE"])
        check(given["TESTS"], given["VARIANT"], given["CHANGED"])
        return 0 if options.check else run_tests(given["TESTS"], given["VARIANT"], given["CHANGED"])
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def check(tests: str, variant: str, changed: str) -> None:
    """Refuses an invalid selection.

    Raises:
        ToolError: a value is invalid, or two of them are given
    """
    given = {"TESTS": tests, "VARIANT": variant, "CHANGED": changed}
    asked = [name for name, value in given.items() if value not in {"", "0"}]
    if len(asked) > 1:
        raise ToolError(f"Use only one of {' and '.join(asked)}.")
    if changed not in {"", "0", "1"}:
        raise ToolError(f"CHANGED must be 1 or 0, got {changed!r}. For example: make test CHANGED=1")
    if variant:
        check_variant(variant)
    try:
        shlex.split(tests)
    except ValueError as error:
        example = 'make test TESTS="tests/test_render.py -k slug"'
        raise ToolError(f"TESTS: {error}. For example: {example}") from error


def run_tests(tests: str, variant: str, changed: str) -> int:
    """Runs the main run, or the part of it that is asked for."""
    if tests:
        return pytest(*shlex.split(tests))
    if variant:
        return run_part(Selection(variants=frozenset({variant})))
    if changed == "1":
        files = selection.changed_files()
        print(f"{len(files)} files differ from main.", flush=True)
        chosen = selection.of_changes(files)
        return record(MAIN) if chosen.everything else run_part(chosen)
    return record(MAIN)


def run_part(chosen: Selection) -> int:
    """Runs the tests of the main run that are selected, and names the slices that hold others."""
    collected = [nodeid for nodeid in collect() if chosen.has(nodeid)]
    slices = sorted({slice_of(nodeid) for nodeid in collected} - {MAIN})
    what = [*sorted(chosen.variants), *sorted(chosen.paths)]
    print(f"Selected: {', '.join(what)}", flush=True)
    code = 0
    if any(slice_of(nodeid) == MAIN for nodeid in collected):
        options = [*(f"--variant={name}" for name in chosen.variants), *(f"--path={path}" for path in chosen.paths)]
        code = pytest(f"--slice={MAIN}", *options)
    if slices:
        print("Slices with further tests of these, not part of this run (make test-slice SLICE=...):", *slices)
    return code


def run_slice(value: str) -> int:
    """Runs a slice. The value is its name or number, or `commit` for the one that the commit's hash chooses."""
    chosen = of_commit(git(ROOT, "rev-parse", "HEAD")) if value == "commit" else find(value)
    print(f"Slice {SLICES.index(chosen) + 1} of {len(SLICES)}: {chosen.name} ({chosen.contents})", flush=True)
    return record(chosen.name, *chosen.files)


def run_all() -> int:
    """Runs what has not passed at this tree, all of it even if a part fails, and prints a summary."""
    files: dict[str, list[str]] = {MAIN: [], **{each.name: each.files for each in SLICES}}
    names = list(files)
    tree = working_tree()
    began = time.monotonic()
    for number, name in enumerate(names, 1):
        if name in passed(tree):
            continue
        minutes = (time.monotonic() - began) / 60
        print(f"\n[{number}/{len(names)}] {name}: {len(passed(tree))} passed, {minutes:.0f} min so far", flush=True)
        record(name, *files[name])
        if working_tree() != tree:
            raise ToolError("Files have changed meanwhile, so the results are of no one state. Run it again.")
    results = passed(tree)
    print("\n" + summary(names, results))
    return 0 if results.keys() >= set(names) else 1


def summary(names: list[str], results: dict[str, Result]) -> str:
    """Returns a table of durations, and how to continue."""
    lines = [f"{'':26} {'minutes':>8} {'CPU':>6}"]
    for name in names:
        if name in results:
            lines.append(f"{name:26} {results[name].seconds / 60:8.1f} {results[name].cpu / 60:6.1f}")
        else:
            lines.append(f"{name:26} {'FAILED':>8}")
    failed = [name for name in names if name not in results]
    if failed:
        lines.append(f"{len(failed)} of {len(names)} failed. `make test-all` runs these again and no others.")
    else:
        total = sum(result.seconds for result in results.values()) / 60
        lines.append(f"All {len(names)} have passed at this tree, in {total:.0f} min.")
    return "\n".join(lines)


def record(name: str, *files: str) -> int:
    """Runs the main run or a slice, and notes that it has passed at this tree."""
    tree = working_tree()
    began, before = time.monotonic(), cpu()
    code = pytest(f"--slice={name}", *files)
    result = Result(round(time.monotonic() - began, 1), round(cpu() - before, 1))
    repeat = "make test" if name == MAIN else f"make test-slice SLICE={name}"
    outcome = "passed" if code == 0 else "FAILED"
    print(f"{name}: {outcome} in {result.seconds / 60:.1f} min ({result.cpu / 60:.1f} min of CPU)", flush=True)
    if code != 0:
        print(f"error: {name} failed. Repeat it: {repeat}", file=sys.stderr)
    elif working_tree() == tree:
        PASSED.mkdir(parents=True, exist_ok=True)
        noted = {key: asdict(value) for key, value in {**passed(tree), name: result}.items()}
        (PASSED / f"{tree}.json").write_text(json.dumps(noted, indent=2))
    return code


def passed(tree: str) -> dict[str, Result]:
    """Returns what has passed at a tree."""
    file = PASSED / f"{tree}.json"
    return {name: Result(**value) for name, value in json.loads(file.read_text()).items()} if file.exists() else {}


def working_tree() -> str:
    """Returns git's hash of the working tree, uncommitted and new files included."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        shared = Path(git(ROOT, "rev-parse", "--path-format=absolute", "--git-path", "index"))
        if shared.exists():
            index.write_bytes(shared.read_bytes())
        env = os.environ | {"GIT_INDEX_FILE": str(index)}
        subprocess.run(["git", "add", "--all"], cwd=ROOT, env=env, check=True, capture_output=True)
        done = subprocess.run(["git", "write-tree"], cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def pytest(*options: str) -> int:
    """Runs pytest on several workers."""
    workers = os.environ.get("WORKERS", "3")
    return subprocess.run([sys.executable, "-m", "pytest", "-n", workers, *options], cwd=ROOT, check=False).returncode


def collect() -> list[str]:
    """Returns the ids of all tests."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"The tests cannot be collected:\n{done.stdout}{done.stderr}")
    return re.findall(r"(?m)^tests/.*::.*$", done.stdout)


def cpu() -> float:
    """Returns the seconds of CPU of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
