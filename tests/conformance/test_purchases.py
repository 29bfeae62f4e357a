"""Ticket sales: never more than there are."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect, StartService
from tests.conformance.drivers import Driver
from tests.conformance.problems import problem
from tests.conformance.processes import Service

pytestmark = pytest.mark.of("nest-typeorm")

Database = psycopg.Connection[tuple[Any, ...]]


@pytest.mark.check(22)
@pytest.mark.parametrize("settings", [{}, {"PURCHASE_GROUP_MAX": "1"}], ids=["grouped", "one by one"])
async def test_400_concurrent_purchases_of_100_seats_through_two_processes_sell_exactly_100(
    driver: Driver, start_service: StartService, client: Client, database: Database, settings: dict[str, str]
) -> None:
    # A loaded machine takes longer than a client of the default settings would wait.
    patient = dict.fromkeys(("DATABASE_CONNECT_TIMEOUT_MS", "DATABASE_LOCK_TIMEOUT_MS"), "30000")
    patient["REQUEST_TIMEOUT_MS"] = "120000"
    apis = [client(start_service(**patient, **settings)) for _ in range(2)]
    event = (await driver.create(capacity=100).send(apis[0])).json()["id"]

    answers = await asyncio.gather(*(driver.write_once(event).send(apis[n % 2]) for n in range(400)))

    sold = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(sold) == 100
    for answer in answers:
        assert answer.status_code == 201 or problem(answer, 409, "SOLD_OUT")["available"] == 0
    assert sorted(number for sale in sold for number in sale["ticketNumbers"]) == list(range(1, 101))

    rows = database.execute("SELECT id::text FROM purchases WHERE event_id = %s", [event]).fetchall()
    assert {row[0] for row in rows} == {sale["id"] for sale in sold}
    tickets = database.execute("SELECT number, purchase_id::text FROM tickets WHERE event_id = %s", [event]).fetchall()
    assert set(tickets) == {(number, sale["id"]) for sale in sold for number in sale["ticketNumbers"]}
    counters = (await driver.read(event).send(apis[1])).json()
    assert (counters["sold"], counters["available"]) == (100, 0)


@pytest.mark.check(22)
async def test_purchases_of_several_tickets_get_all_or_none_and_only_what_does_not_fit_is_refused(
    driver: Driver, processes: tuple[Service, Service], client: Client
) -> None:
    apis = [client(process) for process in processes]
    event = (await driver.create(capacity=100).send(apis[0])).json()["id"]
    wishes = [quantity for _ in range(20) for quantity in (1, 3, 7, 10)]

    answers = await asyncio.gather(
        *(driver.write_once(event, quantity=quantity).send(apis[n % 2]) for n, quantity in enumerate(wishes))
    )

    numbers = [number for answer in answers if answer.status_code == 201 for number in answer.json()["ticketNumbers"]]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for quantity, answer in zip(wishes, answers, strict=True):
        if answer.status_code == 201:
            assert len(answer.json()["ticketNumbers"]) == quantity
        else:
            assert 100 - len(numbers) <= problem(answer, 409)["available"] < quantity


@pytest.mark.check(22)
async def test_a_purchase_of_more_than_is_left_is_told_how_many_are(driver: Driver, api: httpx.AsyncClient) -> None:
    event = (await driver.create(capacity=5).send(api)).json()["id"]
    assert (await driver.write_once(event, quantity=3).send(api)).status_code == 201

    refused = problem(await driver.write_once(event, quantity=3).send(api), 409, "NOT_ENOUGH_TICKETS")

    assert refused["available"] == 2
    assert (await driver.write_once(event, quantity=2).send(api)).json()["ticketNumbers"] == [4, 5]
    assert problem(await driver.write_once(event).send(api), 409, "SOLD_OUT")["available"] == 0


async def test_purchases_beyond_the_queue_are_turned_away_and_the_others_are_served(
    driver: Driver, start_service: StartService, client: Client, connect: Connect
) -> None:
    api = client(start_service(PURCHASE_QUEUE_MAX="5", DATABASE_LOCK_TIMEOUT_MS="30000", REQUEST_TIMEOUT_MS="30000"))
    event = (await driver.create().send(api)).json()["id"]
    holder = connect()
    holder.execute(driver.lock.encode(), {"resource": event})

    requests = [asyncio.create_task(driver.write_once(event).send(api)) for _ in range(20)]
    refused: list[httpx.Response] = []
    for request in itertools.islice(asyncio.as_completed(requests), 15):
        refused.append(await request)
    holder.rollback()
    answers = await asyncio.gather(*requests)

    for answer in refused:
        problem(answer, 503, "QUEUE_FULL")
        assert int(answer.headers["retry-after"]) >= 1
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [503] * 15
    assert (await driver.read(event).send(api)).json()["sold"] == 5


async def test_a_purchase_is_answered_without_the_buyer(driver: Driver, api: httpx.AsyncClient) -> None:
    event = (await driver.create(price=1_250, currency="CHF").send(api)).json()["id"]

    answer = await driver.write_once(event, quantity=3).send(api)

    sale = answer.json()
    assert (answer.status_code, sale["eventId"], sale["quantity"], sale["ticketNumbers"]) == (201, event, 3, [1, 2, 3])
    assert (sale["totalPrice"], sale["currency"]) == (3_750, "CHF")
    assert "ada" not in answer.text.lower()


async def test_tickets_of_an_event_that_has_started_are_not_sold(driver: Driver, api: httpx.AsyncClient) -> None:
    event = (await driver.create(startsAt="2020-01-01T00:00:00Z").send(api)).json()["id"]

    problem(await driver.write_once(event).send(api), 409, "EVENT_STARTED")


async def test_a_purchase_for_no_event_is_answered_404(driver: Driver, api: httpx.AsyncClient) -> None:
    problem(await driver.write_once("01990000-0000-7000-8000-0000000000ff").send(api), 404, "EVENT_NOT_FOUND")
