"""What happens to a service whose servers stop or are slow, and that is told to stop while it works."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
import uuid
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conformance.conftest import BOUND_TO_DATABASE, Broker, Client, Connect, StartService
from tests.conformance.drivers import Driver
from tests.conformance.drivers.fastify_bun import FastifyBun
from tests.conformance.loads import arrived, load
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE, Postgres, Service, eventually, migrate
from tests.conformance.proxy import SlowProxy
from tests.conformance.upstream import WORDS

GRACE = 10.0
"""Seconds within which SIGTERM must end a process."""


@pytest.mark.check(31)
async def test_a_stopped_database_makes_it_unready_and_nothing_else_and_it_recovers_by_itself(
    driver: Driver, folder: Path, launcher: Path, postgres: Postgres, start_service: StartService, client: Client
) -> None:
    # The database alone: where another server stops with it, that one may be what readiness tells of.
    parts = ("SUPABASE_",) if driver.variant in BOUND_TO_DATABASE else ()
    others = {
        name: url
        for name, url in postgres.env.items()
        if not name.endswith("DATABASE_URL") and not name.startswith(parts)
    }
    postgres = Postgres.start(launcher, elsewhere=others)
    try:
        migrate(folder, driver.migrate, postgres.env)
        service = start_service(**postgres.env, **driver.apart(f"test-{uuid.uuid4().hex}"))
        api = client(service)
        resource = (await driver.create().send(api)).json()["id"]
        async with load(driver, api, resource) as answers:
            await arrived(answers, 50)
            postgres.stop()
            await service.becomes(503)
            assert service.liveness() == 200
            refused = problem(await driver.read(resource).send(api), 503, "DATABASE_UNAVAILABLE")
            assert refused["detail"]
        for answer in answers:
            assert answer.status_code == 201 or problem(answer, 503)

        postgres = Postgres.start(launcher, elsewhere=others)
        await service.becomes(200)
        assert (await driver.write_once(resource).send(api)).status_code == 201
        assert service.process.poll() is None
        # Whatever was reported as done before is there; what failed at the moment of the stop may be there too.
        done = sum(answer.status_code == 201 for answer in answers) + 1
        with psycopg.connect(postgres.admin_url) as connection:
            row = connection.execute(driver.effects.encode(), {"resource": resource}).fetchone()
            assert row
            assert done <= row[0] <= len(answers) + 1
    finally:
        postgres.stop()


@pytest.mark.check(31)
@pytest.mark.of("fastify-bun")
async def test_with_valkey_stopped_it_is_unready_and_answers_all_the_same_and_it_recovers_by_itself(
    driver: FastifyBun, broker: Broker, start_service: StartService, client: Client
) -> None:
    server = broker("REDIS_URL")
    service = start_service(**server.env)
    api = client(service)
    chat = await driver.answerable(api)
    async with load(driver, api, chat) as answers:
        await arrived(answers, 50)
        server.stop()
        await service.becomes(503)
        assert service.liveness() == 200
        for stream in (True, False):
            assert said(await driver.ask(chat, stream=stream).send(api)) == "".join(WORDS)
        assert (await driver.sign_up().send(client(service, None))).status_code == 200
    assert {answer.status_code for answer in answers} == {201}

    broker("REDIS_URL")
    await service.becomes(200)
    assert service.process.poll() is None
    assert "ratelimit" in (await driver.find().send(api)).headers  # requests are counted again


def said(answer: httpx.Response) -> str:
    """What a model has said, whole or bit by bit."""
    if answer.status_code == httpx.codes.CREATED:
        return "".join(part["text"] for part in answer.json()["message"]["parts"] if part["type"] == "text")
    assert answer.status_code == httpx.codes.OK, answer.text
    events = [json.loads(event) for event in re.findall(r"(?m)^data: (\{.*)$", answer.text)]
    return "".join(event["delta"] for event in events if event["type"] == "text-delta")


@pytest.mark.check(31)
@pytest.mark.of("nest-prisma")
async def test_connections_that_are_ended_in_use_fail_their_requests_and_nothing_else(
    driver: Driver,
    own_database: dict[str, str],
    own_rows: psycopg.Connection[tuple[object, ...]],
    start_service: StartService,
    client: Client,
) -> None:
    service = start_service(**own_database)
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with load(driver, api, resource) as answers:
        for _ in range(5):
            await arrived(answers, len(answers) + 20)
            own_rows.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
        await arrived(answers, len(answers) + 20)
    assert service.process.poll() is None
    failed = [answer for answer in answers if answer.status_code != 201]
    assert failed
    for answer in failed:
        problem(answer, 503, "DATABASE_UNAVAILABLE")
    assert service.readiness() == 200


@pytest.mark.check(32)
async def test_5_s_of_latency_on_the_database_link_give_bounded_answers_and_no_connection_leaks(
    driver: Driver, postgres: Postgres, start_service: StartService, client: Client
) -> None:
    url = httpx.URL(postgres.env["DATABASE_URL"])
    assert url.port
    with SlowProxy(url.port) as proxy:
        service = start_service(
            DATABASE_URL=str(url.copy_with(port=proxy.port)), DATABASE_POOL_MAX="5", REQUEST_TIMEOUT_MS="3000"
        )
        api = client(service)
        resource = (await driver.create().send(api)).json()["id"]
        await asyncio.gather(*(driver.read(resource).send(api) for _ in range(20)))

        proxy.latency = 5.0
        began = time.monotonic()
        calls = [driver.read(resource), driver.write_once(resource), driver.find(), driver.create()] * 5
        pending = asyncio.gather(*(call.send(api) for call in calls))
        assert service.readiness() == 503
        assert service.liveness() == 200
        for answer in await pending:
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - began < 10

        proxy.latency = 0.0
        await asyncio.to_thread(eventually, "no connection is in use", lambda: connections_in_use(service) == 0)
        answers = await asyncio.gather(*(driver.read(resource).send(api) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await driver.write_once(resource).send(api)).status_code == 201
        assert service.readiness() == 200


@pytest.mark.check(33)
async def test_sigterm_under_load_drops_no_request_and_ends_in_time_with_0(
    driver: Driver, start_service: StartService, client: Client, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    service = start_service(SHUTDOWN_DRAIN_MS="3000")
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]
    async with load(driver, api, resource) as answers:
        await arrived(answers, 100)
        service.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        # A balancer that looks at readiness looks away while the service still answers.
        await service.becomes(503)
        assert service.liveness() == 200
    assert {answer.status_code for answer in answers} == {201}
    assert await asyncio.to_thread(service.process.wait, GRACE) == 0
    assert time.monotonic() - asked < GRACE
    assert database.execute(driver.effects.encode(), {"resource": resource}).fetchone() == (len(answers),)


@pytest.mark.check(33)
async def test_a_drain_of_any_length_ends_with_0(start_service: StartService) -> None:
    service = start_service(SHUTDOWN_DRAIN_MS="11000")
    service.process.send_signal(signal.SIGTERM)

    await service.becomes(503)
    assert service.liveness() == 200
    assert await asyncio.to_thread(service.process.wait, PATIENCE) == 0


@pytest.mark.check(33)
async def test_sigterm_waits_for_requests_that_wait_for_a_lock(
    driver: Driver, start_service: StartService, client: Client, connect: Connect
) -> None:
    service = start_service(
        SHUTDOWN_DRAIN_MS="100", DATABASE_LOCK_TIMEOUT_MS="8000", DATABASE_STATEMENT_TIMEOUT_MS="8000"
    )
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]
    holder = connect()
    holder.execute(driver.lock.encode(), {"resource": resource})
    requests = [asyncio.create_task(driver.write_once(resource).send(api)) for _ in range(20)]
    with psycopg.connect(holder.info.dsn, password=holder.info.password, autocommit=True) as other:
        waiting = "SELECT true FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
        held = [holder.info.backend_pid]
        await asyncio.to_thread(eventually, "they wait", lambda: other.execute(waiting, held).fetchone())
    await asyncio.sleep(2)  # until the last of them has come, too

    service.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(eventually, "readiness is not 200", lambda: service.readiness() != 200)
    await asyncio.sleep(1)  # the lock is held for longer than the service leaves balancers to look away
    assert service.process.poll() is None
    holder.rollback()

    answers = await asyncio.gather(*requests)
    # Who is not told sends the next request into a connection that is about to go.
    assert {(answer.status_code, answer.headers.get("connection")) for answer in answers} == {(201, "close")}
    assert await asyncio.to_thread(service.process.wait, GRACE) == 0


def connections_in_use(service: Service) -> float:
    used = service.metric("db_client_connection_count", db_client_connection_state="used")
    pending = service.metric("db_client_connection_pending_requests")
    assert used is not None
    assert pending is not None
    return used + pending
