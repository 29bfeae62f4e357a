"""A check that cannot fail proves nothing: each is shown to fail on its mutants, in the slices of this file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import DRIVERS, MODULES
from tests.mutants import Mutant, groups, load, single
from tests.mutants.workshop import Workshops


def name_of(group: list[Mutant]) -> str:
    if len(group) == 1:
        return str(group[0])
    return f"{group[0].subject} {' '.join(str(mutant.check) for mutant in group)}"


@pytest.fixture(scope="session")
def workshops(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshops:
    return Workshops(tmp_path_factory.mktemp("mutants"), shared)


@pytest.mark.parametrize("mutant", load(), ids=str)
def test_what_a_mutant_replaces_is_in_the_service_once(workshops: Workshops, mutant: Mutant) -> None:
    assert workshops[mutant.subject].applies(mutant)


def test_every_check_of_every_variant_has_a_mutant() -> None:
    of_modules = {46}  # tried on services with a module alone, which have the sample's responses too
    mutated = {(mutant.variant, mutant.check) for mutant in load() if not mutant.module or mutant.check in of_modules}
    assert mutated == {(driver.variant, check) for driver in DRIVERS for check in driver.checks}


def test_every_module_has_mutants_of_what_it_does_itself() -> None:
    """Isolation, where the variant has it, and input; the rest of what a module is checked for is the service's."""
    mutated = {(mutant.variant, mutant.check) for mutant in load() if mutant.module}
    assert mutated >= {(driver.variant, check) for driver in MODULES for check in driver.checks & {6, 7, 13}}


@pytest.mark.parametrize("group", list(groups()), ids=name_of)
def test_mutants_are_killed(workshops: Workshops, group: list[Mutant]) -> None:
    verdicts, output = workshops[group[0].subject].judge(*group)
    assert verdicts == dict.fromkeys(group, "killed"), output


@pytest.mark.parametrize("mutant", single(), ids=str)
def test_a_mutant_is_killed(workshops: Workshops, mutant: Mutant) -> None:
    verdicts, output = workshops[mutant.subject].judge(mutant)
    assert verdicts[mutant] == "killed", output
