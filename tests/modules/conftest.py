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


class Services(dict[str, Path]):
    """One per variant, written when it is needed."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._template, self._folder = template, folder

    def __missing__(self, variant: str) -> Path:
        self[variant] = self._folder / variant
        run_copy(str(self._template), self[variant], data={"variant": variant}, defaults=True, quiet=True)
        return self[variant]


@pytest.fixture(scope="session")
def services(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A service of each variant, without packages. Tests work on copies."""
    return Services(template, tmp_path_factory.mktemp("services"))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def service(variant: str, services: Mapping[str, Path], tmp_path: Path) -> Path:
    """A service of one's own, without packages."""
    return Path(shutil.copytree(services[variant], tmp_path / "service"))


@pytest.fixture
def refusing(variant: str, services: Mapping[str, Path]) -> Path:
    """The service that all have whose module is refused: nothing is written then."""
    return services[variant]


Add = Callable[..., str]


@pytest.fixture(scope="session")
def add(template: Path) -> Add:
    """Writes a module into a service, and returns what Copier said."""

    def write(service: Path, **answers: object) -> str:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            run_copy(str(template), service, data={"create": "module", **answers}, defaults=True)
        return said.getvalue()

    return write
