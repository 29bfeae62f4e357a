"""What every service promises about its database: a role that owns nothing, and migrations that may run at once."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Connect
from tests.conformance.drivers import Driver
from tests.conformance.processes import PATIENCE, Postgres, environment, eventually

Database = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def application(postgres: Postgres) -> Iterator[Database]:
    """A connection of the role that the running service uses."""
    with psycopg.connect(postgres.env["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def test_the_running_service_uses_a_role_that_owns_nothing_and_may_do_nothing_special(application: Database) -> None:
    rights = "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles"
    assert application.execute(f"{rights} WHERE rolname = current_user".encode()).fetchone() == (False,) * 5
    for catalog, owner in {"pg_class": "relowner", "pg_namespace": "nspowner", "pg_proc": "proowner"}.items():
        owned = f"SELECT count(*) FROM {catalog} WHERE {owner} = current_user::regrole"  # noqa: S608 - names of the loop
        assert application.execute(owned.encode()).fetchone() == (0,)
    databases = "SELECT count(*) FROM pg_database WHERE datdba = current_user::regrole"
    assert application.execute(databases.encode()).fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE mine (id int)", "CREATE SCHEMA mine", "CREATE TEMPORARY TABLE mine (id int)", "CREATE ROLE mine"],
)
def test_the_running_service_cannot_create_anything(application: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(statement.encode())


def test_the_running_service_cannot_change_or_empty_a_table(application: Database, database: Database) -> None:
    tables = database.execute("SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables
    for (table,) in tables:
        for statement in (f"ALTER TABLE {table} ADD mine int", f"DROP TABLE {table}", f"TRUNCATE {table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement.encode())


def test_migrations_that_run_at_once_wait_for_each_other(
    driver: Driver, folder: Path, empty_database: dict[str, str]
) -> None:
    running = [
        subprocess.Popen(
            driver.migrate, cwd=folder, env=environment(empty_database), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]

    for process in running:
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, error.decode()


async def test_every_session_of_a_service_has_its_timeouts(
    driver: Driver, api: httpx.AsyncClient, connect: Connect
) -> None:
    """A lock that is never given up ends the wait of each session, whichever statement it runs."""
    resource = (await driver.create().send(api)).json()["id"]
    holder = connect()
    holder.execute(driver.lock.encode(), {"resource": resource})

    answer = await driver.change(resource, 1, name="x").send(api)

    assert answer.status_code == 503
    await asyncio.to_thread(eventually, "nobody waits any more", lambda: _waiting(holder) == 0)


def _waiting(holder: Database) -> int:
    row = holder.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row
    return int(row[0])
