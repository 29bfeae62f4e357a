"""A module with a field of each type, in a service that its user has changed: it works at once, and is updated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import run
from tests.copying import answers, commit, copier, edit, git
from tests.modules.adding import MODULAR, every_type
from tools.install import install
from tools.render import snapshot

APP = {"nest-drizzle": "packages/api/src", "nest-typeorm": "src"}
MIGRATIONS = {"nest-drizzle": "packages/database/migrations", "nest-typeorm": "src/database/migrations"}
OURS = """import { Controller, Get, Module } from '@nestjs/common';
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


@dataclass(frozen=True)
class Grown:
    """A service with its user's work and a module in it, all of it committed."""

    variant: str
    folder: Path
    template: Path
    manifest: bytes
    """What was left to do before it was done."""


def data(folder: Path, **given: object) -> list[str]:
    file = folder.with_name("data.yml")
    file.write_text(yaml.safe_dump(given))
    return ["--data-file", str(file)]


@pytest.fixture(scope="session", params=MODULAR)
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    variant: str = request.param
    place = tmp_path_factory.mktemp("grown")
    template, service = snapshot(place / "template"), place / "service"
    git(template, "init", "--quiet", "--initial-branch=main")
    commit(template, "The family")
    result = copier("copy", "--defaults", f"--data=variant={variant}", str(template), str(service), folder=place)
    assert result.returncode == 0, result.stderr
    (service / APP[variant] / "ours").mkdir()
    (service / APP[variant] / "ours" / "ours.module.ts").write_text(OURS)
    app = service / APP[variant] / "app.module.ts"
    edit(app, "@Module(", "import { OursModule } from './ours/ours.module.js';\n\n@Module(")
    edit(app, "imports: [", "imports: [\n        OursModule,")
    git(service, "init", "--quiet", "--initial-branch=main")
    install(service)
    run(service, "npm", "run", "format")
    commit(service, "Our service")
    answered = data(service, create="module", module_singular="venue", module_fields=every_type(variant))
    result = copier("copy", "--defaults", *answered, str(template), ".", folder=service)
    assert result.returncode == 0, result.stderr
    assert "npm run module:register" in result.stdout + result.stderr
    manifest = (service / ".copier-module.venues").read_bytes()
    run(service, "npm", "run", "module:register")
    commit(service, "Venues")
    return Grown(variant, service, template, manifest)


@pytest.mark.parametrize("command", ["lint", "typecheck", "db:check", "openapi -- --check"])
def test_a_service_with_a_module_passes_its_own_checks(grown: Grown, command: str) -> None:
    run(grown.folder, "npm", "run", *command.split())


def test_all_tests_of_the_service_and_of_its_module_pass(grown: Grown) -> None:
    run(grown.folder, "npm", "test")


def test_the_migration_is_the_newest_and_no_other_has_changed(grown: Grown) -> None:
    changed = git(grown.folder, "diff", "--name-status", "HEAD~", "HEAD", "--", MIGRATIONS[grown.variant]).splitlines()
    added = [line.split()[1] for line in changed if line.startswith("A") and not line.endswith(".json")]
    assert len(added) == 1
    known = [path for path in (grown.folder / MIGRATIONS[grown.variant]).iterdir() if path.name[0].isdigit()]
    assert max(path.name for path in known) == Path(added[0]).name
    touched = {Path(line.split()[1]).name for line in changed if line.startswith("M")}
    assert touched <= {"index.ts", "_journal.json"}


def test_a_second_time_changes_nothing(grown: Grown) -> None:
    (grown.folder / ".copier-module.venues").write_bytes(grown.manifest)
    run(grown.folder, "npm", "run", "module:register")
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
    service = copy.folder / APP[copy.variant] / "venues" / "venues.service.ts"
    edit(
        service,
        "  async remove(",
        "  /** Ours. */\n  async close(id: string) {\n    return id;\n  }\n\n  async remove(",
    )
    commit(copy.folder, "Our method")
    fields = [*every_type(copy.variant), {"name": "altitude", "type": "integer"}]
    result = copier(
        *("update", "--defaults", "--answers-file", ".copier-answers.venues.yml", "--vcs-ref=HEAD"),
        *data(copy.folder, module_fields=fields),
        folder=copy.folder,
    )
    assert result.returncode == 0, result.stderr
    assert "db:generate" in result.stdout + result.stderr
    assert "altitude" in service.read_text()
    assert "async close(id: string)" in service.read_text()
    assert stored(copy.folder)["module_fields"] == fields
    assert not (copy.folder / ".copier-module.venues").exists()
    changed = git(copy.folder, "diff", "--name-only", "HEAD").splitlines()
    assert [name for name in changed if not re.search(r"venue", name)] == []
    assert [name for name in changed if name.startswith(MIGRATIONS[copy.variant])] == []


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
    assert "VenuesModule" in (copy.folder / APP[copy.variant] / "app.module.ts").read_text()


def test_a_recopy_of_the_service_is_none_of_a_module(copy: Grown) -> None:
    result = copier("recopy", "--defaults", "--overwrite", "--vcs-ref=HEAD", folder=copy.folder)
    assert result.returncode == 0, result.stderr
    assert [name for name in answers(copy.folder) if name.startswith("module")] == []
    assert (copy.folder / APP[copy.variant] / "venues").is_dir()
    package = json.loads((copy.folder / "package.json").read_text())
    assert package["scripts"]["module:register"] == "node scripts/register-module.mjs"


def test_a_module_of_a_reference_that_is_required_works_too(copy: Grown) -> None:
    service = copy.folder
    install(service)
    fields = [
        {"name": "title", "type": "string", "required": True},
        {"name": "venueId", "type": "reference", "to": "venues", "required": True},
    ]
    answered = data(
        service, create="module", module_singular="show-case", module_fields=fields, module_soft_delete=True
    )
    assert copier("copy", "--defaults", *answered, str(copy.template), ".", folder=service).returncode == 0
    run(service, "npm", "run", "module:register")
    for command in (["run", "lint"], ["run", "typecheck"], ["test", "--", "show-cases"]):
        run(service, "npm", *command)
