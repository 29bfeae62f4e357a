"""Checks that could not fail would prove nothing: those of input and concurrency are shown to fail on every run."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import DRIVERS, MODULES
from tests.mutants import Mutant, load
from tests.mutants.workshop import Workshops

# The rest, whose tests wait for timeouts and stopped servers, run in `make mutants`.
ALWAYS = {11, 12, 13, 14, 22, 23, 24, 25, 26}


@pytest.fixture(scope="session")
def workshops(tmp_path_factory: pytest.TempPathFactory) -> Workshops:
    return Workshops(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("mutant", load(), ids=str)
def test_what_a_mutant_replaces_is_in_the_service_once(workshops: Workshops, mutant: Mutant) -> None:
    assert workshops[mutant.subject].applies(mutant)


def test_every_check_of_every_variant_has_a_mutant() -> None:
    mutated = {(mutant.variant, mutant.check) for mutant in load() if not mutant.module}
    assert mutated == {(driver.variant, check) for driver in DRIVERS for check in driver.checks}


def test_every_module_has_mutants_of_what_it_does_itself() -> None:
    """Isolation, where the variant has it, and input; the rest of what a module is checked for is the service's."""
    mutated = {(mutant.variant, mutant.check) for mutant in load() if mutant.module}
    assert mutated >= {(driver.variant, check) for driver in MODULES for check in driver.checks & {6, 7, 13}}


@pytest.mark.parametrize("mutant", [mutant for mutant in load() if mutant.check in ALWAYS], ids=str)
def test_a_mutant_is_killed(workshops: Workshops, mutant: Mutant) -> None:
    verdict, output = workshops[mutant.subject].judge(mutant)
    assert verdict == "killed", output
