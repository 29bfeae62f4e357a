"""Migrations after the first one: generating several, keeping data, and upgrading a database with rows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Rendered, script
from tests.copying import commit, edit, git
from tools import ROOT
from tools.install import install

LOSSES = [
    "DROP TABLE venues",
    "alter table venues drop column name",
    'ALTER TABLE "venues" ADD "hall" text, DROP "name"',
    "DROP SCHEMA old CASCADE",
    "TRUNCATE venues",
    "DELETE FROM venues",
    "UPDATE venues SET name = ''",
    "WITH old AS (SELECT 1) DELETE FROM venues",
    "ALTER TABLE venues ALTER COLUMN price TYPE integer",
    "ALTER TABLE venues ALTER price SET DATA TYPE numeric(4, 1) USING price::numeric",
    "ALTER TABLE venues ALTER COLUMN name TYPE varchar(9) USING name::varchar(9)",
    "-- DROP is meant\n/* yes */ DROP TABLE venues",
]
SAFE = [
    "CREATE TABLE venues (name text DEFAULT 'DROP TABLE venues; DELETE FROM venues')",
    'ALTER TABLE "DROP" ADD COLUMN "drop column" text',
    "ALTER TABLE venues DROP CONSTRAINT a, ALTER name DROP NOT NULL, ALTER name DROP DEFAULT",
    "ALTER TABLE venues RENAME COLUMN name TO title",
    "ALTER TABLE venues ALTER COLUMN name TYPE varchar(4000)",
    'ALTER TABLE venues ALTER COLUMN name TYPE "mood" USING name::text::"mood"',
    "DROP INDEX venues_name",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN; DELETE FROM venues; END $$",
    "-- DROP TABLE venues",
    "CREATE POLICY venues_delete ON venues FOR DELETE USING (true)",
    "GRANT DELETE, UPDATE ON venues TO app",
    "CREATE TRIGGER t BEFORE UPDATE ON venues EXECUTE FUNCTION f()",
]


def lost(*scripts: str) -> str:
    """What the check of generated SQL reports."""
    program = f"""
        import {{ assertNoDataLoss }} from {json.dumps(str(ROOT / "template/scripts/data-loss.mjs"))};
        try {{ assertNoDataLoss({json.dumps(scripts)}, false) }} catch (error) {{ process.stdout.write(error.message) }}
    """
    command = ["node", "--input-type=module", "--eval", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("statement", LOSSES)
def test_statement_that_loses_data_is_named(statement: str) -> None:
    assert " ".join(statement.rpartition("*/")[2].split()) + ";" in lost(
        f"{'; '.join(SAFE[:2])}; {statement};\nSELECT 1"
    )


def test_statements_that_keep_data_pass() -> None:
    assert lost(*SAFE) == lost(";\n".join(SAFE)) == ""


@pytest.fixture(scope="module")
def committed(rendered: Rendered) -> Path:
    folder = rendered("nest-typeorm")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "As it is rendered")
    install(folder)
    return folder


@pytest.fixture
def service(committed: Path) -> Iterator[Path]:
    """A service in git; what a test changes is undone."""
    yield committed
    git(committed, "checkout", "--quiet", "--force", "main")
    git(committed, "clean", "--quiet", "--force", "-dx", "--exclude=node_modules")


EVENT = "src/events/event.entity.ts"
VENUE = "  @Column('text')\n  venue!: string;\n"
MIGRATIONS = "src/database/migrations"


def generated(service: Path, name: str) -> str:
    (migration,) = (service / MIGRATIONS).glob(f"*-{name}.ts")
    return migration.read_text()


def test_third_generated_migration_compiles_and_applies(service: Path) -> None:
    column = VENUE
    for name in ("One", "Two", "Three"):
        added = f"\n  @Column('text', {{ nullable: true }})\n  hall{name}!: string | null;\n"
        edit(service / EVENT, column, column + added)
        script(service, "db:generate", f"AddHall{name}")
    for check in ("typecheck", "lint", "db:check"):
        script(service, check)
    index = (service / MIGRATIONS / "index.ts").read_text()
    assert index.index("AddHallOne") < index.index("AddHallTwo") < index.index("AddHallThree")


def test_changed_type_of_a_column_converts_its_values(service: Path) -> None:
    edit(service / EVENT, "@Column('text', { default: '' })", "@Column('varchar', { length: 4_000, default: '' })")
    edit(service / EVENT, "@Column('integer')\n  price", "@Column('bigint')\n  price")
    script(service, "db:generate", "LimitDescriptions")
    migration = generated(service, "LimitDescriptions")
    assert 'ALTER COLUMN "description" TYPE character varying(4000) USING "description"::text' in migration
    assert 'ALTER COLUMN "price" TYPE bigint' in migration
    assert "DROP COLUMN" not in migration
    script(service, "db:check")


def test_migration_that_loses_data_is_written_only_when_that_is_allowed(service: Path) -> None:
    edit(service / EVENT, VENUE, VENUE.replace("'text'", "{ name: 'place', type: 'text' }"))
    edit(service / EVENT, "@Column('text', { default: '' })", "@Column('integer', { default: 0 })")
    edit(service / EVENT, "@Column('integer')\n  price", "@Column('smallint')\n  price")
    result = script(service, "db:generate", "Lossy", check=False)
    assert result.returncode == 1
    assert 'ALTER TABLE "events" DROP COLUMN "venue"' in result.stderr
    assert 'ALTER TABLE "events" DROP COLUMN "price"' in result.stderr
    assert 'DROP COLUMN "description"' not in result.stderr  # PostgreSQL refuses text that is no number
    assert "--allow-data-loss" in result.stderr
    assert git(service, "status", "--porcelain", "--", "src/database") == ""
    script(service, "db:generate", "Lossy", "--allow-data-loss")
    assert 'DROP COLUMN "venue"' in generated(service, "Lossy")


FAILING = """import type {{ MigrationInterface, QueryRunner }} from 'typeorm';

