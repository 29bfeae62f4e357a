"""Services with modules that `copier copy` has written into them."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from copier import run_copy

from tools import VARIANTS


@pytest.fixture(scope="session")
def services(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A service of each variant, without packages. Tests work on copies."""
    folder = tmp_path_factory.mktemp("services")
    for variant in VARIANTS:
        run_copy(str(template), folder / variant, data={"variant": variant}, defaults=True, quiet=True)
    return {variant: folder / variant for variant in VARIANTS}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def service(variant: str, services: Mapping[str, Path], tmp_path: Path) -> Path:
    """A service of one's own, without packages."""
    return Path(shutil.copytree(services[variant], tmp_path / "service"))


Add = Callable[..., str]


@pytest.fixture(scope="session")
def add(template: Path) -> Add:
    """Writes a module into a service, and returns what Copier said."""

    def write(service: Path, **answers: object) -> str:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            run_copy(str(template), service, data={"create": "module", **answers}, defaults=True)
        return said.getvalue()

    return write
