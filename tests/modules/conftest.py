"""Services with modules that `copier copy` has written into them."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy

from tools.render import snapshot

MODULAR = ("nest-drizzle", "nest-typeorm")
"""The variants that have modules."""

Fields = list[dict[str, Any]]
SAMPLE = {"nest-drizzle": "projects", "nest-typeorm": "events"}
"""A module of the variant's own domain, that others may refer to."""


def every_type(variant: str) -> Fields:
    """Fields of each type, required and not, unique and indexed where the type can be that."""
    return [
        {"name": "name", "type": "string", "required": True, "unique": True},
        {"name": "nickname", "type": "string", "indexed": True},
        {"name": "summary", "type": "text", "required": True},
        {"name": "notes", "type": "text"},
        {"name": "capacity", "type": "integer", "required": True, "indexed": True},
        {"name": "rank", "type": "integer", "unique": True},
        {"name": "floorArea", "type": "number", "indexed": True},
        {"name": "rating", "type": "number", "required": True},
        {"name": "isOpen", "type": "boolean", "required": True, "indexed": True},
        {"name": "isNew", "type": "boolean"},
        {"name": "opensOn", "type": "date", "indexed": True},
        {"name": "builtOn", "type": "date", "required": True, "unique": True},
        {"name": "inspectedAt", "type": "datetime", "indexed": True},
        {"name": "opensAt", "type": "datetime", "required": True, "unique": True},
        {"name": "externalId", "type": "uuid", "unique": True, "indexed": True},
        {"name": "email", "type": "email", "unique": True, "indexed": True},
        {"name": "status", "type": "enum", "values": ["open", "in_repair"], "required": True, "indexed": True},
        {"name": "mood", "type": "enum", "values": ["good"]},
        {"name": "settings", "type": "json"},
        {"name": "layout", "type": "json", "required": True},
        {"name": "ownerId", "type": "reference", "to": SAMPLE[variant]},
        {"name": "parentId", "type": "reference", "to": "venues"},
    ]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family as it is in the working tree."""
    return snapshot(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def services(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A service of each variant, without packages. Tests work on copies."""
    folder = tmp_path_factory.mktemp("services")
    for variant in MODULAR:
        run_copy(str(template), folder / variant, data={"variant": variant}, defaults=True, quiet=True)
    return {variant: folder / variant for variant in MODULAR}


@pytest.fixture(params=MODULAR)
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
