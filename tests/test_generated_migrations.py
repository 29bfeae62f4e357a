"""Migrations of the variants that generate SQL: several in a row, lost data, and the last release's database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Rendered, run, script
from tests.copying import commit, edit, git
from tools import VARIANTS
from tools.install import install, manager


@dataclass(frozen=True)
class Layout:
    """Where a variant has its schema and its migrations."""

    schema: str
    """The file with a table that has sample rows."""
    anchor: str
    """A line of a column of it, after which one is added."""
    column: str
    """The line of an optional column, for a name in snake_case and one in camelCase."""
    migrations: str
    file: str
    """The SQL of a migration by its name, as a pattern in `migrations`."""


LAYOUTS = {
    "nest-drizzle": Layout(
        "packages/database/src/schema/work.ts",
        "    name: text('name').notNull(),\n",
        "    {camel}: text('{snake}'),\n",
        "packages/database/migrations",
        "*_{name}.sql",
    ),
    "fastify-bun": Layout(
        "apps/api/src/shared/db/schema/chat.ts",
        "    title: text('title').notNull(),\n",
        "    {camel}: text('{snake}'),\n",
        "apps/api/src/shared/db/migrations",
        "*_{name}.sql",
    ),
    "nest-prisma": Layout(
        "prisma/schema.prisma",
        "model Customer {\n",
        '  {camel} String? @map("{snake}")\n',
        "prisma/migrations",
        "*_{name}/migration.sql",
    ),
}
ONLY_WITH_ROWS = """
DO $$ BEGIN
  IF pg_relation_size('users') > 0 THEN RAISE EXCEPTION 'there are users already'; END IF;
END $$;
"""


@pytest.fixture(scope="module", params=[name for name in LAYOUTS if name in VARIANTS])
def committed(request: pytest.FixtureRequest, rendered: Rendered) -> tuple[str, Path]:
    folder = rendered(request.param)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "As it is rendered")
    git(folder, "tag", "v1.0.0")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Next")
    install(folder)
    return request.param, folder


@pytest.fixture
def service(committed: tuple[str, Path]) -> Iterator[tuple[Layout, Path]]:
    """A service in git; what a test changes is undone."""
    variant, folder = committed
    yield LAYOUTS[variant], folder
    git(folder, "checkout", "--quiet", "--force", "main")
    git(folder, "clean", "--quiet", "--force", "-d", "--exclude=node_modules")


def add_column(layout: Layout, folder: Path, snake: str) -> str:
    """Adds an optional column to the schema, and returns its line."""
    first, *rest = snake.split("_")
    line = layout.column.format(snake=snake, camel=first + "".join(map(str.capitalize, rest)))
    edit(folder / layout.schema, layout.anchor, layout.anchor + line)
    return line


def sql(layout: Layout, folder: Path, name: str) -> Path:
    (file,) = (folder / layout.migrations).glob(layout.file.format(name=name))
    return file


def test_five_generated_migrations_apply_one_after_another(service: tuple[Layout, Path]) -> None:
    layout, folder = service
    names = [f"add_hall_{number}" for number in ("one", "two", "three", "four", "five")]
    for name in names:
        add_column(layout, folder, name.removeprefix("add_"))
        script(folder, "db:generate", name)
    files = [sql(layout, folder, name) for name in names]
    assert sorted(files) == files
    for check in ("lint", "typecheck", "db:check"):
        script(folder, check)


def test_migration_that_loses_data_is_written_only_when_that_is_allowed(service: tuple[Layout, Path]) -> None:
    layout, folder = service
    line = add_column(layout, folder, "hall")
    script(folder, "db:generate", "add_hall")
    commit(folder, "Hall")
    edit(folder / layout.schema, line, "")
    result = script(folder, "db:generate", "drop_hall", check=False)
    assert result.returncode == 1
    assert 'DROP COLUMN "hall"' in result.stderr
    assert "--allow-data-loss" in result.stderr
    assert git(folder, "status", "--porcelain", "--", layout.migrations) == ""
    script(folder, "db:generate", "drop_hall", "--allow-data-loss")
    assert 'DROP COLUMN "hall"' in sql(layout, folder, "drop_hall").read_text()
    script(folder, "db:check")
    git(folder, "reset", "--quiet", "--hard", "HEAD~1")


def test_migration_that_fails_on_rows_of_the_last_release_fails_db_check(service: tuple[Layout, Path]) -> None:
    layout, folder = service
    assert "the migrations are those of v1.0.0" in script(folder, "db:check").stdout
    add_column(layout, folder, "hall")
    script(folder, "db:generate", "add_hall")
    file = sql(layout, folder, "add_hall")
    text = file.read_text()
    file.write_text(text + ("--> statement-breakpoint" if layout.file.endswith(".sql") else "") + ONLY_WITH_ROWS)
    result = script(folder, "db:check", check=False)
    assert result.returncode == 1
    assert "The migrations fail on a database of v1.0.0 with its sample rows" in result.stderr
    assert "there are users already" in result.stderr
    file.write_text(text)
    assert "a database of v1.0.0 with its sample rows can be migrated" in script(folder, "db:check").stdout


def test_dashes_before_the_arguments_are_accepted(service: tuple[Layout, Path]) -> None:
    layout, folder = service
    add_column(layout, folder, "hall")
    run(folder, manager(folder), "run", "--silent", "db:generate", "--", "add_hall", "--allow-data-loss")
    assert sql(layout, folder, "add_hall")
