"""Events reach whoever listens, once: when the process dies before they are published, and when they come again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import nats
import psycopg
import pytest
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from tests.conformance.conftest import Broker, Client, StartService
from tests.conformance.drivers import TenantDriver
from tests.conformance.loads import arrived, load, stopped_meanwhile
from tests.conformance.processes import PATIENCE, Postgres

pytestmark = pytest.mark.of("nest-drizzle")

Database = psycopg.Connection[tuple[Any, ...]]

NATS_URL = "NATS_URL"


async def counted(api: httpx.AsyncClient, project: str) -> int:
    """How many tasks of a project its statistics know of, which are made of events."""
    return int((await api.get(f"/projects/{project}/stats")).json()["tasksCreated"])


async def reaches(api: httpx.AsyncClient, project: str, count: int) -> None:
    """Waits until the statistics have counted so many tasks."""
    deadline = time.monotonic() + 2 * PATIENCE
    while (found := await counted(api, project)) < count:
        assert time.monotonic() < deadline, f"{found} of {count} events have arrived"
        await asyncio.sleep(0.05)
    assert found == count


def effects(driver: TenantDriver, rows: Database, resource: str) -> int:
    [(count,)] = rows.execute(driver.effects.encode(), {"resource": resource}).fetchall()
    return int(count)


@pytest.mark.check(29)
async def test_events_whose_process_died_before_they_were_published_have_their_effect_once(
    driver: TenantDriver,
    own_database: dict[str, str],
    own_rows: Database,
    broker: Broker,
    start_service: StartService,
    client: Client,
) -> None:
    server = broker(NATS_URL)
    doomed = start_service(**own_database, **server.env)
    api = client(doomed)
    resource = (await driver.create().send(api)).json()["id"]
    server.stop()
    answers = await asyncio.gather(*(driver.write_once(resource).send(api) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    await asyncio.sleep(5)  # longer than the relay waits for the broker
    doomed.process.kill()
    [(waiting,)] = own_rows.execute("SELECT count(*) FROM outbox").fetchall()
    assert waiting >= 20

    server = broker(NATS_URL)
    api = client(start_service(**own_database, **server.env))

    await reaches(api, resource, 20)


@pytest.mark.check(29)
async def test_processes_that_are_killed_while_they_publish_lose_no_event_and_double_none(
    driver: TenantDriver,
    own_database: dict[str, str],
    own_rows: Database,
    start_service: StartService,
    client: Client,
) -> None:
    survivor = client(start_service(**own_database))
    resource = (await driver.create().send(survivor)).json()["id"]
    for _ in range(3):
        doomed = start_service(**own_database)
        async with load(driver, client(doomed), resource, may_break=True) as answers:
            await arrived(answers, 100)
            doomed.process.kill()
        assert {answer.status_code for answer in answers} == {201}

    written = effects(driver, own_rows, resource)
    assert written >= 300
    await reaches(survivor, resource, written)
    # A claim of the dead is found after a moment; nothing comes after all have been counted.
    await asyncio.sleep(3)
    assert await counted(survivor, resource) == written


@pytest.fixture
async def wire(postgres: Postgres) -> AsyncIterator[Nats]:
    """A client of the broker that services publish to."""
    connection = await nats.connect(postgres.env[NATS_URL])
    yield connection
    await connection.close()


@pytest.mark.check(30)
async def test_a_message_that_comes_again_after_the_brokers_window_has_no_second_effect(
    driver: TenantDriver, own_database: dict[str, str], start_service: StartService, client: Client, wire: Nats
) -> None:
    api = client(start_service(**own_database))
    resource = (await driver.create().send(api)).json()["id"]
    seen: asyncio.Queue[Msg] = asyncio.Queue()
    await wire.subscribe(f"{own_database['NATS_PREFIX']}.events.task.created.>", cb=seen.put)
    await wire.flush()
    await driver.write_once(resource).send(api)
    message = await asyncio.wait_for(seen.get(), PATIENCE)
    await reaches(api, resource, 1)

    # Without the id that the broker would know it by, as it comes when the window is over.
    headers = {name: value for name, value in (message.headers or {}).items() if name != "Nats-Msg-Id"}
    assert headers != message.headers
    for _ in range(3):
        await wire.jetstream().publish(message.subject, message.data, headers=headers)
    await driver.write_once(resource).send(api)

    # Messages are dealt with in order: when the last has had its effect, the others have had theirs.
    await reaches(api, resource, 2)


@pytest.mark.check(31)
async def test_with_the_broker_stopped_for_10_s_under_load_no_event_is_lost_or_doubled(
    driver: TenantDriver,
    own_database: dict[str, str],
    own_rows: Database,
    broker: Broker,
    start_service: StartService,
    client: Client,
) -> None:
    server = broker(NATS_URL)
    service = start_service(**own_database, **server.env)
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]

    async with load(driver, api, resource) as answers:
        await stopped_meanwhile(service, server, answers)
    assert {answer.status_code for answer in answers} == {201}

    broker(NATS_URL)
    await service.becomes(200)
    assert service.process.poll() is None
    assert effects(driver, own_rows, resource) == len(answers)
    await reaches(api, resource, len(answers))
