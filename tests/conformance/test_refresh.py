"""A session survives two refreshes at once and a lost response, and ends when a spent token is replayed later."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client
from tests.conformance.drivers import Account, Session, TenantDriver
from tests.conformance.problems import problem
from tests.conformance.processes import Service
from tests.conformance.raw import abandon

pytestmark = [pytest.mark.check(54), pytest.mark.of("nest-drizzle", "next-supabase")]

Database = psycopg.Connection[tuple[Any, ...]]

PASS_GRACE = {
    "nest-drizzle": "UPDATE refresh_tokens SET used_at = used_at - interval '1 minute' WHERE user_id = %s",
    "next-supabase": """
        UPDATE auth.refresh_tokens SET updated_at = updated_at - interval '1 minute'
         WHERE session_id IN (SELECT id FROM auth.sessions WHERE user_id = %s)""",
}
"""Makes the tokens of a user as old as they are after the grace period (10 s)."""

ENDS_ACCESS = frozenset({"next-supabase"})
"""Variants whose access tokens end with the session, and not when they expire."""


@pytest.fixture
async def session(driver: TenantDriver, stranger: httpx.AsyncClient) -> Session:
    return driver.session((await driver.sign_up().send(stranger)).json())


async def goes_on(driver: TenantDriver, session: Session, client: Client, service: Service) -> Session:
    """Asserts that a session reads, and can be renewed again."""
    assert (await driver.find().send(client(service, Account(driver, session)))).status_code == 200
    answer = await driver.renew(session).send(client(service, None))
    assert answer.status_code == 200, answer.text
    return driver.session(answer.json())


async def test_refreshes_at_once_in_two_processes_keep_the_session(
    driver: TenantDriver, session: Session, client: Client, processes: tuple[Service, Service]
) -> None:
    clients = [client(service, None) for service in processes]

    answers = await asyncio.gather(*(driver.renew(session).send(clients[turn % 2]) for turn in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    renewed = [driver.session(answer.json()) for answer in answers]
    assert len({found.renewal for found in renewed}) == 1, "the session has several refresh tokens"
    for found in (renewed[0], renewed[-1]):
        assert (await driver.find().send(client(processes[0], Account(driver, found)))).status_code == 200
    await goes_on(driver, renewed[0], client, processes[1])


async def test_refresh_whose_response_was_lost_can_be_repeated(
    driver: TenantDriver, session: Session, client: Client, running: Service
) -> None:
    for _ in range(3):
        await abandon(running, driver.renew(session), Account(driver, session))
    lost = await driver.renew(session).send(client(running, None))
    assert lost.status_code == 200

    repeated = await driver.renew(session).send(client(running, None))

    assert repeated.status_code == 200, repeated.text
    await goes_on(driver, driver.session(repeated.json()), client, running)


async def test_spent_refresh_token_after_the_grace_ends_the_session(
    driver: TenantDriver, session: Session, client: Client, running: Service, database: Database
) -> None:
    api = client(running, None)
    renewed = driver.session((await driver.renew(session).send(api)).json())
    current = await goes_on(driver, renewed, client, running)
    database.execute(PASS_GRACE[driver.variant], [session.user])

    problem(await driver.renew(session).send(api), 401)

    problem(await driver.renew(current).send(api), 401)
    if driver.variant not in ENDS_ACCESS:
        return
    # Access tokens end within the second for which a session is remembered.
    deadline = asyncio.get_running_loop().time() + 10
    while (answer := await driver.find().send(client(running, Account(driver, current)))).status_code == 200:
        assert asyncio.get_running_loop().time() < deadline, "the access token still works"
        await asyncio.sleep(0.1)
    problem(answer, 401)


async def test_spent_refresh_token_in_the_grace_gives_no_second_session(
    driver: TenantDriver, session: Session, client: Client, running: Service
) -> None:
    api = client(running, None)
    renewed = driver.session((await driver.renew(session).send(api)).json())

    again = driver.session((await driver.renew(session).send(api)).json())

    assert again.renewal == renewed.renewal
    assert (await driver.sign_out(again).send(api)).is_success
    problem(await driver.renew(renewed).send(api), 401)
