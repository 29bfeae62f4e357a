"""What is deleted is gone for its users, gives its unique values free, and can be restored."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.drivers import Call
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.problems import problem

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
