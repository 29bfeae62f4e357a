"""The scripts that a generated service offers: they succeed as it is, and fail when something is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import next_cache
from tests.conftest import Rendered, run, script
from tests.copying import commit, git
from tools.install import install, manager


@dataclass(frozen=True)
class Layout:
    """Where a variant keeps what these tests change and run."""

    source: str
    compiled: str
    migration: tuple[str, ...]
    """What `db:generate` is given: a name as its migrations have them."""
    schema: tuple[str, str, str]
    """A file of the schema, a line of it, and a column of the name `hall` to put behind, which no migration knows."""
    usages: Mapping[tuple[str, ...], str]
    """Commands of its own with bad arguments, and what they say."""
    entry: str = "main.js"
    document: str = "dist/openapi.cli.js"
    """The program behind `openapi`."""
    by_hand: str = ""
    """The SQL of the migration, where `db:generate` makes a file to write it in, as Supabase's CLI does."""


LAYOUTS = {
    "nest-typeorm": Layout(
        source="src",
        compiled="dist",
        migration=("AddHall",),
        schema=(
            "src/events/event.entity.ts",
            "  @Column('text')\n  venue!: string;\n",
            "\n  @Column('text', { nullable: true })\n  hall!: string | null;\n",
        ),
        usages={
            ("scripts/generate-migration.mjs", "not a name"): "npm run db:generate -- AddSeatRows",
            ("scripts/generate-migration.mjs",): "npm run db:generate -- AddSeatRows",
            ("dist/database/cli.js",): "usage: ",
            ("dist/database/cli.js", "drop"): "usage: ",
            ("dist/database/cli.js", "seed", "--seed"): "usage: ",
            ("dist/database/cli.js", "migrate", "--force"): "usage: ",
        },
    ),
    "nest-drizzle": Layout(
        source="packages/api/src",
        compiled="packages/api/dist",
        migration=("add_hall",),
        schema=(
            "packages/database/src/schema/work.ts",
            "    description: text('description').notNull().default(''),\n",
            "    hall: text('hall'),\n",
        ),
        usages={
            ("scripts/generate-migration.mjs", "NotAName"): "npm run db:generate -- add_invoices",
            ("scripts/generate-migration.mjs",): "npm run db:generate -- add_invoices",
            ("packages/database/dist/cli.js",): "usage: ",
            ("packages/database/dist/cli.js", "drop"): "usage: ",
            ("packages/database/dist/cli.js", "seed", "--seed"): "usage: ",
            ("packages/database/dist/cli.js", "migrate", "--force"): "usage: ",
        },
        document="packages/api/dist/openapi.cli.js",
    ),
    "fastify-bun": Layout(
        source="apps/api/src",
        compiled="apps/api/dist",
        migration=("--name", "add_hall"),
        schema=(
            "apps/api/src/shared/db/schema/chat.ts",
            "    title: text('title').notNull(),\n",
            "    hall: text('hall'),\n",
        ),
        usages={
            ("apps/api/dist/cli.js",): "usage: ",
            ("apps/api/dist/cli.js", "drop"): "usage: ",
            ("apps/api/dist/cli.js", "seed", "--seed"): "usage: ",
            ("apps/api/dist/cli.js", "migrate", "--force"): "usage: ",
            ("apps/api/dist/rotate.cli.js", "--force"): "usage: ",
        },
        entry="index.js",
        document="apps/api/src/openapi.cli.ts",
    ),
    "nest-prisma": Layout(
        source="src",
        compiled="dist",
        migration=("add_hall",),
        schema=(
            "prisma/schema.prisma",
            '  websiteUrl     String?        @map("website_url")\n',
            "  hall           String?\n",
        ),
        usages={
            ("scripts/generate-migration.mjs", "NotAName"): "npm run db:generate -- add_invoices",
            ("scripts/generate-migration.mjs",): "npm run db:generate -- add_invoices",
            ("dist/database/cli.js",): "usage: ",
            ("dist/database/cli.js", "drop"): "usage: ",
            ("dist/database/cli.js", "seed", "--seed"): "usage: ",
            ("dist/database/cli.js", "migrate", "--force"): "usage: ",
        },
    ),
    "next-supabase": Layout(
        source="lib",
        compiled="dist/server",
        migration=("add_hall",),
        schema=(
            "lib/database.types.ts",
            "          expires_at: string | null;\n",
            "          hall: string | null;\n",
        ),
        usages={
            ("scripts/database.mjs",): "usage: ",
            ("scripts/database.mjs", "drop"): "usage: ",
            ("scripts/database.mjs", "seed", "--seed"): "usage: ",
            ("scripts/database.mjs", "migrate", "--force"): "usage: ",
        },
        document="scripts/openapi.mjs",
        by_hand="ALTER TABLE api_keys ADD COLUMN hall text;\n",
    ),
}


@pytest.fixture(scope="module")
def committed(service: Path, rendered: Rendered, shared: Path) -> Path:
    """The same service once more, in git."""
    folder = rendered(variant_of(service))
    git(folder, "init", "--quiet")
    commit(folder, "As it is rendered")
    install(folder)
    next_cache.take(folder, shared)
    return folder