export class {name} implements MigrationInterface {{
  name = '{name}';
  {transaction}
  async up(queryRunner: QueryRunner): Promise<void> {{
    {statements}
  }}

  async down(): Promise<void> {{}}
}}
"""


def write_migration(service: Path, name: str, *statements: str, transaction: str = "") -> None:
    calls = "\n    ".join(f"await queryRunner.query(`{statement}`);" for statement in statements)
    stamp = name[-13:]
    text = FAILING.format(name=name, statements=calls, transaction=transaction)
    (service / MIGRATIONS / f"{stamp}-{name[:-13]}.ts").write_text(text)
    index = service / MIGRATIONS / "index.ts"
    edit(index, "import { C", f"import {{ {name} }} from './{stamp}-{name[:-13]}.js';\nimport {{ C")
    edit(index, "];", f", {name}];")


def test_migration_that_fails_on_sample_rows_fails_db_check_with_the_reason(service: Path) -> None:
    git(service, "tag", "v1.0.0")
    git(service, "commit", "--quiet", "--allow-empty", "--message", "Next")
    assert "the migrations are those of v1.0.0" in script(service, "db:check").stdout
    write_migration(service, "AddHall4000000000000", "ALTER TABLE events ADD hall text NOT NULL")
    edit(service / EVENT, VENUE, f"{VENUE}\n  @Column('text')\n  hall!: string;\n")
    edit(service / "src/database/seed.ts", "    description: '',", "    description: '',\n    hall: '',")
    result = script(service, "db:check", check=False)
    assert result.returncode == 1
    assert "The migrations fail on a database of v1.0.0 with its sample rows" in result.stderr
    assert "AddHall4000000000000 failed: column" in result.stderr
    assert "Statement: ALTER TABLE events ADD hall text NOT NULL" in result.stderr
    edit(service / MIGRATIONS / "4000000000000-AddHall.ts", "NOT NULL", "NOT NULL DEFAULT ''")
    edit(service / EVENT, "@Column('text')\n  hall", "@Column('text', { default: '' })\n  hall")
    assert "a database of v1.0.0 with its sample rows can be migrated" in script(service, "db:check").stdout


def test_migration_without_transaction_builds_an_index_concurrently(service: Path) -> None:
    statement = 'CREATE INDEX CONCURRENTLY "IDX_events_venue" ON events (venue)'
    write_migration(service, "IndexVenues4000000000000", statement, transaction="readonly transaction = false;")
    edit(service / EVENT, "@Entity('events')", "@Entity('events')\n@Index('IDX_events_venue', ['venue'])")
    script(service, "db:check")


def test_migration_that_fails_leaves_nothing_of_itself(service: Path) -> None:
    write_migration(service, "Two4000000000000", "CREATE TABLE two (n int)", "SELECT 1 / 0")
    result = script(service, "db:migrate", check=False)
    assert result.returncode == 1
    assert "Two4000000000000 failed: division by zero" in result.stderr
    edit(service / MIGRATIONS / "4000000000000-Two.ts", "SELECT 1 / 0", "SELECT 1")
    assert "applied Two4000000000000" in script(service, "db:migrate").stdout
