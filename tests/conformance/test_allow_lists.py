"""A response has the members that its description names: a column that is added to a table is in none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import next_cache
from tests.conformance.canaries import operations
from tests.conformance.conftest import MODULES, SETTINGS, name_of
from tests.conformance.drivers import Call, Driver
from tests.conformance.drivers.modules import ModuleDriver
from tests.conformance.processes import LOOPBACK, PATIENCE, Postgres, Service, environment, migrate
from tests.conformance.test_isolation import filled
from tests.modules.adding import service_with_module
from tools.install import install, manager

pytestmark = [
    pytest.mark.check(46),
    pytest.mark.parametrize("driver", MODULES, ids=name_of, scope="module"),
]

COLUMN = "added_later"
CANARY = "canary-of-a-new-column"


def add_typeorm_column(source: str) -> str:
    column = f"@Column({{ type: 'text', default: '{CANARY}' }})\n  {COLUMN}!: string;\n"
    return re.sub(r"(?m)^(export class \w+ \{)$", rf"\1\n  {column}", source)


def add_drizzle_column(source: str) -> str:
    table = re.compile(r"(pgTable\(\s*'\w+',\s*\{)")
    if not table.search(source):
        return source
    added = f"{COLUMN}: addedText('{COLUMN}').notNull().default('{CANARY}'),"
    return "import { text as addedText } from 'drizzle-orm/pg-core';\n" + table.sub(rf"\1 {added}", source)


def add_prisma_column(source: str) -> str:
    return re.sub(r"(?m)^(model \w+ \{)$", rf'\1\n  {COLUMN} String @default("{CANARY}")', source)


SOURCES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "nest-typeorm": ("src/**/*.entity.ts", add_typeorm_column),
    "nest-drizzle": ("packages/database/src/schema/**/*.ts", add_drizzle_column),
    "fastify-bun": ("apps/api/src/**/schema/*.ts", add_drizzle_column),
    "nest-prisma": ("prisma/**/*.prisma", add_prisma_column),
}
"""Where tables are declared, and how each gets a column. Supabase's types are not read at run time."""


@pytest.fixture(scope="module")
def widened(driver: ModuleDriver, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with a module, each of whose tables has one column more than its responses describe."""
    service = tmp_path_factory.mktemp("widened") / "service"
    if given := os.environ.get("CONFORMANCE_SERVICE"):  # a sabotaged one
        shutil.copytree(given, service, ignore=shutil.ignore_patterns("node_modules"))
        install(service)
    else:
        service_with_module(driver.variant, driver.module, service, shared)
    if driver.variant in SOURCES:
        pattern, add = SOURCES[driver.variant]
        files = [file for file in service.glob(pattern) if "node_modules" not in file.parts]
        changed = [file for file in files if (text := file.read_text()) != add(text) and file.write_text(add(text))]
        assert changed, f"{pattern} names no table"
    next_cache.take(service, shared)
    build = subprocess.run(
        [manager(service), "run", "build"],
        cwd=service,
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    return service


@pytest.fixture(scope="module")
def running_widened(driver: ModuleDriver, widened: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    server = Postgres.start(widened, "--ephemeral")
    try:
        migrate(widened, driver.migrate, server.env)
        with psycopg.connect(server.admin_url, autocommit=True) as admin:
            for (table,) in admin.execute(
                """SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition
                      AND relnamespace::regnamespace::text IN ('public', 'private')"""
            ).fetchall():
                admin.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} text NOT NULL DEFAULT '{CANARY}'".encode())
        settings = {**SETTINGS, **driver.settings, **server.env}
        service = Service.start(widened, tmp_path_factory.mktemp("logs") / "widened.log", settings)
        try:
            yield service
        finally:
            service.stop()
    finally:
        server.stop()


async def test_added_column_is_in_no_response(driver: ModuleDriver, running_widened: Service) -> None:
    account = driver.account()
    async with httpx.AsyncClient(base_url=running_widened.url, auth=account, timeout=PATIENCE, verify=LOOPBACK) as api:
        resource = (await driver.create().send(api)).json()["id"]
        seen = 0
        for call in await calls(driver, api, running_widened, resource):
            status, text = await received(call, api)
            assert CANARY not in text, f"{call.method} {call.path} shows a column that it does not describe"
            assert COLUMN not in text
            seen += status < 300
        assert seen >= 6, "hardly a request was answered"


async def calls(driver: Driver, api: httpx.AsyncClient, service: Service, resource: str) -> list[Call]:
    """Requests of every operation for which the driver has one, reads last."""
    owned: Mapping[str, str] = await driver.owned(api) if hasattr(driver, "owned") else {}
    document = httpx.get(f"{service.url}/openapi.json").json()
    writes = [driver.create(), driver.write_once(resource), driver.change(resource, 1, **{driver.naming: "Renamed"})]
    reads = [driver.read(resource), driver.find()]
    for operation in operations(document):
        if operation.method == "get":
            path = filled(operation.template, owned.get(operation.template, f"{resource}/{resource}"))
            reads.append(Call("GET", path))
        elif operation.method in {"put", "patch"} and operation.template in owned and hasattr(driver, "addressed"):
            path = filled(operation.template, owned[operation.template])
            writes.append(driver.addressed(operation.template, operation.method, path))
    return [*writes, *reads]


async def received(call: Call, api: httpx.AsyncClient) -> tuple[int, str]:
    """The status and what arrives within a second: an event stream has no end."""
    parts: list[str] = []
    status = 599
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(5 if call.method != "GET" else 2),
            api.stream(call.method, call.path, json=call.json, headers=call.headers) as response,
        ):
            status = response.status_code
            async for part in response.aiter_text():
                parts.append(part)
    return status, "".join(parts)
