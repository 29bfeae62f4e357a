"""A module with a field of each type, in a service that its user has changed: it is registered, and updated.

That it works at once is seen where services of earlier releases are updated (tests/update), and in tests/conformance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import script
from tests.copying import answers, commit, copier, data, edit, git
from tests.modules.adding import every_type
from tools import VARIANTS
from tools.install import install, manager
from tools.render import snapshot

NEST = """import { Controller, Get, Module } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';

@ApiExcludeController()
@Controller('ours')
export class OursController {
  @Get()
  list(): string[] {
    return ['ours'];
  }
}

@Module({ controllers: [OursController] })
export class OursModule {}
"""
FASTIFY = """import fp from 'fastify-plugin';

export const oursModule = fp(
  async (app) => {
    app.get('/ours', { schema: { hide: true } }, async () => ['ours']);
  },
  { name: 'ours', dependencies: ['auth'] },
);
"""


@dataclass(frozen=True)
class Places:
    """Where a variant has what the tests look at."""

    modules: str
    migrations: str
    app: str
    """The file that names all modules."""

    ours: tuple[str, str]
    """The file of a module that the user writes, and its text."""

    entered: tuple[tuple[str, str], ...]
    """What the user replaces there to enter it, and by what."""

    fields: str
    """A file that names every field of the module."""

    name: str = "VenuesModule"
    """What that file calls the module of the tests."""

    service: str = "venues/venues.service.ts"
    method: str = "  async close(id: string) {\n    return id;\n  }\n\n  async remove("
    """What the user adds to the service, and the method before which it comes."""


def nest(source: str, migrations: str, fields: str = "") -> Places:
    return Places(
        modules=source,
        migrations=migrations,
        app=f"{source}/app.module.ts",
        ours=("ours/ours.module.ts", NEST),
        entered=(
            ("@Module(", "import { OursModule } from './ours/ours.module.js';\n\n@Module("),
            ("imports: [", "imports: [\n        OursModule,"),
        ),
        fields=fields or f"{source}/venues/venues.service.ts",
    )


PLACES = {
    "fastify-bun": Places(
        modules="apps/api/src/modules",
        migrations="apps/api/src/shared/db/migrations",
        app="apps/api/src/app.ts",
        ours=("ours/index.ts", FASTIFY),
        entered=(
            ("\nexport type App", "import { oursModule } from './modules/ours/index.js';\n\nexport type App"),
            ("  return app;", "  await app.register(oursModule);\n  return app;"),
        ),
        name="venuesModule",
        service="venues/service.ts",
        method="    async close(id: string) {\n      return id;\n    },\n\n    async remove(",
        fields="packages/shared/src/schemas/venues.ts",
    ),
    "nest-drizzle": nest("packages/api/src", "packages/database/migrations"),
    "nest-prisma": nest("src", "prisma/migrations", fields="prisma/venues.prisma"),
    "nest-typeorm": nest("src", "src/database/migrations"),
    "next-supabase": Places(
        modules="lib",
        migrations="supabase/migrations",
        app="lib/auth/identity.ts",  # routes are found by their folders: what they have in common is this
        ours=("ours/ours.ts", "export const OURS = 'ours';\n"),
        entered=(("'analytics:read'", "'analytics:read', 'ours:read'"),),
        name="'venues:read'",
        service="venues/venues.ts",
        method="export async function close(id: string) {\n  return id;\n}\n\nexport async function deleteVenue(",
        fields="lib/venues/venue.ts",
    ),
}


@dataclass(frozen=True)
class Grown:
    """A service with its user's work and a module in it, all of it committed."""

    variant: str
    folder: Path
    template: Path
    manifest: bytes
    """What was left to do before it was done."""

    @property
    def places(self) -> Places:
        return PLACES[self.variant]


@pytest.fixture(scope="session", params=VARIANTS)
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    variant: str = request.param
    place = tmp_path_factory.mktemp("grown")
    template, service = snapshot(place / "template"), place / "service"
    git(template, "init", "--quiet", "--initial-branch=main")
    commit(template, "The family")
    result = copier("copy", "--defaults", f"--data=variant={variant}", str(template), str(service), folder=place)
    assert result.returncode == 0, result.stderr
    places = PLACES[variant]
    ours, text = places.ours
    (service / places.modules / ours).parent.mkdir()
    (service / places.modules / ours).write_text(text)
    for old, new in places.entered:
        edit(service / places.app, old, new)
    git(service, "init", "--quiet", "--initial-branch=main")
    install(service)
    pm = manager(service)
    script(service, "format")
    commit(service, "Our service")
    answered = data(service, create="module", module_singular="venue", module_fields=every_type(variant))
    result = copier("copy", "--defaults", *answered, str(template), ".", folder=service)
    assert result.returncode == 0, result.stderr
    assert f"{pm} run module:register" in result.stdout + result.stderr
    manifest = (service / ".copier-module.venues").read_bytes()
    script(service, "module:register")
    commit(service, "Venues")
    return Grown(variant, service, template, manifest)


