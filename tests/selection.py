"""What `make test` selects: the main run, a variant's part of it, or what changed files can break."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import ROOT, VARIANTS, ToolError
from tools.git import git

QUICK = (
    "tests/test_slices.py",
    "tests/test_repository.py",
    "tests/test_questions.py",
    "tests/update/test_releases.py",
    "tests/conformance/test_scorecard.py",
)
"""Files whose tests take seconds: the first of a partial run, and part of each."""


@dataclass(frozen=True)
class Selection:
    """Tests of the main run, by the variants that their ids name and by their files."""

    variants: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    """Files, or folders with a slash at the end."""
    everything: bool = False

    def has(self, nodeid: str) -> bool:
        file, named = nodeid.partition("::")[0], variants_of(nodeid)
        if self.everything or any(file == path or (path[-1:] == "/" and file.startswith(path)) for path in self.paths):
            return True
        return bool(named & self.variants) or (file in QUICK and not named)

    def __or__(self, other: Selection) -> Selection:
        return Selection(self.variants | other.variants, self.paths | other.paths, self.everything or other.everything)


EVERYTHING = Selection(everything=True)


def variants_of(nodeid: str) -> frozenset[str]:
    """Returns the variants that a test's parameters name."""
    parameters = nodeid.partition("[")[2]
    return frozenset(name for name in VARIANTS if name in parameters)


def of_changes(paths: Iterable[str]) -> Selection:
    """Returns what files of the repository can break. A file that is not known here can break everything."""
    found = Selection()
    for path in paths:
        found |= _of_change(path)
    return found


def _of_change(path: str) -> Selection:
    if match := re.match(r"(?:variants|modules)/([^/]+)/", path):
        return Selection(variants=frozenset({match[1]}) & frozenset(VARIANTS))
    if match := re.match(r"tests/mutants/(.+)\.toml$", path):
        return Selection(paths=frozenset({"tests/mutants/"}))
    if re.match(r"tests/(\w+/)?test_\w+\.py$", path):
        return Selection(paths=frozenset({path}))
    if re.match(r"tests/(conformance|launcher|modules|mutants|update)/", path):
        return Selection(paths=frozenset({"/".join(path.split("/")[:2]) + "/"}))
    if re.fullmatch(r"[^/]+\.(md|svg)|docs/.+|LICENSE", path):
        return Selection(paths=frozenset(QUICK))
    return EVERYTHING


def changed_files(root: Path = ROOT) -> list[str]:
    """Returns the files that differ from the merge base with main, uncommitted and new ones included.

    Raises:
        ToolError: there is no main
    """
    for branch in ("main", "origin/main"):
        try:
            base = git(root, "merge-base", "HEAD", branch)
        except ToolError:
            continue
        changed = git(root, "diff", "--name-only", "--no-renames", base)
        new = git(root, "ls-files", "--others", "--exclude-standard")
        return sorted({*changed.splitlines(), *new.splitlines()})
    raise ToolError("CHANGED=1 compares with the branch main, and there is none. Fetch it: git fetch origin main:main")
