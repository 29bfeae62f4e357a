"""Which tests `make test` runs, and the slices that hold the others.

A test belongs to the slice that has a pattern for its id, or else to the main run: a new test is in the main run until
a slice names it. tests/test_slices.py shows that no test is in two slices and that each pattern matches tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools import VARIANTS, ToolError
from tools.releases import load

MAIN = "main"


@dataclass(frozen=True)
class Slice:
    """A part of the tests outside the main run, meant to take 15 minutes at most on two cores."""

    name: str
    contents: str
    patterns: tuple[str, ...]
    """Regular expressions for the beginning of a test's id, after `tests/`."""

    @property
    def files(self) -> list[str]:
        """Those that hold its tests: others need not be collected."""
        return sorted({f"tests/{pattern.partition('::')[0]}".replace("\\", "") for pattern in self.patterns})

    def holds(self, nodeid: str) -> bool:
        return any(re.match(f"tests/{pattern}", nodeid) for pattern in self.patterns)


def _services_of_earlier_releases() -> str:
    """Matches services, as `nest-typeorm-v0.1.0`, of releases before the newest that has their variant."""
    newest = {variant: release for release in load() for variant in release.variants}
    services = [f"{variant}-{entry}" for entry in load() for variant in entry.variants if newest[variant] != entry]
    return "|".join(map(re.escape, services)) or "no such service"


_UPDATES = r"update/test_updates\.py::"
_OWN_CHECKS = "test_an_updated_service_to_which_modules_are_added_passes_its_own_checks"

_MUTANTS = r"mutants/test_mutants\.py::test_(\w+_killed\["
_IN_MODULE = r"what_a_mutant_replaces_is_in_the_service_once\["

SLICES = (
    *(
        Slice(
            f"mutants-{variant}",
            f"each mutant of `{variant}` makes its check fail",
            (rf"{_MUTANTS}{variant}\b|{_IN_MODULE}{variant}-module)",),
        )
        for variant in VARIANTS
        if variant != "next-supabase"
    ),
    # Next.js builds longer than the compilers of the others.
    Slice(
        "mutants-next-supabase-1",
        "each mutant of checks 1 to 36 of `next-supabase` makes it fail",
        (rf"{_MUTANTS}next-supabase(-module)? ([1-9]|[12]\d|3[0-6])\b|{_IN_MODULE}next-supabase-module)",),
    ),
    Slice(
        "mutants-next-supabase-2",
        "the same for checks 37 and above",
        (rf"{_MUTANTS}next-supabase(-module)? (3[7-9]|[4-9]\d)\b)",),
    ),
    Slice(
        "answers-and-scripts",
        "services of all pairs of answers: files, compiler, linter; scripts of a service with a fault",
        (
            rf"test_render\.py::test_\w+\[({'|'.join(VARIANTS)})-(MIT|Apache-2\.0|UNLICENSED)-",
            r"test_service_scripts\.py::test_(format|lint|typecheck|build|db_check|db_generate|openapi_check|a_bad)_",
        ),
    ),
    Slice(
        "own-tests",
        "the own tests of services with default answers",
        (r"test_service_scripts\.py::test_the_tests_of_a_fresh_service_pass\[",),
    ),
    Slice(
        "migrations-and-copier",
        "migrations that lose data or fail on rows; Copier and make, compared with themselves and run again",
        (
            r"test_generated_migrations\.py::test_migration_",
            r"test_copier\.py::",
            r"test_make\.py::test_render_",
            r"update/test_own_migrations\.py::",
            r"update/test_template_update\.py::",
        ),
    ),
    Slice(
        "modules-and-updates",
        "modules of any form; updates from all releases: answers, conflicts, interruptions, recopy",
        (
            r"modules/test_field_lists\.py::",
            r"modules/test_modules\.py::",
            r"modules/test_register\.py::",
            rf"{_UPDATES}(?!{_OWN_CHECKS})\w+\[({_services_of_earlier_releases()})",
            rf"{_UPDATES}(test_an_update_(may|that|of|goes)|test_a_sample|test_a_conflict|test_recopy)",
        ),
    ),
    Slice(
        "updated-nest",
        "updated NestJS services with two modules: their own checks and tests",
        (rf"{_UPDATES}{_OWN_CHECKS}\[nest-",),
    ),
    Slice(
        "benchmarks", "figures follow a service that is slower, later, leaks or has no effect", (r"test_bench\.py::",)
    ),
    Slice("updated-others", "the same for the other variants", (rf"{_UPDATES}{_OWN_CHECKS}\[(?!nest-)",)),
)


def slice_of(nodeid: str) -> str:
    """Returns the name of the slice that a test belongs to, or `main`."""
    return next((each.name for each in SLICES if each.holds(nodeid)), MAIN)


def find(value: str) -> Slice:
    """Returns the slice with a name or number.

    Raises:
        ToolError: no slice has it
    """
    for number, each in enumerate(SLICES, 1):
        if value in {each.name, str(number)}:
            return each
    known = "".join(f"\n  {number:2}  {each.name}" for number, each in enumerate(SLICES, 1))
    given = f"No slice {value!r}" if value else "SLICE is missing"
    raise ToolError(f"{given}. Choose a number or a name, for example: make test-slice SLICE=1{known}")


def of_commit(commit: str) -> Slice:
    """Returns the slice that continuous integration runs for a commit."""
    return SLICES[int(commit, 16) % len(SLICES)]


def table() -> str:
    """Returns the list of slices for CONTRIBUTING.md."""
    rows = [f"| {number} | `{each.name}` | {each.contents} |" for number, each in enumerate(SLICES, 1)]
    return "\n".join(["| | slice | tests |", "| ---: | --- | --- |", *rows])


if __name__ == "__main__":
    print(table())
