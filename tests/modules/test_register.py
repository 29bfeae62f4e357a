"""`npm run module:register` in services whose files were changed: it finds its places, or says which it did not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.copying import edit
from tests.modules.adding import every_type
from tests.modules.conftest import Add
from tools.install import manager

APP = {
    "fastify-bun": "apps/api/src/app.ts",
    "nest-drizzle": "packages/api/src/app.module.ts",
    "nest-prisma": "src/app.module.ts",
    "nest-typeorm": "src/app.module.ts",
    "next-supabase": "lib/auth/identity.ts",
}
"""What names all modules: the application, or the scopes where routes are found by their folders."""

CODES = {
    "fastify-bun": "apps/api/src/shared/lib/errors/problem-catalog.ts",
    "nest-drizzle": "packages/shared/src/errors/codes.ts",
    "nest-prisma": "src/common/errors/problem-catalog.ts",
    "nest-typeorm": "src/common/errors/problem-catalog.ts",
    "next-supabase": "lib/errors/problem-catalog.ts",
}
GRANTS = {
    "fastify-bun": "apps/api/src/shared/db/grants.ts",
    "nest-drizzle": "packages/database/src/grants.ts",
    "nest-prisma": "src/database/grants.ts",
    "nest-typeorm": "src/database/grants.ts",
}
"""Elsewhere a migration has them."""


@dataclass(frozen=True)
class List:
    """A list that a module gets into."""

    file: str
    opening: str
    closing: str
    entry: str
    """What the module is there."""

    def edited(self, text: str) -> str:
        """The same list with a comment before it, behind its bracket and before the one that closes it."""
        name, bracket, closed = self.opening.strip()[:-2], self.opening[-2], self.closing.strip()[0]
        opening = f"{name}\n        {bracket} // ours: {closed} and ' and {self.entry}\n"
        text = text.replace(self.opening, opening).replace(self.closing, f" /* {closed} */{self.closing}")
        return f"// {self.opening.strip()}\n{text}"


NEST = {"opening": "      imports: [\n", "closing": "\n      ],", "entry": "VenuesModule,"}
LISTS = {
    "fastify-bun": List(
        file="packages/shared/src/client/operations.ts",
        opening="export const OPERATIONS = {\n",
        closing="\n} as const satisfies",
        entry="createVenue:",
    ),
    "nest-drizzle": List(file=APP["nest-drizzle"], **NEST),
    "nest-prisma": List(file=APP["nest-prisma"], **NEST),
    "nest-typeorm": List(file=APP["nest-typeorm"], **NEST),
    "next-supabase": List(
        file=CODES["next-supabase"],
        opening="PROBLEMS: Readonly<Record<string, ProblemType>> = {\n",
        closing="\n};",
        entry="VENUE_NOT_FOUND:",
    ),
}
UNUSUAL = {
    "fastify-bun": ("  return app;", "  return ready(app);"),
    "nest-drizzle": ("imports: [", "imports: everything("),
    "nest-prisma": ("imports: [", "imports: everything("),
    "nest-typeorm": ("imports: [", "imports: everything("),
    "next-supabase": ("SCOPES = [", "SCOPES = everything("),
}
"""A place in the application by which it is found, and the same so that it is not."""


def name_of(variant: str, plural: str) -> str:
    """What the application calls a module."""
    if variant == "next-supabase":
        return f"'{plural}:read'"
    return f"{plural}Module" if variant == "fastify-bun" else f"{plural.capitalize()}Module"


def times_of(variant: str) -> int:
    """How often it does: in an import, and in a list."""
    return 1 if variant == "next-supabase" else 2


def runtime(service: Path) -> str:
    return manager(service) if (service / "bun.lock").exists() else "node"


def register(service: Path) -> subprocess.CompletedProcess[str]:
    """The script without what needs packages: the migration, the document, the formatter."""
    manifest = service / ".copier-module.venues"
    if manifest.exists():
        document = json.loads(manifest.read_text())
        document["migration"]["generate"] = document["finish"] = []
        manifest.write_text(json.dumps(document))
    command = [runtime(service), "scripts/register-module.mjs"]
    return subprocess.run(command, cwd=service, env=os.environ, capture_output=True, text=True, check=False)


def text_of(service: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}


@pytest.fixture
def added(service: Path, variant: str, add: Add) -> Path:
    add(service, module_singular="venue", module_fields=every_type(variant))
    return service


def test_each_place_has_its_entry_once(added: Path, variant: str) -> None:
    result = register(added)
    assert result.returncode == 0, result.stdout + result.stderr
    app, name = (added / APP[variant]).read_text(), name_of(variant, "venues")
    assert app.count(name) == times_of(variant)
    if variant in GRANTS:
        assert app.index(f"import {{ {name} }}") < app.index("export ") < app.rindex(name)
        assert (added / GRANTS[variant]).read_text().count("venues: 'SELECT, INSERT, UPDATE, DELETE'") == 1
    assert (added / CODES[variant]).read_text().count("VENUE_NAME_TAKEN: { status: 409") == 1
    assert (added / "README.md").read_text().count("| `VENUE_NOT_FOUND` | 404 |") == 1
    agents = (added / "AGENTS.md").read_text()
    assert re.search(r"(?m)^## Modules\n\n- `\S*(src|lib)/\S*venues/`: venues, at `\S*/venues`;.*\n\n## Never$", agents)
    assert not (added / ".copier-module.venues").exists()


def test_a_second_time_changes_nothing(added: Path) -> None:
    manifest = (added / ".copier-module.venues").read_bytes()
    register(added)
    before = text_of(added)
    assert "There is no module to register" in register(added).stdout
    (added / ".copier-module.venues").write_bytes(manifest)
    result = register(added)
    assert result.returncode == 0, result.stdout + result.stderr
    assert text_of(added) == before


def test_a_second_module_stands_beside_the_first(added: Path, variant: str, add: Add) -> None:
    register(added)
    fields = [{"name": "venueId", "type": "reference", "to": "venues", "required": True}]
    add(added, module_singular="hall", module_fields=fields)
    (added / ".copier-module.halls").rename(added / ".copier-module.venues")
    assert register(added).returncode == 0
    app = (added / APP[variant]).read_text()
    assert app.count(name_of(variant, "venues")) == app.count(name_of(variant, "halls")) == times_of(variant)
    assert (added / "AGENTS.md").read_text().count("## Modules\n") == 1


def test_edited_files_keep_what_was_edited(added: Path, variant: str) -> None:
    edited = LISTS[variant]
    listing, codes = added / edited.file, added / (CODES[variant] if variant in GRANTS else "AGENTS.md")
    listing.write_text(edited.edited(listing.read_text()))
    codes.write_bytes(codes.read_bytes().replace(b"\n", b"\r\n"))
    paths = [listing, codes]
    if variant in GRANTS:
        grants = added / GRANTS[variant]
        edit(grants, "> = {\n", "> = {\n  // venues: nobody may see these }\n  ours: 'SELECT',\n")
        paths.append(grants)
    before = {path: path.read_text().splitlines() for path in paths}

    result = register(added)

    assert result.returncode == 0, result.stdout + result.stderr
    for path, lines in before.items():
        present = path.read_text().splitlines()
        lost = [line for line in lines if line.rstrip(",") not in {each.rstrip(",") for each in present}]
        assert all(re.search(r"/\* []}] \*/", line) for line in lost), lost  # a comma has come between
    assert re.search(rf"(?s) // ours: .*\n{edited.entry}.*{re.escape(edited.closing)}", listing.read_text())
    if variant in GRANTS:
        assert re.search("\n *venues: 'SELECT", (added / GRANTS[variant]).read_text())
    assert codes.read_bytes().count(b"\n") == codes.read_bytes().count(b"\r\n")


def test_what_has_no_place_is_listed_and_the_rest_is_done(added: Path, variant: str) -> None:
    app, name = added / APP[variant], name_of(variant, "venues")
    place, unusual = UNUSUAL[variant]
    edit(app, place, unusual)
    (added / "AGENTS.md").write_text("We know how.\n")

    result = register(added)

    assert result.returncode == 1
    left = {
        "fastify-bun": "behind the other modules: await app.register(venuesModule);",
        "next-supabase": "`SCOPES`: 'venues:read'",
    }
    assert f"- {APP[variant]}, {left.get(variant, 'the list `imports` of the module: VenuesModule')}" in result.stdout
    assert "- AGENTS.md, the list of modules: - `" in result.stdout
    assert "run module:register" in result.stderr
    assert variant == "next-supabase" or f"import {{ {name} }}" in app.read_text()
    assert "VENUE_NOT_FOUND" in (added / CODES[variant]).read_text()
    assert (added / ".copier-module.venues").exists()

    by_hand = {
        "fastify-bun": "  await app.register(venuesModule);\n  return app;",
        "next-supabase": "SCOPES = ['venues:read', 'venues:write',",
    }
    edit(app, unusual, by_hand.get(variant, "imports: [VenuesModule,"))
    (added / "AGENTS.md").unlink()
    result = register(added)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not (added / ".copier-module.venues").exists()


def test_a_file_that_is_gone_is_named_if_anything_depends_on_it(added: Path, variant: str) -> None:
    for name in ("README.md", "AGENTS.md", CODES[variant]):
        (added / name).unlink()
    result = register(added)
    assert result.returncode == 1
    assert f"- {CODES[variant]}, " in result.stdout
    assert "README.md" not in result.stdout


def test_two_modules_with_one_singular_are_refused_before_anything_is_changed(service: Path, add: Add) -> None:
    for plural in ("geese", "flocks"):
        add(service, module_singular="goose", module_plural=plural)
    before = text_of(service)
    result = register(service)
    assert result.returncode == 1
    assert 'One of flocks and one of geese is called "goose"' in result.stderr
    assert text_of(service) == before


def test_an_option_that_there_is_not_is_refused(service: Path) -> None:
    command = [runtime(service), "scripts/register-module.mjs", "--force"]
    result = subprocess.run(command, cwd=service, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "Usage: node scripts/register-module.mjs" in result.stderr


def migrations(service: Path) -> list[str]:
    return sorted(path.name for path in (service / "supabase/migrations").iterdir())


@pytest.fixture
def written(services: Mapping[str, Path], tmp_path: Path, add: Add) -> Path:
    """A service whose migrations are written by the script itself, with a module and one that refers to it."""
    service = Path(shutil.copytree(services["next-supabase"], tmp_path / "service"))
    add(service, module_singular="venue")
    fields = [{"name": "venueId", "type": "reference", "to": "venues", "required": True}]
    add(service, module_singular="hall", module_fields=fields)
    for manifest in service.glob(".copier-module.*"):
        document = json.loads(manifest.read_text())
        document["finish"] = []
        manifest.write_text(json.dumps(document))
    return service


def register_all(service: Path) -> None:
    command = ["node", "scripts/register-module.mjs"]
    result = subprocess.run(command, cwd=service, env=os.environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_migration_that_is_rendered_comes_after_those_that_it_needs_and_the_newest(written: Path) -> None:
    newest = "99990101000000_ours.sql"
    (written / "supabase/migrations" / newest).write_text("SELECT 1;\n")
    before = migrations(written)
    register_all(written)
    assert migrations(written) == [*before, "99990101000001_add_venues.sql", "99990101000002_add_halls.sql"]


@pytest.mark.parametrize(
    "name", ["public.venues", '"public"."venues"', '"venues"', "venues", "IF NOT EXISTS public.venues"]
)
def test_a_table_that_a_migration_creates_already_is_not_created_again(written: Path, name: str) -> None:
    ours = written / "supabase/migrations/20261231000000_ours.sql"
    ours.write_text(f"create table {name} (id uuid);\n")
    register_all(written)
    assert ours.read_text() == f"create table {name} (id uuid);\n"
    assert [each for each in migrations(written) if each.endswith("_venues.sql")] == []
    assert [each for each in migrations(written) if each.endswith("_halls.sql")] != []