def test_the_migration_is_the_newest_and_no_other_has_changed(grown: Grown) -> None:
    changed = git(grown.folder, "diff", "--name-status", "HEAD~", "HEAD", "--", grown.places.migrations).splitlines()
    added = [line.split()[1] for line in changed if line.startswith("A") and not line.endswith(".json")]
    assert len(added) == 1
    known = [path for path in (grown.folder / grown.places.migrations).iterdir() if path.name[0].isdigit()]
    # Prisma has a folder for each.
    assert max(path.name for path in known) == Path(added[0]).relative_to(grown.places.migrations).parts[0]
    touched = {Path(line.split()[1]).name for line in changed if line.startswith("M")}
    assert touched <= {"index.ts", "_journal.json"}


def test_a_second_time_changes_nothing(grown: Grown) -> None:
    (grown.folder / ".copier-module.venues").write_bytes(grown.manifest)
    script(grown.folder, "module:register")
    assert git(grown.folder, "status", "--porcelain") == ""


@pytest.fixture
def copy(grown: Grown, tmp_path: Path) -> Grown:
    """The same without packages, to be changed."""
    folder = tmp_path / "service"
    git(tmp_path, "clone", "--quiet", str(grown.folder), str(folder))
    return Grown(grown.variant, folder, grown.template, grown.manifest)


def stored(service: Path) -> Mapping[str, Any]:
    found: dict[str, Any] = yaml.safe_load((service / ".copier-answers.venues.yml").read_text())
    return found


def test_an_update_of_a_module_changes_its_fields_and_keeps_what_its_user_has_written(copy: Grown) -> None:
    places = copy.places
    service = copy.folder / places.modules / places.service
    edit(service, places.method.rpartition("\n")[2], places.method)
    commit(copy.folder, "Our method")
    fields = [*every_type(copy.variant), {"name": "altitude", "type": "integer"}]
    result = copier(
        *("update", "--defaults", "--answers-file", ".copier-answers.venues.yml", "--vcs-ref=HEAD"),
        *data(copy.folder, module_fields=fields),
        folder=copy.folder,
    )
    assert result.returncode == 0, result.stderr
    assert "db:generate" in result.stdout + result.stderr
    assert "altitude" in (copy.folder / places.fields).read_text()
    assert places.method.partition("{")[0] in service.read_text()
    assert stored(copy.folder)["module_fields"] == fields
    assert not (copy.folder / ".copier-module.venues").exists()
    changed = git(copy.folder, "diff", "--name-only", "HEAD").splitlines()
    assert [name for name in changed if not re.search(r"venue", name)] == []
    assert [name for name in changed if name.startswith(copy.places.migrations)] == []


def test_an_update_of_a_module_without_news_changes_nothing(copy: Grown) -> None:
    command = ["update", "--defaults", "--answers-file", ".copier-answers.venues.yml", "--vcs-ref=HEAD"]
    result = copier(*command, folder=copy.folder)
    assert result.returncode == 0, result.stderr
    assert git(copy.folder, "status", "--porcelain") == ""


def test_an_update_of_the_service_leaves_its_module_alone(copy: Grown) -> None:
    before = dict(answers(copy.folder))
    result = copier("update", "--defaults", "--vcs-ref=HEAD", "--data", "ci=none", folder=copy.folder)
    assert result.returncode == 0, result.stderr
    after = dict(answers(copy.folder))
    assert (after.pop("ci"), before.pop("ci")) == ("none", "github")
    assert after == before
    assert not [name for name in git(copy.folder, "diff", "--name-only", "HEAD").splitlines() if "venue" in name]
    assert copy.places.name in (copy.folder / copy.places.app).read_text()


def test_a_recopy_of_the_service_is_none_of_a_module(copy: Grown) -> None:
    result = copier("recopy", "--defaults", "--overwrite", "--vcs-ref=HEAD", folder=copy.folder)
    assert result.returncode == 0, result.stderr
    assert [name for name in answers(copy.folder) if name.startswith("module")] == []
    assert (copy.folder / copy.places.modules / "venues").is_dir()
    package = json.loads((copy.folder / "package.json").read_text())
    runtime = "bun" if manager(copy.folder) == "bun" else "node"
    assert package["scripts"]["module:register"] == f"{runtime} scripts/register-module.mjs"
