"""Idempotency-Key: whatever is repeated happens once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Driver
from tests.conformance.problems import problem
from tests.conformance.processes import Service

Database = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def apis(processes: tuple[Service, Service], client: Client) -> list[httpx.AsyncClient]:
    return [client(process) for process in processes]


@pytest.fixture
def key() -> str:
    return f"key-{uuid.uuid4()}"


async def created(driver: Driver, api: httpx.AsyncClient) -> str:
    return str((await driver.create().send(api)).json()["id"])


def effects(database: Database, driver: Driver, *resources: str) -> int:
    counts = (database.execute(driver.effects.encode(), {"resource": resource}).fetchone() for resource in resources)
    return sum(count[0] for count in counts if count)


@pytest.mark.check(23)
async def test_one_key_50_times_in_parallel_through_two_processes_has_one_effect(
    driver: Driver, apis: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    resource = await created(driver, apis[0])

    answers = await asyncio.gather(*(driver.write_once(resource, key).send(apis[n % 2]) for n in range(50)))

    done = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer not in done:
            problem(answer, 409)
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    assert {answer.headers.get("idempotency-replayed", "true") for answer in done} == {"true"}
    assert len({answer.content for answer in done}) == 1
    assert effects(database, driver, resource) == 1


@pytest.mark.check(23)
async def test_a_repetition_gets_the_first_answer_to_the_byte_from_another_process(
    driver: Driver, apis: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    resource = await created(driver, apis[0])
    first = await driver.write_once(resource, key).send(apis[0])
    await driver.write_once(resource).send(apis[0])

    again = await driver.write_once(resource, key).send(apis[1])

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for name in ("location", "etag", "content-type", "cache-control"):
        assert again.headers.get(name) == first.headers.get(name), name
    assert effects(database, driver, resource) == 2


@pytest.mark.of("fastify-bun", "nest-drizzle", "nest-prisma", "next-supabase")
@pytest.mark.check(23)
async def test_a_replay_says_where_the_resource_is_and_which_version_it_had(
    driver: Driver, apis: list[httpx.AsyncClient], key: str
) -> None:
    made = driver.create()
    keyed = replace(made, headers={**made.headers, "idempotency-key": key})
    first = await keyed.send(apis[0])
    again = await keyed.send(apis[1])

    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"] == '"1"'


@pytest.mark.check(23)
async def test_one_key_for_two_resources_in_parallel_has_one_effect(
    driver: Driver, apis: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    resources = [await created(driver, apis[0]) for _ in range(2)]

    answers = await asyncio.gather(
        *(driver.write_once(resources[n % 2], key).send(apis[n // 2 % 2]) for n in range(50))
    )

    for answer in answers:
        if answer.status_code != 201:
            assert problem(answer)["status"] in (409, 422)
    assert effects(database, driver, *resources) == 1


@pytest.mark.check(23)
async def test_what_a_killed_process_left_unanswered_may_be_repeated_elsewhere(
    driver: Driver, start_service: StartService, client: Client, apis: list[httpx.AsyncClient], database: Database
) -> None:
    resource = await created(driver, apis[0])
    doomed = start_service()
    api = client(doomed)
    keys = [f"key-{uuid.uuid4()}" for _ in range(200)]
    answered = asyncio.Event()

    async def first(key: str) -> httpx.Response | None:
        try:
            answer = await driver.write_once(resource, key).send(api)
        except httpx.TransportError:
            return None
        answered.set()
        return answer

    attempts = [asyncio.create_task(first(key)) for key in keys]
    await answered.wait()
    doomed.process.kill()
    firsts = await asyncio.gather(*attempts)
    repeated = [await driver.write_once(resource, key).send(apis[0]) for key in keys]

    for before, after in zip(firsts, repeated, strict=True):
        assert after.status_code == 201
        assert before is None or before.content == after.content
    assert effects(database, driver, resource) == len(keys)


@pytest.mark.check(24)
async def test_a_key_with_another_body_is_refused(
    driver: Driver, apis: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    resource = await created(driver, apis[0])
    await driver.write_once(resource, key, n=1).send(apis[0])

    for api in apis:
        problem(await driver.write_once(resource, key, n=2).send(api), 422, "IDEMPOTENCY_KEY_REUSED")
    assert effects(database, driver, resource) == 1


@pytest.mark.check(24)
async def test_two_bodies_under_one_key_in_parallel_have_the_effect_of_one(
    driver: Driver, apis: list[httpx.AsyncClient], database: Database, key: str
) -> None:
    resource = await created(driver, apis[0])

    answers = await asyncio.gather(
        *(driver.write_once(resource, key, n=1 + n % 2).send(apis[n // 2 % 2]) for n in range(40))
    )

    granted = {n % 2 for n, answer in enumerate(answers) if answer.status_code == 201}
    assert len(granted) == 1
    for n, answer in enumerate(answers):
        if answer.status_code != 201:
            assert problem(answer)["status"] == 422 or n % 2 in granted
    assert effects(database, driver, resource) == 1


@pytest.mark.check(24)
async def test_a_request_that_is_not_valid_leaves_its_key_free(
    driver: Driver, apis: list[httpx.AsyncClient], key: str
) -> None:
    resource = await created(driver, apis[0])
    problem(await driver.write_once(resource, key, n=0).send(apis[0]), 400)

    assert (await driver.write_once(resource, key).send(apis[1])).status_code == 201


@pytest.mark.parametrize("malformed", ["", "k" * 256, "with space", "with\ttab"])
async def test_a_malformed_key_is_refused(driver: Driver, apis: list[httpx.AsyncClient], malformed: str) -> None:
    resource = await created(driver, apis[0])

    fault = problem(await driver.write_once(resource, malformed).send(apis[0]), 400)["errors"][0]

    assert fault["pointer"] == "/idempotency-key"
