"""Built services on real servers, and how the scorecard's checks are matched with the variants they apply to."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests import next_cache
from tests.conformance.collector import Collector
from tests.conformance.drivers import Account, Driver
from tests.conformance.drivers.fastify_bun import FastifyBun
from tests.conformance.drivers.modules import (
    FastifyBunModule,
    ModuleDriver,
    NestDrizzleModule,
    NestPrismaModule,
    NestTypeormModule,
    NextSupabaseModule,
)
from tests.conformance.drivers.nest_drizzle import NestDrizzle
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.drivers.nest_typeorm import NestTypeorm
from tests.conformance.drivers.next_supabase import NextSupabase
from tests.conformance.processes import LOOPBACK, PATIENCE, Postgres, Service, environment, migrate
from tests.conformance.scorecard import Outcome, table
from tests.modules.adding import service_with_module
from tools import VARIANTS
from tools.install import install, manager

DRIVERS: tuple[Driver, ...] = tuple(
    driver
    for driver in (NestTypeorm(), NestDrizzle(), FastifyBun(), NestPrisma(), NextSupabase())
    if driver.variant in VARIANTS
)

# Beside the sample's own modules, one that `copier copy` has written.
MODULES: tuple[Driver, ...] = tuple(
    driver
    for driver in (
        NestTypeormModule(),
        NestDrizzleModule(),
        FastifyBunModule(),
        NestPrismaModule(),
        NextSupabaseModule(),
    )
    if driver.variant in VARIANTS
)

# Limits that are a matter of their own tests.
SETTINGS = {"RATE_LIMIT_MAX": "1000000", "MAX_EVENT_LOOP_DELAY_MS": "0", "SHUTDOWN_DRAIN_MS": "0"}

BOUND_TO_DATABASE = frozenset({"next-supabase"})
"""Variants with a server that knows one database only: Supabase's Auth, in which the users are."""

Connect = Callable[[], "psycopg.Connection[tuple[Any, ...]]"]
StartService = Callable[..., Service]
Client = Callable[..., httpx.AsyncClient]
Broker = Callable[[str], Postgres]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "check(number): the check of the scorecard that a test is part of")
    config.addinivalue_line("markers", "of(*variants): those whose own domain a test is about")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what does not apply to a variant (the table says so), and notes what each test is part of."""
    left_out = [item for item in items if not _applies(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    for item in items:
        driver = _driver_of(item)
        marker = item.get_closest_marker("check")
        if marker and driver:
            item.user_properties.append(("check", (marker.args[0], driver.variant)))


def _applies(item: pytest.Item) -> bool:
    driver = _driver_of(item)
    if driver is None:
        return True
    check, owner = item.get_closest_marker("check"), item.get_closest_marker("of")
    if isinstance(driver, ModuleDriver) and (check is None or (owner and len(owner.args) == 1)):
        return False
    return (check is None or check.args[0] in driver.checks) and (owner is None or driver.variant in owner.args)


def _driver_of(item: pytest.Item) -> Driver | None:
    """The driver of the variant that a test runs against; None for a test of something else."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    driver: Driver | None = parameters.get("driver")
    return driver


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    outcomes: dict[tuple[int, str], list[Outcome]] = defaultdict(list)
    for category in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(category):
            for name, value in report.user_properties:
                if name == "check":
                    outcomes[value].append("passed" if category == "passed" else "failed")
    if outcomes:
        terminalreporter.section("scorecard")
        for line in table(outcomes):
            terminalreporter.write_line(line)


def name_of(driver: Driver) -> str:
    return f"{driver.variant}-module" if isinstance(driver, ModuleDriver) else driver.variant


@pytest.fixture(scope="session", params=(*DRIVERS, *MODULES), ids=name_of)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each variant in turn."""
    chosen: Driver = request.param
    return chosen


@pytest.fixture(scope="session")
def folder(
    driver: Driver, rendered: Callable[[str], Path], shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The variant with its defaults, built. The mutants hand in a sabotaged one."""
    if given := os.environ.get("CONFORMANCE_SERVICE"):
        return Path(given)
    if isinstance(driver, ModuleDriver):
        place = tmp_path_factory.mktemp(driver.variant) / "service"
        service = service_with_module(driver.variant, driver.module, place, shared)
    else:
        service = rendered(driver.variant)
        install(service)
    next_cache.take(service, shared)
    build = [manager(service), "run", "build"]
    subprocess.run(build, cwd=service, env=environment({}), check=True, capture_output=True)
    next_cache.leave(service, shared)
    return service


