"""Mutants: one-line sabotages of a generated service, each of which a check of the scorecard must notice."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools import VARIANTS

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Mutant:
    """A sabotage, and the test that must fail on it."""

    variant: str
    check: int
    title: str
    file: str
    """Within the rendered service; a pattern where a date is part of the name."""
    find: str
    """Occurs once in the file."""
    replace: str
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
        Mutant(variant=path.stem, **mutant)
        for path in sorted(FOLDER.glob("*.toml"))
        if path.stem in VARIANTS
        for mutant in tomllib.loads(path.read_text())["mutant"]
    ]
