"""Mutants: small sabotages of a generated service, each of which a check of the scorecard must notice."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tools import VARIANTS

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Edit:
    """A change of a file."""

    file: str
    """Within the rendered service; a pattern where a date is part of the name."""
    find: str
    """Occurs once in the file."""
    replace: str


@dataclass(frozen=True)
class Mutant:
    """A sabotage, and the test that must fail on it."""

    variant: str
    check: int
    title: str
    edits: tuple[Edit, ...]
    """More than one where each of several layers would be enough."""
    test: str
    """Within tests/conformance/."""
    module: bool = False
    """Whether the service has a module that `copier copy` has written, and the test is of that."""

    @property
    def subject(self) -> str:
        """What the tests call the service in their parameters."""
        return f"{self.variant}-module" if self.module else self.variant

    def __str__(self) -> str:
        return f"{self.subject} {self.check}: {self.title}"


def load() -> list[Mutant]:
    """The mutants of all variants that are offered, in the order of their checks."""
    return [
        _mutant(path.stem, **mutant)
        for path in sorted(FOLDER.glob("*.toml"))
        if path.stem in VARIANTS
        for mutant in tomllib.loads(path.read_text())["mutant"]
    ]


def _mutant(variant: str, /, *, also: Iterable[dict[str, str]] = (), **members: Any) -> Mutant:
    """A mutant of a file: its first edit, and in `also` those that must come with it."""
    first = {name: members.pop(name) for name in ("file", "find", "replace")}
    return Mutant(variant, edits=tuple(Edit(**edit) for edit in (first, *also)), **members)


GROUPS = ({11, 14, 22, 25, 26}, {12, 13, 23}, {24})
"""Of input and concurrency. A group is sabotaged at once; `python -m tests.mutants --together` shows that it may be.

Where keys are not written (23), the test of deadlocks (26) has nothing to wait for; where bodies are not compared (24),
the made-up requests (11), which have one key, get each other's answers.
"""


def groups() -> Iterator[list[Mutant]]:
    """Each mutant of these checks, beside one of every other check of its group. `make mutants` tries each alone."""
    mutants = load()
    for subject in dict.fromkeys(mutant.subject for mutant in mutants):
        for checks in GROUPS:
            of_each = [
                [mutant for mutant in mutants if (mutant.subject, mutant.check) == (subject, check)]
                for check in sorted(checks)
            ]
            for group in zip_longest(*of_each):
                yield [mutant for mutant in group if mutant is not None]


def single() -> list[Mutant]:
    """The mutants of the other checks, which are tried one at a time."""
    return [mutant for mutant in load() if all(mutant.check not in group for group in GROUPS)]
