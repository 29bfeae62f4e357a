"""What is deleted is gone for its users, gives its unique values free, and can be restored."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.drivers import Call
from tests.conformance.drivers.nest_drizzle import NestDrizzle
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE

pytestmark = [pytest.mark.check(16), pytest.mark.of("nest-prisma")]

Database = psycopg.Connection[tuple[Any, ...]]


def deletion(path: str) -> Call:
    return Call("DELETE", path, headers={"if-match": '"1"'})


async def test_a_unique_value_of_what_was_deleted_can_be_used_again(driver: NestPrisma, api: httpx.AsyncClient) -> None:
    call = driver.unique(f"value {uuid.uuid4()}")
    first = await call.send(api)
    problem(await call.send(api), 409)

    assert (await deletion(first.headers["location"]).send(api)).status_code == 204

    second = await call.send(api)
    assert second.status_code == 201
    problem(await driver.read(first.json()["id"]).send(api), 404)
    # What took its place stands in its way.
    problem(await Call("POST", f"{first.headers['location']}/restore").send(api), 409)
    assert (await driver.read(second.json()["id"]).send(api)).json() == second.json()


async def test_what_is_deleted_is_in_no_list_takes_what_belongs_to_it_along_and_brings_it_back(
    driver: NestPrisma, api: httpx.AsyncClient, database: Database
) -> None:
    customer = await driver.create().send(api)
    tracking = await driver.write_once(customer.json()["id"]).send(api)

    await deletion(customer.headers["location"]).send(api)

    for path in (customer.headers["location"], tracking.headers["location"]):
        problem(await api.get(path), 404)
        collection = path.rpartition("/")[0]
        assert (await api.get(collection)).json()["data"] == []
        assert len((await api.get(f"{collection}?deleted=true")).json()["data"]) == 1
    stored = database.execute("SELECT deleted_at FROM customers WHERE id = %s", [customer.json()["id"]]).fetchone()
    assert stored
    assert stored[0] is not None

    restored = await Call("POST", f"{customer.headers['location']}/restore").send(api)
    assert restored.status_code == 200
    assert (await api.get(tracking.headers["location"])).status_code == 200


@pytest.mark.check(53)
async def test_trackings_of_a_deleted_customer_are_out_of_writes_and_jobs_until_it_is_restored(
    driver: NestPrisma, api: httpx.AsyncClient
) -> None:
    customer = await driver.create().send(api)
    path = customer.headers["location"]
    tracking = await driver.write_once(customer.json()["id"]).send(api)
    earlier = await driver.write_once(customer.json()["id"]).send(api)
    assert (await deletion(earlier.headers["location"]).send(api)).status_code == 204
    connection = await driver.connect(api)
    change = Call("PATCH", tracking.headers["location"], {"name": "changed"}, {"if-match": '"1"'})

    assert (await deletion(path).send(api)).status_code == 204

    problem(await change.send(api), 404)
    problem(await deletion(tracking.headers["location"]).send(api), 404)
    problem(await driver.set_up(tracking.json()["id"], connection).send(api), 404)
    problem(await driver.write_once(customer.json()["id"]).send(api), 404)
    problem(await Call("POST", f"{tracking.headers['location']}/restore").send(api), 409, "CUSTOMER_DELETED")

    assert (await Call("POST", f"{path}/restore").send(api)).status_code == 200
    restored = (await api.get(tracking.headers["location"])).json()
    assert (restored["deletedAt"], restored["name"]) == (None, tracking.json()["name"])
    problem(await api.get(earlier.headers["location"]), 404)  # it was deleted before, and not with the customer
    assert (await driver.set_up(tracking.json()["id"], connection).send(api)).status_code == 202


@pytest.mark.check(53)
@pytest.mark.of("nest-drizzle")
async def test_tasks_of_a_deleted_project_are_gone_until_it_is_restored(
    driver: NestDrizzle, api: httpx.AsyncClient
) -> None:
    project, other = [(await driver.create().send(api)).json()["id"] for _ in range(2)]
    task, kept = [(await driver.write_once(parent).send(api)).json()["id"] for parent in (project, other)]
    export = (await Call("POST", f"/projects/{project}/exports").send(api)).json()["id"]

    assert (await deletion(f"/projects/{project}").send(api)).status_code == 204

    assert [row["id"] for row in (await api.get("/tasks")).json()["data"]] == [kept]
    assert (await api.get(f"/tasks?projectId={project}")).json()["data"] == []
    changes = {"if-match": '"1"'}
    for call in (
        Call("GET", f"/tasks/{task}"),
        Call("PATCH", f"/tasks/{task}", {"title": "still here"}, changes),
        Call("PATCH", f"/tasks/{task}", {"projectId": other}, changes),
        Call("DELETE", f"/tasks/{task}", headers=changes),
        Call("PATCH", f"/tasks/{kept}", {"projectId": project}, changes),
        Call("GET", f"/projects/{project}/stats"),
        Call("POST", f"/projects/{project}/exports"),
        Call("GET", f"/exports/{export}"),
        driver.write_once(project),
    ):
        problem(await call.send(api), 404)

    assert (await Call("POST", f"/projects/{project}/restore").send(api)).status_code == 200
    assert {row["id"] for row in (await api.get("/tasks")).json()["data"]} == {task, kept}
    assert (await Call("PATCH", f"/tasks/{task}", {"title": "back"}, changes).send(api)).status_code == 200
    assert (await api.get(f"/exports/{export}")).status_code == 200


@pytest.mark.check(53)
@pytest.mark.of("nest-drizzle")
async def test_reminder_of_a_deleted_project_fires_once_it_is_restored(
    driver: NestDrizzle, api: httpx.AsyncClient, database: Database
) -> None:
    deleted, other = [(await driver.create().send(api)).json()["id"] for _ in range(2)]
    due = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    task = (await driver.write_once(deleted, dueAt=due).send(api)).json()["id"]
    assert (await deletion(f"/projects/{deleted}").send(api)).status_code == 204
    later = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    witness = (await driver.write_once(other, dueAt=later).send(api)).json()["id"]

    async def reminded(of: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while database.execute("SELECT FROM reminders WHERE task_id = %s", [of]).fetchone() is None:
                await asyncio.sleep(0.05)

    await reminded(witness)  # was due later
    assert database.execute("SELECT FROM reminders WHERE task_id = %s", [task]).fetchone() is None

    await Call("POST", f"/projects/{deleted}/restore").send(api)
    await reminded(task)
