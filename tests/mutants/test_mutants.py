"""Checks that could not fail would prove nothing: those of input and concurrency are shown to fail on every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import DRIVERS
from tests.mutants import Mutant, load
from tests.mutants.workshop import Workshop

# The rest, whose tests wait for timeouts and stopped servers, run in `make mutants`.
ALWAYS = {11, 12, 13, 14, 22, 23, 24, 25, 26}


class Workshops(dict[str, Workshop]):
    """One per variant, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __missing__(self, variant: str) -> Workshop:
        self[variant] = Workshop(variant, self._folder)
        return self[variant]


@pytest.fixture(scope="session")
def workshops(tmp_path_factory: pytest.TempPathFactory) -> Workshops:
    return Workshops(tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("mutant", load(), ids=str)
def test_what_a_mutant_replaces_is_in_the_service_once(workshops: Workshops, mutant: Mutant) -> None:
    assert workshops[mutant.variant].applies(mutant)


def test_every_check_of_every_variant_has_a_mutant() -> None:
    mutated = {(mutant.variant, mutant.check) for mutant in load()}
    assert mutated == {(driver.variant, check) for driver in DRIVERS for check in driver.checks}


@pytest.mark.parametrize("mutant", [mutant for mutant in load() if mutant.check in ALWAYS], ids=str)
def test_a_mutant_is_killed(workshops: Workshops, mutant: Mutant) -> None:
    verdict, output = workshops[mutant.variant].judge(mutant)
    assert verdict == "killed", output
