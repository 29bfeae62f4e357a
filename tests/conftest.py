"""Rendered, installed and built services that the tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import VARIANTS
from tools.install import install
from tools.render import render
from tools.toolchain import environment

Rendered = Callable[..., Path]
SETTINGS = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "NATS_URL",
    "JWT_KEYS",
    "PORT",
    "HOST",
    "NODE_ENV",
    "LOG_LEVEL",
)
"""What a developer's shell may hold, and would change what a service does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps together, where tests are run by several workers, what shares a built service."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    """The part of the suite that a test is in, and the variant that it is about."""
    part = item.path.parent.name if item.path.parent.name in {"conformance", "mutants"} else item.path.name
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    # A driver, a mutant, a name, or a name with what was answered.
    named = [getattr(value, "variant", value[0] if isinstance(value, tuple) else value) for value in parameters]
    variants = {name for name in named if name in VARIANTS}
    return " ".join([part, *sorted(variants)])


@pytest.fixture(scope="session", autouse=True)
def toolchain_env() -> Iterator[dict[str, str]]:
    """The pinned Node and npm, first on PATH for everything that the tests start, and no settings of a service."""
    changed = {name: value for name, value in environment().items() if name not in SETTINGS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", changed["PATH"])
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        yield changed


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Renders a variant with some answers into a folder of its own."""

    def make(variant: str, **answers: object) -> Path:
        return render(variant, tmp_path_factory.mktemp(variant) / "service", answers)

    return make


@pytest.fixture(scope="session", params=VARIANTS)
def service(request: pytest.FixtureRequest, rendered: Rendered) -> Path:
    """Each variant with its defaults and its packages. Tests read it and run its scripts; they change no file of it."""
    folder = rendered(request.param)
    install(folder)
    return folder


@pytest.fixture(scope="session")
def built_service(service: Path) -> Path:
    """The same after `npm run build`."""
    run(service, "npm", "run", "build")
    return service


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of a service, and shows what it said where it fails."""
    result = subprocess.run(
        command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False, timeout=900
    )
    if check and result.returncode != 0:
        pytest.fail(f"`{' '.join(command)}` ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result
