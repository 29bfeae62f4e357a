"""`npm run module:register` in services whose files were changed: it finds its places, or says which it did not."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.copying import edit
from tests.modules.adding import every_type
from tests.modules.conftest import Add

APP = {"nest-drizzle": "packages/api/src/app.module.ts", "nest-typeorm": "src/app.module.ts"}
CODES = {
    "nest-drizzle": "packages/shared/src/errors/codes.ts",
    "nest-typeorm": "src/common/errors/problem-catalog.ts",
}
GRANTS = {"nest-drizzle": "packages/database/src/grants.ts", "nest-typeorm": "src/database/grants.ts"}


def register(service: Path) -> subprocess.CompletedProcess[str]:
    """The script without what needs packages: the migration, the document, the formatter."""
    manifest = service / ".copier-module.venues"
    if manifest.exists():
        document = json.loads(manifest.read_text())
        document["migration"]["generate"] = document["finish"] = []
        manifest.write_text(json.dumps(document))
    command = ["node", "scripts/register-module.mjs"]
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
    app = (added / APP[variant]).read_text()
    assert app.count("VenuesModule") == 2
    assert app.index("import { VenuesModule }") < app.index("@Module(") < app.rindex("VenuesModule,")
    assert (added / GRANTS[variant]).read_text().count("venues: 'SELECT, INSERT, UPDATE, DELETE'") == 1
    assert (added / CODES[variant]).read_text().count("VENUE_NAME_TAKEN: { status: 409") == 1
    assert (added / "README.md").read_text().count("| `VENUE_NOT_FOUND` | 404 |") == 1
    agents = (added / "AGENTS.md").read_text()
    assert re.search(r"(?m)^## Modules\n\n- `\S*src/venues/`: venues, at `/venues`;.*\n\n## Never$", agents)
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
    assert app.count("VenuesModule") == app.count("HallsModule") == 2
    assert (added / "AGENTS.md").read_text().count("## Modules\n") == 1


def test_edited_files_keep_what_was_edited(added: Path, variant: str) -> None:
    app, grants, codes = (added / names[variant] for names in (APP, GRANTS, CODES))
    text = app.read_text()
    text = text.replace("      imports: [\n", "      imports:\n        [ // ours: ] and ' and VenuesModule\n")
    app.write_text("// imports: [\n" + text.replace("\n      ],", " /* ] */\n      ]"))
    edit(grants, "> = {\n", "> = {\n  // venues: nobody may see these }\n  ours: 'SELECT',\n")
    codes.write_bytes(codes.read_bytes().replace(b"\n", b"\r\n"))
    before = {path: path.read_text().splitlines() for path in (app, grants, codes)}

    result = register(added)

    assert result.returncode == 0, result.stdout + result.stderr
    for path, lines in before.items():
        present = path.read_text().splitlines()
        lost = [line for line in lines if line.rstrip(",") not in {each.rstrip(",") for each in present}]
        assert all("/* ] */" in line for line in lost), lost  # a comma has come between
    assert re.search(r"(?s)imports:\s*\[ // ours.*\bVenuesModule,.*\]", app.read_text())
    assert "  venues: 'SELECT" in grants.read_text() or "\nvenues: 'SELECT" in grants.read_text()
    assert codes.read_bytes().count(b"\n") == codes.read_bytes().count(b"\r\n")


def test_what_has_no_place_is_listed_and_the_rest_is_done(added: Path, variant: str) -> None:
    app = added / APP[variant]
    app.write_text(app.read_text().replace("imports: [", "imports: everything(").replace("      ],\n", "      ),\n"))
    (added / "AGENTS.md").write_text("We know how.\n")

    result = register(added)

    assert result.returncode == 1
    assert f"- {APP[variant]}, the list `imports` of the module: VenuesModule" in result.stdout
    assert "- AGENTS.md, the list of modules: - `" in result.stdout
    assert "npm run module:register" in result.stderr
    assert "import { VenuesModule }" in app.read_text()
    assert "VENUE_NOT_FOUND" in (added / CODES[variant]).read_text()
    assert (added / ".copier-module.venues").exists()

    text = (
        app.read_text()
        .replace("imports: everything(", "imports: [\n VenuesModule,")
        .replace("      ),\n", "      ],\n")
    )
    app.write_text(text)
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


def test_an_option_that_there_is_not_is_refused(service: Path) -> None:
    command = ["node", "scripts/register-module.mjs", "--force"]
    result = subprocess.run(command, cwd=service, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "Usage: node scripts/register-module.mjs" in result.stderr