@pytest.fixture(scope="module")
def built_service(service: Path) -> Path:
    """The same after `npm run build`, which replaced the build of a source that is gone."""
    compiled = service / layout(service).compiled
    compiled.mkdir(parents=True, exist_ok=True)
    (compiled / "removed.js").write_text("// its source is gone\n")
    script(service, "build")
    return service


@pytest.fixture
def copy(committed: Path) -> Iterator[Path]:
    """A service for a test that changes it: it is brought back to what it was, for the next one."""
    yield committed
    git(committed, "checkout", "--quiet", "--force", "HEAD")
    git(committed, "clean", "--quiet", "--force", "-dx", "--exclude=node_modules", "--exclude=.next/cache")


def variant_of(service: Path) -> str:
    match = re.search(r"(?m)^variant: (.+)$", (service / ".copier-answers.yml").read_text())
    assert match
    return match[1]


def layout(service: Path) -> Layout:
    return LAYOUTS[variant_of(service)]


def add_a_column(service: Path) -> None:
    file, line, column = layout(service).schema
    text = (service / file).read_text()
    assert text.count(line) == 1, f"{file} has changed: this test needs {line!r} in it"
    (service / file).write_text(text.replace(line, line + column))


@pytest.mark.parametrize("name", ["lint", "typecheck", "db:check"])
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
    source = copy / layout(copy).source
    before = {path: path.read_bytes() for path in source.rglob("*.ts")}
    assert before
    script(copy, "format")
    assert {path: path.read_bytes() for path in source.rglob("*.ts")} == before


def test_lint_fails_on_a_promise_that_nobody_awaits(copy: Path) -> None:
    (copy / layout(copy).source / "careless.ts").write_text(
        "async function save(): Promise<void> {}\n\nexport function act(): void {\n  save();\n}\n"
    )
    result = script(copy, "lint", check=False)
    assert result.returncode != 0
    assert "noFloatingPromises" in result.stdout + result.stderr


def test_typecheck_fails_on_a_wrong_type(copy: Path) -> None:
    source = copy / layout(copy).source
    (source / "wrong.ts").write_text("export const capacity: number = 'many';\n")
    result = script(copy, "typecheck", check=False)
    assert result.returncode != 0
    assert f"{source.name}/wrong.ts" in result.stdout


def test_build_leaves_nothing_of_what_was_built_before(built_service: Path) -> None:
    own = layout(built_service)
    assert (built_service / own.compiled / own.entry).is_file()
    assert not (built_service / own.compiled / "removed.js").exists()


def test_db_check_fails_when_the_schema_has_what_no_migration_brings(copy: Path) -> None:
    add_a_column(copy)
    result = script(copy, "db:check", check=False)
    assert result.returncode != 0
    assert "hall" in result.stderr
    assert "db:generate" in result.stderr


def test_db_generate_writes_the_missing_migration_and_db_check_passes_then(copy: Path) -> None:
    by_hand = layout(copy).by_hand
    if not by_hand:
        add_a_column(copy)
    script(copy, "db:generate", *layout(copy).migration)
    if by_hand:
        (migration,) = copy.glob("supabase/migrations/*_add_hall.sql")
        assert migration.read_text() == ""
        migration.write_text(by_hand)
        script(copy, "db:types")
    script(copy, "db:check")
    script(copy, "lint")


def test_openapi_check_fails_on_a_stale_document_and_openapi_mends_it(copy: Path) -> None:
    document = copy / "openapi.json"
    current = document.read_text()
    path = next(iter(json.loads(current)["paths"]))
    document.write_text(current.replace(f'"{path}"', '"/happenings"', 1))
    result = script(copy, "openapi", "--check", check=False)
    assert result.returncode != 0
    assert f"{manager(copy)} run openapi" in result.stderr
    script(copy, "openapi")
    assert document.read_text() == current


def test_openapi_check_fails_when_the_document_is_missing(copy: Path) -> None:
    (copy / "openapi.json").unlink()
    result = script(copy, "openapi", "--check", check=False)
    assert result.returncode != 0
    assert f"{manager(copy)} run openapi" in result.stderr
    assert not (copy / "openapi.json").exists()


def test_a_bad_argument_gets_one_error_and_changes_nothing(built_service: Path) -> None:
    own = layout(built_service)
    program = "bun" if manager(built_service) == "bun" else "node"
    usages = {
        ("scripts/services.mjs", "--nonsense"): "--nonsense: no such option",
        ("scripts/dev.mjs", "--nonsense"): "--nonsense: no such option",
        (own.document, "--nonsense"): "usage: ",
        (own.document, "nonsense"): "usage: ",
        **own.usages,
    }
    document = (built_service / "openapi.json").read_bytes()
    # The configuration is complete: it is not what is complained about. Nothing listens there.
    url = "postgresql://app:app@127.0.0.1:1/app"
    for command, hint in usages.items():
        result = run(built_service, program, *command, check=False, DATABASE_URL=url)
        assert result.returncode == 2, command
        assert hint.lower() in result.stderr.lower(), command
        assert "    at " not in result.stderr, command
        assert result.stdout == "", command
    assert (built_service / "openapi.json").read_bytes() == document
