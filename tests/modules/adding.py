"""What a user does for a module: `copier copy`, then `npm run module:register`."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from copier import run_copy

from tests.conftest import run
from tools.install import install, manager
from tools.render import render, snapshot

Fields = list[dict[str, Any]]
SAMPLE = {
    "fastify-bun": "chats",
    "nest-drizzle": "projects",
    "nest-prisma": "customers",
    "nest-typeorm": "events",
    "next-supabase": "projects",
}
"""A module of the variant's own domain, that others may refer to."""


def every_type(variant: str, plural: str = "venues") -> Fields:
    """Fields of each type, required and not, unique and indexed where the type can be that.

    Args:
        plural: of the module that has them, to which one of them refers
    """
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
        {"name": "parentId", "type": "reference", "to": plural},
    ]


def add_module(service: Path, answers: Mapping[str, object]) -> None:
    """Writes a module of the working tree's template into an installed service, and makes it part of that."""
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        run_copy(str(snapshot(Path(folder))), service, data={**answers}, defaults=True, quiet=True)
    run(service, manager(service), "run", "module:register")


def service_with_module(variant: str, answers: Mapping[str, object], service: Path, shared: Path) -> Path:
    """A service with its packages and a module: written once, by whoever needs it first, and copied for all others.

    Args:
        shared: a folder of this run, which all workers know
    """
    first = shared / "with-module" / variant
    first.parent.mkdir(exist_ok=True)
    with first.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not first.exists():
            draft = render(variant, first.with_suffix(".draft"))
            install(draft)
            add_module(draft, answers)
            draft.rename(first)
    shutil.copytree(first, service, ignore=shutil.ignore_patterns("node_modules"))
    install(service)
    return service