@pytest.fixture(scope="session")
def postgres(driver: Driver, folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL with the variant's schema, for the whole run. Tests work on rows of their own."""
    server = Postgres.start(folder, "--ephemeral")
    try:
        migrate(folder, driver.migrate, server.env)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def one(driver: Driver, folder: Path, postgres: Postgres, logs: Path) -> Iterator[Service]:
    """A process of the service, for the whole run."""
    yield from _process(driver, folder, postgres, logs / "one.log")


@pytest.fixture(scope="session")
def two(driver: Driver, folder: Path, postgres: Postgres, logs: Path) -> Iterator[Service]:
    """Another one, on the same database."""
    yield from _process(driver, folder, postgres, logs / "two.log")


def _process(driver: Driver, folder: Path, postgres: Postgres, log: Path) -> Iterator[Service]:
    service = Service.start(folder, log, {**SETTINGS, **driver.settings, **postgres.env})
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture
def processes(one: Service, two: Service) -> tuple[Service, Service]:
    """Two processes of the service on one database, that others use too."""
    return one, two


@pytest.fixture
def running(one: Service) -> Service:
    """A process of the service that others use too."""
    return one


@pytest.fixture
def own_servers(driver: Driver, folder: Path, postgres: Postgres) -> Iterator[Postgres]:
    """The servers of a database that only one test uses."""
    if driver.variant not in BOUND_TO_DATABASE:
        yield postgres
        return
    server = Postgres.start(folder, "--ephemeral")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def empty_database(driver: Driver, postgres: Postgres, own_servers: Postgres) -> Iterator[dict[str, str]]:
    """The settings of a database that only this test uses."""
    if own_servers is not postgres:
        yield {**own_servers.env, **driver.apart(f"test-{uuid.uuid4().hex}")}
        return
    name = f"test_{uuid.uuid4().hex}"
    database_urls = ("DATABASE_URL", "MIGRATION_DATABASE_URL")
    owner = httpx.URL(postgres.owner_url).username
    # As the superuser, who may end everybody's connections when the database goes.
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"'.encode())
        own = {
            variable: str(httpx.URL(postgres.env[variable]).copy_with(path=f"/{name}")) for variable in database_urls
        }
        yield {**own, **driver.apart(name.replace("_", "-"))}
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def own_database(driver: Driver, folder: Path, empty_database: dict[str, str]) -> dict[str, str]:
    """The settings of a migrated database that only this test uses."""
    migrate(folder, driver.migrate, empty_database)
    return empty_database


@pytest.fixture
def own_rows(own_servers: Postgres, own_database: dict[str, str]) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection to the test's own database that sees every row that is committed."""
    url = own_servers.as_admin(own_database["MIGRATION_DATABASE_URL"])
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def start_service(driver: Driver, folder: Path, postgres: Postgres, tmp_path: Path) -> Iterator[StartService]:
    """Starts further processes, with settings of the test's own; they end with the test."""
    with ExitStack() as stack:

        def start(**env: str) -> Service:
            log = tmp_path / f"{len(list(tmp_path.glob('*.log')))}.log"
            service = Service.start(folder, log, {**SETTINGS, **driver.settings, **postgres.env, **env})
            stack.callback(service.stop)
            return service

        yield start


@pytest.fixture
def launcher(folder: Path) -> Iterator[Path]:
    """A folder with the service's launcher, whose data outlives the servers, and that any account may pass through."""
    place = Path(tempfile.mkdtemp(prefix="plinth-launcher-"))
    place.chmod(0o755)
    shutil.copy(folder / "package.json", place)
    shutil.copytree(folder / "scripts", place / "scripts")
    (place / "node_modules").symlink_to(folder / "node_modules")
    yield place
    shutil.rmtree(place)


@pytest.fixture
def former_database(driver: Driver, folder: Path, launcher: Path, own_servers: Postgres) -> Postgres:
    """The servers of a database of next-supabase 0.2.0, which `migrate` brings to the present."""
    shutil.copytree(folder / "supabase", launcher / "supabase")
    for migration in (launcher / "supabase/migrations").glob("20261201*.sql"):
        migration.unlink()
    migrate(launcher, driver.migrate, own_servers.env)
    return own_servers


@pytest.fixture
def broker(postgres: Postgres, launcher: Path) -> Iterator[Broker]:
    """Starts a server other than PostgreSQL by the name of its variable, again with the data and port it had before."""
    with ExitStack() as stack:

        def start(variable: str) -> Postgres:
            elsewhere = {name: url for name, url in postgres.env.items() if name != variable}
            server = Postgres.start(launcher, elsewhere=elsewhere)
            server.env = {variable: server.env[variable]}
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Receives the spans of the services that have its settings."""
    with Collector() as running:
        yield running


@pytest.fixture
def account(driver: Driver) -> Account | None:
    """Who sends the requests of a test, where its variant wants to know that."""
    return driver.account()


@pytest.fixture
async def client(account: Account | None) -> AsyncIterator[Client]:
    """Makes clients that wait longer than a service may take, and open as many connections as they are asked to."""
    clients: list[httpx.AsyncClient] = []

    def make(service: Service, as_: httpx.Auth | None = account) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        clients.append(
            httpx.AsyncClient(base_url=service.url, limits=limits, timeout=PATIENCE, auth=as_, verify=LOOPBACK)
        )
        return clients[-1]

    yield make
    for made in clients:
        await made.aclose()


@pytest.fixture
def api(client: Client, running: Service) -> httpx.AsyncClient:
    """A client of a running service."""
    return client(running)


@pytest.fixture
def stranger(client: Client, running: Service) -> httpx.AsyncClient:
    """A client of a running service who has not signed up."""
    return client(running, None)


@pytest.fixture
def connect(postgres: Postgres) -> Iterator[Connect]:
    """Opens connections that see every row, each in a transaction of its own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(psycopg.connect(postgres.admin_url))


@pytest.fixture
def database(connect: Connect) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that sees every row that is committed."""
    connection = connect()
    connection.autocommit = True
    return connection
