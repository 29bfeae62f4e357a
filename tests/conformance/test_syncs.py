"""Syncs with Google are jobs: for their organization alone, and done once though a worker dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.google import ACCOUNTS, Google
from tests.conformance.processes import Postgres, eventually
from tests.conformance.test_jobs import queue

pytestmark = pytest.mark.of("nest-prisma")

Database = psycopg.Connection[tuple[Any, ...]]

WORKING = {"WORKER_IN_API": "true"}


@pytest.fixture
def google(driver: NestPrisma) -> Iterator[Google]:
    driver.google.calls.clear()
    yield driver.google
    driver.google.latency = 0


async def status(api: httpx.AsyncClient, sync: str) -> str:
    return str((await api.get(f"/api/v1/syncs/{sync}")).json()["status"])


async def started(api: httpx.AsyncClient, connection: str) -> str:
    answer = await Call("POST", "/api/v1/syncs", {"connectionId": connection}).send(api)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.mark.check(10)
async def test_a_job_without_an_organization_is_refused_and_one_of_another_does_not_touch_the_row(
    driver: NestPrisma,
    folder: Path,
    postgres: Postgres,
    own_database: dict[str, str],
    start_service: StartService,
    client: Client,
    account: Account,
) -> None:
    env = {**postgres.env, **own_database}
    api = client(start_service(**own_database))
    connection = await driver.connect(api)
    sync = await started(api, connection)

    def waiting() -> bool:
        return bool(ask("return (await queue.getJobs(['waiting'])).length >= 1;"))

    def ask(script: str) -> Any:
        return queue(folder, env, script, "sync", "REDIS_PREFIX")

    await asyncio.to_thread(eventually, "the job of the sync", waiting)
    ask("await queue.obliterate({ force: true }); return true;")
    stranger = driver.account()
    await driver.find().send(client(start_service(**own_database, **WORKING), stranger))

    def run(data: dict[str, str]) -> dict[str, Any]:
        outcome: dict[str, Any] = ask(f"""
            const job = await queue.add('syncConnection', {json.dumps(data)}, {{ attempts: 3 }});
            const failure = await job.waitUntilFinished(events).then(() => null, String);
            const {{ attemptsMade }} = await queue.getJob(job.id);
            return {{ failure, attemptsMade }};""")
        return outcome

    without = await asyncio.to_thread(run, {"connectionId": connection})
    assert "organizationId" in without["failure"]
    assert without["attemptsMade"] == 1, "another attempt would not give it an organization"
    assert await status(api, sync) == "RUNNING"
    foreign = await asyncio.to_thread(run, {"connectionId": connection, "organizationId": stranger.session.tenant})
    assert foreign["failure"]
    assert foreign["attemptsMade"] == 1, "another attempt would not give it the connection"
    assert await status(api, sync) == "RUNNING"
    own = await asyncio.to_thread(run, {"connectionId": connection, "organizationId": account.session.tenant})
    assert own["failure"] is None
    assert await status(api, sync) == "SUCCEEDED"


@pytest.mark.check(28)
async def test_a_sync_whose_worker_is_killed_goes_on_with_one_effect(
    driver: NestPrisma,
    own_database: dict[str, str],
    own_rows: Database,
    start_service: StartService,
    client: Client,
    google: Google,
) -> None:
    api = client(start_service(**own_database))
    connection = await driver.connect(api)
    doomed = start_service(**own_database, **WORKING)
    google.latency = 4
    sync = await started(api, connection)

    def asked() -> bool:
        return any(call.path == ACCOUNTS for call in google.calls)

    await asyncio.to_thread(eventually, "the worker asks Google", asked)
    doomed.process.kill()
    google.latency = 0
    assert await status(api, sync) == "RUNNING"

    start_service(**own_database, **WORKING)

    for _ in range(600):
        if await status(api, sync) != "RUNNING":
            break
        await asyncio.sleep(0.1)
    assert await status(api, sync) == "SUCCEEDED"
    # The schedule may have begun another run meanwhile.
    succeeded = "SELECT count(*) FROM audit_log WHERE action = 'sync.succeeded' AND entity_id = %s"
    assert own_rows.execute(succeeded, [sync]).fetchone() == (1,)
    [(found, distinct)] = own_rows.execute("SELECT count(*), count(DISTINCT path) FROM google_resources").fetchall()
    assert found == distinct >= 1
