"""Packages of rendered services: what installs have in common is there once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Rendered
from tools import ToolError
from tools.install import install


def installed(service: Path) -> dict[str, str]:
    """The versions of the packages below node_modules/, by their paths."""
    found = (service / "node_modules").glob("**/package.json")
    names = [path.relative_to(service).parent for path in found]
    packages = [name for name in names if name.parts[-2] == "node_modules" or name.parts[-2].startswith("@")]
    return {
        str(name): json.loads((service / name / "package.json").read_text()).get("version", "") for name in packages
    }


def locked(service: Path) -> dict[str, str]:
    packages = json.loads((service / "package-lock.json").read_text())["packages"]
    return {path: package["version"] for path, package in packages.items() if path and not package.get("link")}


def test_an_install_for_other_answers_has_what_its_lockfile_says_and_shares_the_rest(rendered: Rendered) -> None:
    default, lean = rendered("nest-drizzle"), rendered("nest-drizzle", queue="none", messaging="none")
    install(default)
    install(lean)
    assert installed(lean).keys() < installed(default).keys()
    assert installed(lean).items() <= locked(lean).items()
    assert "node_modules/bullmq" in locked(default).keys() - installed(lean).keys()
    file = "node_modules/zod/package.json"
    assert (default / file).samefile(lean / file)


def test_a_lockfile_that_does_not_fit_is_refused(rendered: Rendered) -> None:
    service = rendered("nest-drizzle")
    install(rendered("nest-drizzle"))  # which this one would be completed from
    manifest = service / "package.json"
    manifest.write_text(
        manifest.read_text().replace('"devDependencies": {', '"devDependencies": {\n    "is-number": "7.0.0",')
    )
    with pytest.raises(ToolError, match="does not fit"):
        install(service)
