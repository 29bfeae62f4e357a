"""Jobs run for their tenant alone, again when their worker has died, and with one effect."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import nats
import psycopg
import pytest

from tests.conformance.conftest import Broker, Client, StartService
from tests.conformance.drivers import Account, Call, TenantDriver
from tests.conformance.loads import load, stopped_meanwhile
from tests.conformance.processes import PATIENCE, Postgres, environment, eventually

pytestmark = pytest.mark.of("nest-drizzle")

Database = psycopg.Connection[tuple[Any, ...]]

REDIS_URL = "REDIS_URL"
PAST: dict[str, Any] = {"dueAt": "2020-01-01T00:00:00.000Z"}
"""A task that was due already is reminded of at once."""


def queue(folder: Path, env: dict[str, str], script: str, name: str = "tasks", prefix: str = "QUEUE_PREFIX") -> Any:
    """What a script prints that works on a queue of jobs through the queue's own library.

    Args:
        prefix: the variable that holds what the names of its keys begin with
    """
    given = {"connection": {"url": env[REDIS_URL]}, "prefix": env[prefix]}
    program = f"""
        const {{ Queue, QueueEvents }} = await import('bullmq');
        const options = {json.dumps(given)};
        const queue = new Queue('{name}', options);
        const events = new QueueEvents('{name}', options);
        await events.waitUntilReady();
        console.log(JSON.stringify(await (async () => {{ {script} }})()));
        await events.close();
        await queue.close();"""
    command = ["node", "--input-type=module", "--eval", program]
    result = subprocess.run(
        command, cwd=folder, env=environment({}), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.check(10)
async def test_a_job_without_a_tenant_is_refused_and_one_of_another_tenant_does_not_touch_the_row(
    driver: TenantDriver,
    folder: Path,
    postgres: Postgres,
    own_database: dict[str, str],
    start_service: StartService,
    client: Client,
    account: Account,
) -> None:
    env = {**postgres.env, **own_database}
    api = client(start_service(**own_database, WORKER_IN_API="false"))
    project = (await driver.create().send(api)).json()["id"]
    export = (await Call("POST", f"/projects/{project}/exports").send(api)).json()["id"]

    def asked_for() -> bool:
        return bool(queue(folder, env, "return (await queue.getJobs(['waiting'])).length === 1;"))

    await asyncio.to_thread(eventually, "the export's job", asked_for)
    queue(folder, env, "await queue.obliterate({ force: true }); return true;")
    stranger = driver.account()
    await driver.find().send(client(start_service(**own_database), stranger))

    def run(data: dict[str, str]) -> dict[str, Any]:
        outcome: dict[str, Any] = queue(
            folder,
            env,
            f"""
            const job = await queue.add('exportProject', {json.dumps(data)}, {{ attempts: 3 }});
            const failure = await job.waitUntilFinished(events).then(() => null, String);
            const {{ attemptsMade }} = await queue.getJob(job.id);
            return {{ failure, attemptsMade }};""",
        )
        return outcome

    async def status() -> str:
        return str((await api.get(f"/exports/{export}")).json()["status"])

    without = await asyncio.to_thread(run, {"exportId": export})
    assert "tenantId" in without["failure"]
    assert without["attemptsMade"] == 1, "another attempt would not give it a tenant"
    assert await status() == "waiting"
    await asyncio.to_thread(run, {"exportId": export, "tenantId": stranger.session.tenant})
    assert await status() == "waiting"
    own = await asyncio.to_thread(run, {"exportId": export, "tenantId": account.session.tenant})
    assert own["failure"] is None
    assert await status() == "done"


@pytest.mark.check(28)
async def test_a_job_whose_worker_is_killed_runs_again_with_one_effect(
    driver: TenantDriver,
    postgres: Postgres,
    own_database: dict[str, str],
    start_service: StartService,
    client: Client,
) -> None:
    told: list[str] = []
    wire = await nats.connect(postgres.env["NATS_URL"])

    async def hear(message: Any) -> None:
        told.append(message.data.decode())

    await wire.subscribe(f"{own_database['NATS_PREFIX']}.events.task.due.>", cb=hear)
    patient = {"DATABASE_LOCK_TIMEOUT_MS": "120000", "DATABASE_STATEMENT_TIMEOUT_MS": "120000"}
    api = client(start_service(**own_database, WORKER_IN_API="false"))
    project = (await driver.create().send(api)).json()["id"]
    with psycopg.connect(postgres.as_admin(own_database["MIGRATION_DATABASE_URL"])) as holder:
        # A reminder refers to its task: whoever writes one waits for this.
        task = (await driver.write_once(project, **PAST).send(api)).json()["id"]
        holder.execute("SELECT 1 FROM tasks WHERE id = %s FOR UPDATE", [task])
        doomed = start_service(**own_database, **patient, WORKER_IN_API="true")
        waiting = "SELECT true FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
        with psycopg.connect(postgres.admin_url, autocommit=True) as watcher:
            held = [holder.info.backend_pid]
            await asyncio.to_thread(eventually, "the job waits", lambda: watcher.execute(waiting, held).fetchone())
        doomed.process.kill()
        doomed.process.wait()
        holder.rollback()
        holder.autocommit = True

        start_service(**own_database, WORKER_IN_API="true")

        reminders = "SELECT count(*) FROM reminders WHERE task_id = %s"
        # A dead worker's lock on its job ends after half a minute, and is looked for as often.
        await asyncio.to_thread(
            eventually, "the reminder", lambda: holder.execute(reminders, [task]).fetchone() == (1,), 2 * PATIENCE
        )
        await asyncio.to_thread(eventually, "the event of it", lambda: told)
        await asyncio.sleep(2)
        assert holder.execute(reminders, [task]).fetchone() == (1,)
    assert len(told) == 1
    await wire.close()


@pytest.mark.check(31)
async def test_with_the_queues_server_stopped_for_10_s_under_load_no_job_is_lost_or_doubled(
    driver: TenantDriver,
    own_database: dict[str, str],
    own_rows: Database,
    broker: Broker,
    start_service: StartService,
    client: Client,
) -> None:
    server = broker(REDIS_URL)
    service = start_service(**own_database, **server.env)
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]

    async with load(driver, api, resource, clients=2, **PAST) as answers:
        await stopped_meanwhile(service, server, answers)
    assert {answer.status_code for answer in answers} == {201}

    broker(REDIS_URL)
    await service.becomes(200)
    assert service.process.poll() is None

    def reminded() -> bool:
        return own_rows.execute("SELECT count(*) FROM reminders").fetchone() == (len(answers),)

    await asyncio.to_thread(eventually, f"{len(answers)} reminders", reminded, 3 * PATIENCE)


@pytest.mark.check(31)
async def test_a_process_that_started_while_the_queues_server_was_away_does_its_jobs_once_it_is_there(
    driver: TenantDriver,
    own_database: dict[str, str],
    own_rows: Database,
    broker: Broker,
    start_service: StartService,
    client: Client,
) -> None:
    server = broker(REDIS_URL)
    server.stop()
    starting = asyncio.create_task(asyncio.to_thread(start_service, **own_database, **server.env))
    await asyncio.sleep(15)
    broker(REDIS_URL)
    api = client(await starting)
    resource = (await driver.create().send(api)).json()["id"]
    assert (await driver.write_once(resource, **PAST).send(api)).status_code == 201

    def reminded() -> bool:
        return own_rows.execute("SELECT count(*) FROM reminders").fetchone() == (1,)

    await asyncio.to_thread(eventually, "the reminder", reminded)
