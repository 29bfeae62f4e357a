"""Who may do what: strangers nothing, forged and ended sessions nothing, members what their role allows."""

from __future__ import annotations

import re
import time
import uuid

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call, TenantDriver
from tests.conformance.problems import problem
from tests.conformance.processes import Service

LIFETIME = 2
"""Of an access token, in seconds, where a test waits for its end."""


@pytest.mark.check(17)
async def test_every_route_that_is_not_public_answers_401_to_a_stranger(
    driver: TenantDriver, stranger: httpx.AsyncClient, running: Service
) -> None:
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    operations = {(method, path) for path, methods in paths.items() for method in methods}
    assert driver.public < operations

    for method, path in sorted(operations - driver.public):
        url = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
        for headers in ({}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic YTpi"}):
            answer = await stranger.request(
                method, url, json={} if method in ("post", "patch") else None, headers=headers
            )
            problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer"), f"{method} {path}"


@pytest.mark.check(17)
async def test_what_is_public_needs_no_token(driver: TenantDriver, stranger: httpx.AsyncClient) -> None:
    probes = {("get", path) for path in ("/health/live", "/health/ready", "/docs", "/openapi.json")}
    for method, path in sorted(driver.public | probes):
        answer = await stranger.request(method, path, json={} if method == "post" else None)
        expected = 200 if (method, path) in probes else 400  # nothing that they could work with was sent
        assert answer.status_code == expected, f"{method} {path}: {answer.text}"


@pytest.mark.check(18)
async def test_a_token_that_is_forged_foreign_expired_or_cut_is_answered_401(
    driver: TenantDriver, api: httpx.AsyncClient, account: Account, stranger: httpx.AsyncClient
) -> None:
    assert (await driver.find().send(api)).status_code == 200

    for fault, token in driver.forged(account.session).items():
        answer = await stranger.get(driver.find().path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, f"{fault}: {answer.text}"
        problem(answer, 401)
    # What was tried has not spoilt the real one.
    assert (await driver.find().send(api)).status_code == 200


@pytest.mark.check(19)
@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_after_logout_the_session_cannot_be_renewed_and_its_token_ends_within_its_lifetime(
    driver: TenantDriver, start_service: StartService, client: Client, account: Account
) -> None:
    service = start_service(ACCESS_TOKEN_TTL_SECONDS=str(LIFETIME))
    api = client(service)
    assert (await driver.find().send(api)).status_code == 200

    assert (await driver.sign_out(account.session).send(client(service, None))).is_success
    problem(await driver.renew(account.session).send(client(service, None)), 401)
    time.sleep(LIFETIME + 1)
    problem(await driver.find().send(api), 401)


@pytest.mark.check(19)
@pytest.mark.of("nest-drizzle")
async def test_a_renewal_that_is_used_twice_ends_the_whole_session(
    driver: TenantDriver, start_service: StartService, client: Client, account: Account
) -> None:
    # Without the grace period, which test_refresh.py is about.
    service = start_service(REFRESH_TOKEN_GRACE_SECONDS="0")  # noqa: S106 - a duration
    stranger = client(service, None)
    await driver.find().send(client(service))
    renewed = driver.session((await driver.renew(account.session).send(stranger)).json())

    problem(await driver.renew(account.session).send(stranger), 401)  # whoever it was, one of the two had stolen it
    problem(await driver.renew(renewed).send(stranger), 401)


@pytest.mark.check(19)
@pytest.mark.of("nest-drizzle")
async def test_whoever_is_no_member_any_more_gets_no_new_token(
    driver: TenantDriver, api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    member = await driver.join(api)

    assert (await api.delete(f"/members/{member.user}")).status_code == 204

    problem(await driver.renew(member).send(stranger), 401)


@pytest.mark.check(19)
@pytest.mark.of("fastify-bun", "next-supabase")
async def test_a_session_that_was_ended_in_one_process_is_worth_nothing_in_another_after_a_second(
    driver: TenantDriver, processes: tuple[Service, Service], client: Client, account: Account
) -> None:
    here, elsewhere = (client(process) for process in processes)
    for api in (here, elsewhere):
        assert (await driver.find().send(api)).status_code == 200

    assert (await driver.sign_out(account.session).send(client(processes[0], None))).is_success
    problem(await driver.find().send(here), 401)
    time.sleep(1.1)
    problem(await driver.find().send(elsewhere), 401)


@pytest.mark.check(19)
@pytest.mark.of("fastify-bun")
async def test_whoever_has_deleted_the_account_is_let_in_no_more_by_session_or_by_key(
    driver: TenantDriver, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    program = client(running, Account(driver, await driver.join(api)))
    assert (await driver.find().send(program)).status_code == 200

    assert (await api.delete("/users/me")).status_code == 204

    for caller in (api, program):
        problem(await driver.find().send(caller), 401)


@pytest.mark.check(20)
async def test_a_member_may_read_and_write_and_gets_403_where_a_role_is_needed(
    driver: TenantDriver, api: httpx.AsyncClient, account: Account, client: Client, running: Service
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    member = client(running, Account(driver, await driver.join(api)))

    assert (await driver.read(resource).send(member)).status_code == 200
    assert (await driver.write_once(resource).send(member)).status_code == 201
    for call in driver.privileged_calls(resource, account.session):
        problem(await call.send(member), 403)
    assert (await driver.read(resource).send(api)).status_code == 200


@pytest.mark.check(21)
@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_two_processes_share_the_attempts_to_log_in_and_x_forwarded_for_does_not_reset_them(
    driver: TenantDriver, own_database: dict[str, str], start_service: StartService, client: Client
) -> None:
    clients = [client(start_service(**own_database, LOGIN_ATTEMPTS_MAX="6"), None) for _ in range(2)]
    email = f"user{uuid.uuid4().hex}@example.com"
    call = driver.log_in(email, "a guess that is wrong")

    for attempt in range(6):
        problem(await call.send(clients[attempt % 2]), 401)
    for api in clients:
        refused = await call.send(api)
        problem(refused, 429, "RATE_LIMITED")
        assert 1 <= int(refused.headers["retry-after"]) <= 900
        spoofed = Call(call.method, call.path, call.json, {"x-forwarded-for": "203.0.113.7"})
        problem(await spoofed.send(api), 429)
