"""Upstreams that answer slowly or without end slow down nobody but those who asked for them."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.google import TOKEN

Database = psycopg.Connection[tuple[Any, ...]]


@pytest.mark.check(44)
@pytest.mark.of("nest-prisma")
async def test_slow_renewals_at_google_leave_reads_of_other_organizations_as_they_were(
    driver: NestPrisma, start_service: StartService, client: Client, database: Database
) -> None:
    service = start_service(DATABASE_POOL_MAX="2", DATABASE_CONNECT_TIMEOUT_MS="500")
    api = client(service, driver.account())
    other = client(service, driver.account())
    connections = [await driver.connect(api) for _ in range(5)]
    for apis in (api, other):
        assert (await driver.find().send(apis)).status_code == 200
    query = "UPDATE google_connections SET expires_at = now() + '1 second' WHERE id = ANY (%s::uuid[])"
    database.execute(query, [connections])
    driver.google.calls.clear()
    driver.google.latency = 3
    try:
        renewals = [asyncio.ensure_future(driver.use(connection).send(api)) for connection in connections]
        while sum(call.path == TOKEN for call in driver.google.calls) < len(connections):
            assert not any(renewal.done() for renewal in renewals)
            await asyncio.sleep(0.05)
        answers = [await driver.find().send(other) for _ in range(5)]
        assert not any(renewal.done() for renewal in renewals)
    finally:
        driver.google.latency = 0

    assert [answer.status_code for answer in answers] == [200] * 5
    assert [renewal.status_code for renewal in await asyncio.gather(*renewals)] == [200] * 5
