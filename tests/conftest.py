"""Rendered, installed and built services that the tests share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tools import VARIANTS
from tools.install import install, manager
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


class ByService(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types of its schedulers
    """Gives to one worker what shares a built service: a part of the suite, for one variant."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, parameters = nodeid.partition("[")
        file = Path(path.partition("::")[0])
        part = file.parent.name if file.parent.name in {"conformance", "mutants"} else file.name
        return " ".join([part, *(name for name in VARIANTS if name in parameters)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByService:
    return ByService(config, log)


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
    run(service, manager(service), "run", "build")
    return service


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of a service, and shows what it said where it fails."""
    result = subprocess.run(
        command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False, timeout=900
    )
    if check and result.returncode != 0:
        pytest.fail(f"`{' '.join(command)}` ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result
