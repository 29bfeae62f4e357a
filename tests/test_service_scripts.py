"""The scripts that a generated service offers: they succeed as it is, and fail when something is wrong."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Rendered, run
from tools.install import install

# A column that no migration knows.
DRIFT = {
    "nest-typeorm": (
        "src/events/event.entity.ts",
        "  @Column('text')\n  venue!: string;\n",
        "  @Column('text')\n  venue!: string;\n\n  @Column('text', { nullable: true })\n  hall!: string | null;\n",
    ),
}


@pytest.fixture
def copy(service: Path, rendered: Rendered) -> Path:
    """The same service once more, for a test that changes it."""
    folder = rendered(variant_of(service))
    install(folder)
    return folder


def variant_of(service: Path) -> str:
    match = re.search(r"(?m)^variant: (.+)$", (service / ".copier-answers.yml").read_text())
    assert match
    return match[1]


def script(service: Path, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(service, "npm", "run", "--silent", name, *(["--", *arguments] if arguments else []), check=check)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has changed: this test needs {old!r} in it"
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", ["lint", "typecheck", "build", "db:check"])
def test_a_fresh_service_passes_its_own(service: Path, name: str) -> None:
    script(service, name)


def test_the_tests_of_a_fresh_service_pass(service: Path) -> None:
    script(service, "test")


def test_the_openapi_document_of_a_fresh_service_is_current(service: Path) -> None:
    script(service, "openapi", "--check")
    assert json.loads((service / "openapi.json").read_text())["openapi"].startswith("3.1")


def test_every_script_of_the_contract_is_there(service: Path) -> None:
    contract = "dev build start services test lint format typecheck openapi bench"
    database = "db:migrate db:generate db:seed db:reset db:check"
    scripts = json.loads((service / "package.json").read_text())["scripts"]
    assert set(f"{contract} {database}".split()) - scripts.keys() == set()


def test_format_leaves_a_fresh_service_as_it_is(copy: Path) -> None:
    before = {path: path.read_bytes() for path in (copy / "src").rglob("*.ts")}
    script(copy, "format")
    assert {path: path.read_bytes() for path in (copy / "src").rglob("*.ts")} == before


def test_lint_fails_on_a_promise_that_nobody_awaits(copy: Path) -> None:
    (copy / "src" / "careless.ts").write_text(
        "async function save(): Promise<void> {}\n\nexport function act(): void {\n  save();\n}\n"
    )
    result = script(copy, "lint", check=False)
    assert result.returncode != 0
    assert "noFloatingPromises" in result.stdout + result.stderr


def test_typecheck_fails_on_a_wrong_type(copy: Path) -> None:
    (copy / "src" / "wrong.ts").write_text("export const capacity: number = 'many';\n")
    result = script(copy, "typecheck", check=False)
    assert result.returncode != 0
    assert "src/wrong.ts" in result.stdout


def test_build_leaves_nothing_of_what_was_built_before(copy: Path) -> None:
    (copy / "dist").mkdir(exist_ok=True)
    (copy / "dist" / "removed.js").write_text("// its source is gone\n")
    script(copy, "build")
    assert (copy / "dist" / "main.js").is_file()
    assert not (copy / "dist" / "removed.js").exists()


def test_db_check_fails_when_the_schema_has_what_no_migration_brings(copy: Path) -> None:
    file, old, new = DRIFT[variant_of(copy)]
    edit(copy / file, old, new)
    result = script(copy, "db:check", check=False)
    assert result.returncode != 0
    assert "hall" in result.stderr
    assert "db:generate" in result.stderr


def test_db_generate_writes_the_missing_migration_and_db_check_passes_then(copy: Path) -> None:
    file, old, new = DRIFT[variant_of(copy)]
    edit(copy / file, old, new)
    script(copy, "db:generate", "AddHall")
    script(copy, "db:check")
    script(copy, "lint")


def test_openapi_check_fails_on_a_stale_document_and_openapi_mends_it(copy: Path) -> None:
    document = copy / "openapi.json"
    current = document.read_text()
    document.write_text(current.replace('"/events"', '"/happenings"', 1))
    result = script(copy, "openapi", "--check", check=False)
    assert result.returncode != 0
    assert "npm run openapi" in result.stderr
    script(copy, "openapi")
    assert document.read_text() == current


def test_openapi_check_fails_when_the_document_is_missing(copy: Path) -> None:
    (copy / "openapi.json").unlink()
    result = script(copy, "openapi", "--check", check=False)
    assert result.returncode != 0
    assert "npm run openapi" in result.stderr
    assert not (copy / "openapi.json").exists()


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("scripts/services.mjs", "--nonsense"), "--nonsense: no such option"),
        (("scripts/dev.mjs", "--nonsense"), "--nonsense: no such option"),
        (("scripts/generate-migration.mjs", "not a name"), "npm run db:generate -- AddSeatRows"),
        (("scripts/generate-migration.mjs",), "npm run db:generate -- AddSeatRows"),
        (("dist/database/cli.js",), "usage: "),
        (("dist/database/cli.js", "drop"), "usage: "),
        (("dist/database/cli.js", "seed", "--seed"), "usage: "),
        (("dist/database/cli.js", "migrate", "--force"), "usage: "),
        (("dist/openapi.cli.js", "--nonsense"), "usage: "),
        (("dist/openapi.cli.js", "nonsense"), "usage: "),
    ],
)
def test_a_bad_argument_gets_one_error_and_changes_nothing(
    built_service: Path, command: tuple[str, ...], hint: str
) -> None:
    document = (built_service / "openapi.json").read_bytes()
    # The configuration is complete: it is not what is complained about. Nothing listens there.
    url = "postgresql://app:app@127.0.0.1:1/app"
    result = run(built_service, "node", *command, check=False, DATABASE_URL=url)
    assert result.returncode == 2
    assert hint.lower() in result.stderr.lower()
    assert "    at " not in result.stderr
    assert result.stdout == ""
    assert (built_service / "openapi.json").read_bytes() == document
