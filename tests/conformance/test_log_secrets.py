"""What users send is in no log line, span or metric, also when the write fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.conformance.canaries import Canaries, Operation, operations
from tests.conformance.collector import Collector
from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Driver
from tests.conformance.processes import Service, eventually
from tests.conformance.test_isolation import filled

pytestmark = pytest.mark.check(43)

Database = psycopg.Connection[tuple[Any, ...]]

REACHED = frozenset({409, 500, 503})
"""The responses to a write that the database did not accept."""


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Writes wait for a lock until they time out; reads pass."""
    with database.transaction(force_rollback=True):
        database.execute(f"LOCK TABLE {tables_of(database)} IN EXCLUSIVE MODE".encode())
        yield


@asynccontextmanager
async def constrained(database: Database) -> AsyncIterator[None]:
    """Every new row breaks a constraint; PostgreSQL's error repeats the row."""
    names = tables_of(database).split(", ")
    for name in names:
        database.execute(f"ALTER TABLE {name} ADD CONSTRAINT refuses_all CHECK (false) NOT VALID".encode())
    yield
    for name in names:
        database.execute(f"ALTER TABLE {name} DROP CONSTRAINT refuses_all".encode())


@asynccontextmanager
async def mistyped(database: Database) -> AsyncIterator[None]:
    """Every new row fails with a data exception, whose message repeats its values."""
    names = tables_of(database).split(", ")
    database.execute(
        """CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
               RAISE EXCEPTION 'invalid value: "%"', coalesce(NEW, OLD)::text USING ERRCODE = '22023';
           END $$"""
    )
    for name in names:
        database.execute(
            f"CREATE TRIGGER a_refusal BEFORE INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW "
            "EXECUTE FUNCTION refuse_row()".encode()
        )
    yield
    database.execute("DROP FUNCTION refuse_row() CASCADE")


@asynccontextmanager
async def cut(database: Database) -> AsyncIterator[None]:
    """Writes wait for a lock, and their connections are ended meanwhile."""
    ends = asyncio.Event()

    async def end_connections() -> None:
        info = database.info
        async with await psycopg.AsyncConnection.connect(info.dsn, password=info.password, autocommit=True) as admin:
            while not ends.is_set():
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                )
                await asyncio.sleep(0.02)

    task = asyncio.create_task(end_connections())
    try:
        async with locked(database):
            yield
    finally:
        ends.set()
        await task


async def test_input_of_failed_writes_is_in_no_log_line_span_or_metric(
    driver: Driver,
    account: Account | None,
    own_database: dict[str, str],
    own_rows: Database,
    start_service: StartService,
    collector: Collector,
    client: Client,
) -> None:
    service = start_service(**own_database, **collector.settings, LOG_LEVEL="debug", DATABASE_LOCK_TIMEOUT_MS="300")
    api = client(service)
    secrets: set[str] = set()

    for fault in (locked, constrained, mistyped, cut):
        writes = await Writes.of(driver, account, service, api)
        secrets |= writes.canaries
        async with fault(own_rows):
            statuses = [status async for status in writes.send()]
        reached = sum(status in REACHED for status in statuses)
        assert reached >= len(statuses) / 6, f"{fault.__name__}: few reached the database: {statuses}"

    await asyncio.to_thread(eventually, "spans", lambda: collector.bodies)
    metrics = service.metrics()
    service.stop()  # sends the last spans
    logged = service.log_file.read_text() + service.log_file.with_suffix(".stderr").read_text()
    spans = b"".join(collector.bodies).decode()
    assert len(secrets) >= 5
    for place, text in {"log": logged, "spans": spans, "metrics": metrics}.items():
        for secret in secrets:
            at = text.find(secret)
            assert at < 0, f"{place}: …{text[max(0, at - 700) : at + 100]}…"


class Writes:
    """Every write of a service's document, with canaries in its body, query and secrets."""

    def __init__(self, api: httpx.AsyncClient, calls: list[tuple[str, str, Any]], canaries: set[str]) -> None:
        self._api = api
        self._calls = calls
        self.canaries = canaries

    @classmethod
    async def of(cls, driver: Driver, account: Account | None, service: Service, api: httpx.AsyncClient) -> Writes:
        resource = (await driver.create().send(api)).json()["id"]
        owned: Mapping[str, str] = await driver.owned(api) if hasattr(driver, "owned") else {}
        document = httpx.get(f"{service.url}/openapi.json").json()
        canaries = Canaries(reference=resource)
        calls = []
        endings = {(method.lower(), path) for method, path in driver.endings}
        for operation in sorted(operations(document), key=lambda one: (one.method, one.template) in endings):
            path = filled(operation.template, owned.get(operation.template, f"{resource}/{resource}"))
            if (operation.method, operation.template) not in endings:
                calls.append((operation.method, path + query(operation, canaries), body(operation, canaries)))
        secrets = {account.session.token, account.session.renewal} if account else set()
        return cls(api, calls, canaries.sent | {secret for secret in secrets if len(secret) > 16})

    async def send(self) -> AsyncIterator[int]:
        """Sends each write, and yields the statuses."""
        for method, path, json in self._calls:
            if method == "get" and "?" not in path:
                continue
            request = self._api.build_request(method, path, json=json, headers={"if-match": '"1"'})
            with contextlib.suppress(httpx.TransportError):
                response = await self._api.send(request, stream=True)  # an event stream does not end
                await response.aclose()
                if method != "get":
                    yield response.status_code


def query(operation: Operation, canaries: Canaries) -> str:
    """A query string with the parameters that hold a text of the user's."""
    texts = {
        parameter["name"]: canaries.value(parameter.get("schema", {}))
        for parameter in operation.parameters
        if parameter["in"] == "query" and parameter["name"] not in {"cursor", "limit"}
    }
    marked = {
        name: text
        for name, text in texts.items()
        if isinstance(text, str) and any(one in text for one in canaries.sent)
    }
    return "?" + "&".join(f"{name}={quote(text)}" for name, text in marked.items()) if marked else ""


def body(operation: Operation, canaries: Canaries) -> Any:
    return None if operation.body is None or operation.method == "get" else canaries.value(operation.body)


def tables_of(database: Database) -> str:
    """The tables that the service may write to."""
    rows = database.execute(
        """SELECT c.oid::regclass::text FROM pg_class c
            WHERE relkind IN ('r', 'p') AND NOT relispartition
                  AND relnamespace::regnamespace::text IN ('public', 'private')"""
    ).fetchall()
    return ", ".join(name for (name,) in rows)
