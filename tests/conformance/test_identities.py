"""People whose identities another provider keeps: what it takes back, this service stops believing."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call, TenantDriver
from tests.conformance.drivers.nest_prisma import NestPrisma, id_token
from tests.conformance.problems import problem
from tests.conformance.processes import Postgres, Service

pytestmark = pytest.mark.of("nest-prisma")

REMEMBERED = 1
"""Seconds for which a service believes a token without asking again."""


@pytest.mark.check(18)
async def test_production_believes_no_token_that_is_not_signed(
    driver: NestPrisma, api: httpx.AsyncClient, account: Account, start_service: StartService
) -> None:
    assert (await driver.find().send(api)).status_code == 200
    production = start_service(NODE_ENV="production", FIREBASE_AUTH_EMULATOR_HOST="", GOOGLE_BASE_URL="")

    answer = httpx.get(f"{production.url}{driver.find().path}", headers=account.session.headers)

    problem(answer, 401)


@pytest.mark.check(19)
@pytest.mark.parametrize("change", ["disableUser", "validSince"])
async def test_whoever_is_disabled_or_signed_out_everywhere_is_refused_within_the_bound(
    driver: NestPrisma, postgres: Postgres, start_service: StartService, client: Client, change: str
) -> None:
    service = start_service(AUTH_CACHE_SECONDS=str(REMEMBERED))
    account = driver.account()
    api = client(service, account)
    assert (await driver.find().send(api)).status_code == 200

    await change_user(
        postgres, driver, account, {change: str(int(time.time()) + 3_600) if change == "validSince" else True}
    )

    await asyncio.sleep(REMEMBERED + 0.5)
    problem(await driver.find().send(api), 401)


@pytest.mark.check(19)
async def test_whoever_is_no_member_any_more_is_refused_at_once_and_by_other_processes_within_the_bound(
    driver: NestPrisma, start_service: StartService, client: Client
) -> None:
    here, there = (start_service(AUTH_CACHE_SECONDS=str(REMEMBERED)) for _ in range(2))
    owner = client(here, driver.account())
    member = await driver.join(owner)
    apis = [client(service, Account(driver, member)) for service in (here, there)]
    for api in apis:
        assert (await driver.find().send(api)).status_code == 200

    assert (await Call("DELETE", f"/api/v1/members/{member.user}").send(owner)).status_code == 204

    problem(await driver.find().send(apis[0]), 403)
    await asyncio.sleep(REMEMBERED + 0.5)
    problem(await driver.find().send(apis[1]), 403)


@pytest.mark.check(20)
async def test_claims_of_a_token_give_no_role(
    driver: NestPrisma, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    member = await driver.join(api)
    email = (await api.get("/api/v1/members")).json()["members"][-1]["email"]
    boasting = id_token(email, role="OWNER", admin=True, organizationId=member.tenant)

    invitation = Call("POST", "/api/v1/members/invitations", {"email": "friend@example.com", "role": "VIEWER"})
    answer = await client(running, None).request(
        invitation.method, invitation.path, json=invitation.json, headers={"authorization": f"Bearer {boasting}"}
    )

    problem(answer, 403)


@pytest.mark.check(21)
@pytest.mark.of("nest-prisma", "next-supabase")
async def test_two_processes_share_a_rate_limit_and_x_forwarded_for_does_not_reset_it(
    driver: TenantDriver, own_database: dict[str, str], start_service: StartService, client: Client
) -> None:
    apis = [client(start_service(**own_database, RATE_LIMIT_MAX="6"), None) for _ in range(2)]

    for attempt in range(6):
        problem(await driver.find().send(apis[attempt % 2]), 401)
    for api in apis:
        refused = await driver.find().send(api)
        problem(refused, 429, "RATE_LIMITED")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        problem(await api.get(driver.find().path, headers={"x-forwarded-for": "203.0.113.7"}), 429)


@pytest.mark.check(21)
async def test_two_processes_share_the_budgets_of_a_user_and_of_an_organization(
    driver: NestPrisma, own_database: dict[str, str], start_service: StartService, client: Client
) -> None:
    limits = {"RATE_LIMIT_USER_MAX": "8", "RATE_LIMIT_ORGANIZATION_MAX": "12"}
    services = [start_service(**own_database, **limits) for _ in range(2)]
    account = driver.account()
    apis = [client(service, account) for service in services]
    member = await driver.join(apis[0])  # which the owner's budget pays for
    spent = 0
    while (answer := await driver.find().send(apis[spent % 2])).status_code == 200:
        spent += 1
    problem(answer, 429, "RATE_LIMITED")
    assert spent < 8

    others = [client(service, Account(driver, member)) for service in services]
    answers = [(await driver.find().send(others[n % 2])).status_code for n in range(8)]
    assert answers[0] == 200, "another user has a budget of their own"
    assert answers[-1] == 429, "the organization has one for all of its users"


async def change_user(postgres: Postgres, driver: NestPrisma, account: Account, change: dict[str, object]) -> None:
    """What an administrator does in Firebase's console."""
    uid = driver.firebase_uid(account.session)
    host = postgres.env["FIREBASE_AUTH_EMULATOR_HOST"]
    url = f"http://{host}/identitytoolkit.googleapis.com/v1/projects/demo-local/accounts:update"
    async with httpx.AsyncClient() as firebase:
        assert (await firebase.post(url, json={"localId": uid, **change})).is_success
