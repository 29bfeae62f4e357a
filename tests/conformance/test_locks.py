"""Locks that others hold: waiting is bounded, and what PostgreSQL breaks off is done again."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect, StartService
from tests.conformance.drivers import Driver
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE, Postgres

Database = psycopg.Connection[tuple[Any, ...]]

PAIRS = 200
AT_ONCE = 20


@pytest.mark.check(25)
async def test_a_row_lock_held_past_lock_timeout_gives_bounded_answers_and_delays_nobody_else(
    driver: Driver, start_service: StartService, client: Client, connect: Connect
) -> None:
    api = client(start_service(DATABASE_LOCK_TIMEOUT_MS="300", DATABASE_STATEMENT_TIMEOUT_MS="30000"))
    held, free = [(await driver.create().send(api)).json()["id"] for _ in range(2)]
    holder = connect()
    holder.execute(driver.lock.encode(), {"resource": held})

    began = time.monotonic()
    waiting = [
        driver.write_once(held),
        driver.write_once(held, f"key-{uuid.uuid4()}"),
        driver.change(held, 1, name="?"),
    ]
    answers = asyncio.gather(*(call.send(api) for call in waiting * 5))
    assert (await driver.write_once(free).send(api)).status_code == 201
    assert (await driver.read(held).send(api)).status_code == 200
    for answer in await answers:
        assert problem(answer)["status"] in (409, 503), answer.text
        assert answer.status_code == 409 or int(answer.headers["retry-after"]) >= 1
    assert time.monotonic() - began < 10

    holder.rollback()
    assert (await driver.write_once(held).send(api)).status_code == 201


@pytest.mark.check(26)
async def test_200_pairs_that_lock_in_opposite_order_lose_nothing(
    driver: Driver, api: httpx.AsyncClient, postgres: Postgres, database: Database
) -> None:
    before = deadlocks(database)
    turns = asyncio.Semaphore(AT_ONCE)

    async def pair() -> bool:
        """One request against another writer. Returns whether PostgreSQL chose the request as its victim."""
        async with turns:
            resource = (await driver.create().send(api)).json()["id"]
            key = f"key-{uuid.uuid4()}"
            names = {"resource": resource, "key": key}
            async with await psycopg.AsyncConnection.connect(postgres.admin_url) as other:
                await other.execute(driver.reserve.encode(), names)
                request = asyncio.create_task(driver.write_once(resource, key).send(api))
                await blocks_someone(other.info.backend_pid, database)
                try:
                    await other.execute(driver.lock.encode(), names)
                    await other.execute(driver.touch.encode(), names)
                    await other.execute(driver.give_back.encode(), names)
                    await other.commit()
                    survived = True
                except psycopg.errors.DeadlockDetected:
                    await other.rollback()
                    survived = False
            answer = await request
            assert answer.status_code == 201, answer.text
            version = (await driver.read(resource).send(api)).json()["version"]
            assert version == 1 + driver.versions_per_write + survived
            row = database.execute(driver.effects.encode(), names).fetchone()
            assert row == (1,)
            return survived

    victims = await asyncio.gather(*(pair() for _ in range(PAIRS)))

    # Whoever began to wait first is the first to look for a deadlock, and that is the request.
    assert sum(victims) > PAIRS / 2
    deadline = time.monotonic() + PATIENCE
    while deadlocks(database) - before < PAIRS:  # sessions report what they counted after a while
        assert time.monotonic() < deadline, f"{deadlocks(database) - before} deadlocks instead of {PAIRS}"
        await asyncio.sleep(0.1)


async def blocks_someone(backend: int, database: Database) -> None:
    """Waits until another session waits for what a session holds."""
    deadline = time.monotonic() + PATIENCE
    query = "SELECT 1 FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    while database.execute(query, [backend]).fetchone() is None:
        assert time.monotonic() < deadline, "nobody waits"
        await asyncio.sleep(0.02)


def deadlocks(database: Database) -> int:
    row = database.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row
    return int(row[0])
