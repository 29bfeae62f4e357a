"""That no check is forgotten: each that applies to a built variant has a driver that declares it, tests and mutants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.conftest import DRIVERS
from tests.conformance.drivers import Driver
from tests.conformance.scorecard import CHECKS, applicable
from tools import ROOT, VARIANTS


def test_every_built_variant_has_a_driver() -> None:
    assert sorted(driver.variant for driver in DRIVERS) == sorted(VARIANTS)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.variant)
def test_a_driver_declares_what_the_scorecard_asks_of_its_variant(driver: Driver) -> None:
    assert driver.checks == applicable(driver.variant)


def test_every_check_of_a_built_variant_has_tests() -> None:
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    marked = {int(number) for source in sources for number in re.findall(r"pytest\.mark\.check\((\d+)\)", source)}
    assert marked >= {check.number for check in CHECKS if not check.variants.isdisjoint(VARIANTS)}


def test_the_readme_counts_the_checks() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"must survive {len(CHECKS)} black-box checks" in text
    assert {name: int(number) for number, name in re.findall(r"(\d+)(?: checks apply)? to `([\w-]+)`", text)} == {
        variant: len(applicable(variant)) for variant in VARIANTS
    }
