"""Login limits stop the attacker and nobody else: failures count per account and client network, successes do not."""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from collections import Counter
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call, TenantDriver
from tests.conformance.drivers.fastify_bun import FastifyBun
from tests.conformance.drivers.nest_drizzle import PASSWORD, NestDrizzle
from tests.conformance.problems import problem
from tests.conformance.processes import Service

pytestmark = [pytest.mark.check(42)]

MAX = 5
NETWORK_MAX = 20
ACCOUNT_MAX = 15
WRONG = "a guess that is wrong"
NEW_PASSWORD = "another horse battery"  # noqa: S105 - of accounts that a test makes

_networks = itertools.count(1)


def network() -> str:
    """A /64 that no other test sends from, without its last 64 bits."""
    return f"2001:db8:0:{next(_networks):x}"


def sent_from(call: Call, address: str) -> Call:
    """The same request, from another address."""
    return Call(call.method, call.path, call.json, {**call.headers, "x-forwarded-for": address})


def without_cookies(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client, which keeps no session of the accounts that it signs in to."""
    api.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return api


@pytest.fixture
def limited(start_service: StartService, own_database: dict[str, str]) -> Service:
    """A service whose limits are low, behind a proxy that names its clients."""
    return start_service(
        **own_database,
        TRUST_PROXY="true",
        LOGIN_ATTEMPTS_MAX=str(MAX),
        LOGIN_ATTEMPTS_NETWORK_MAX=str(NETWORK_MAX),
    )


@pytest.fixture
def stranger(client: Client, limited: Service) -> httpx.AsyncClient:
    """A client of that service who has not signed up."""
    return without_cookies(client(limited, None))


async def registered(driver: TenantDriver, stranger: httpx.AsyncClient) -> str:
    """The address of a new account."""
    call = driver.sign_up()
    answer = await call.send(stranger)
    assert answer.is_success, answer.text
    assert call.json
    return str(call.json["email"])


async def guess(driver: TenantDriver, api: httpx.AsyncClient, email: str, address: str, times: int) -> Counter[int]:
    """The statuses of wrong passwords."""
    call = sent_from(driver.log_in(email, WRONG), address)
    return Counter([(await call.send(api)).status_code for _ in range(times)])


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_failures_of_a_stranger_lock_out_neither_owner_nor_office(
    driver: TenantDriver, stranger: httpx.AsyncClient
) -> None:
    owner, colleague = [await registered(driver, stranger) for _ in range(2)]
    home, office = network(), network()

    assert await guess(driver, stranger, owner, f"{office}::1", MAX + 3) == {401: MAX, 429: 3}

    refused = await sent_from(driver.log_in(owner, PASSWORD), f"{office}::1").send(stranger)
    problem(refused, 429, "RATE_LIMITED")
    assert int(refused.headers["retry-after"]) >= 1
    for email, address in ((owner, f"{home}::1"), (colleague, f"{office}::1")):
        assert (await sent_from(driver.log_in(email, PASSWORD), address).send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_attack_from_many_networks_leaves_the_owner_signed_in(
    driver: TenantDriver, stranger: httpx.AsyncClient
) -> None:
    owner, home = await registered(driver, stranger), network()
    sign_in = sent_from(driver.log_in(owner, PASSWORD), f"{home}::1")
    assert (await sign_in.send(stranger)).status_code == 200

    for _ in range(10):
        await guess(driver, stranger, owner, f"{network()}::1", MAX + 1)

    assert (await sign_in.send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_account_is_guessed_at_from_many_networks_only_up_to_its_own_budget(
    driver: TenantDriver, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    limits = {"LOGIN_ATTEMPTS_MAX": str(MAX), "LOGIN_ATTEMPTS_ACCOUNT_MAX": str(ACCOUNT_MAX)}
    stranger = without_cookies(client(start_service(**own_database, **limits, TRUST_PROXY="true"), None))
    owner, home = await registered(driver, stranger), network()
    sign_in = sent_from(driver.log_in(owner, PASSWORD), f"{home}::1")
    assert (await sign_in.send(stranger)).status_code == 200

    statuses: Counter[int] = Counter()
    for _ in range(ACCOUNT_MAX + 5):
        statuses += await guess(driver, stranger, owner, f"{network()}::1", 1)

    assert statuses == {401: ACCOUNT_MAX, 429: 5}
    assert (await sign_in.send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_account_signs_in_from_a_known_network_whose_budget_a_stranger_used_up(
    driver: TenantDriver, stranger: httpx.AsyncClient
) -> None:
    owner, office = await registered(driver, stranger), network()
    sign_in = sent_from(driver.log_in(owner, PASSWORD), f"{office}::1")
    assert (await sign_in.send(stranger)).status_code == 200

    for _ in range(NETWORK_MAX + 1):
        await guess(driver, stranger, f"{uuid.uuid4().hex}@example.com", f"{office}::2", 1)

    assert await guess(driver, stranger, f"{uuid.uuid4().hex}@example.com", f"{office}::3", 1) == {429: 1}
    assert (await sign_in.send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_successes_do_not_count_and_clear_the_failures(driver: TenantDriver, stranger: httpx.AsyncClient) -> None:
    owner, office = await registered(driver, stranger), network()
    sign_in = sent_from(driver.log_in(owner, PASSWORD), f"{office}::1")
    for _ in range(MAX * 2):
        assert (await sign_in.send(stranger)).status_code == 200

    for _ in range(2):
        assert await guess(driver, stranger, owner, f"{office}::1", MAX - 1) == {401: MAX - 1}
        assert (await sign_in.send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_an_ipv6_network_is_one_client(driver: TenantDriver, stranger: httpx.AsyncClient) -> None:
    attacker = network()
    statuses: Counter[int] = Counter()

    for number in range(NETWORK_MAX + 10):
        email = f"user{uuid.uuid4().hex}@example.com"
        statuses += await guess(driver, stranger, email, f"{attacker}:{number:x}::1", 1)

    assert statuses == {401: NETWORK_MAX, 429: 10}
    owner, attacker = await registered(driver, stranger), network()
    for number in range(MAX):
        assert await guess(driver, stranger, owner, f"{attacker}:{number:x}::1", 1) == {401: 1}
    assert await guess(driver, stranger, owner, f"{attacker}::ffff", 1) == {429: 1}


@pytest.mark.of("nest-drizzle", "fastify-bun")
async def test_parallel_guesses_pass_no_more_often_than_sequential_ones(
    driver: TenantDriver, stranger: httpx.AsyncClient
) -> None:
    owner = await registered(driver, stranger)
    call = sent_from(driver.log_in(owner, WRONG), f"{network()}::1")

    answers = await asyncio.gather(*(call.send(stranger) for _ in range(60)))

    assert Counter(answer.status_code for answer in answers) == {401: MAX, 429: 60 - MAX}


@pytest.mark.of("nest-drizzle")
async def test_password_of_an_invited_account_counts_like_a_login(
    driver: NestDrizzle, client: Client, limited: Service, stranger: httpx.AsyncClient
) -> None:
    victim, attacker = await registered(driver, stranger), client(limited)
    token = await driver.invite(attacker, victim)
    acceptance = Call("POST", "/auth/accept-invitation", {"token": token, "name": "x", "password": WRONG})
    call = sent_from(acceptance, f"{network()}::1")

    statuses = Counter([(await call.send(stranger)).status_code for _ in range(60)])

    assert statuses == {401: MAX, 429: 60 - MAX}
    accepted = {"token": token, "name": "x", "password": PASSWORD}
    problem(await Call(call.method, call.path, accepted, call.headers).send(stranger), 429, "RATE_LIMITED")


@pytest.mark.of("nest-drizzle")
async def test_current_password_of_a_change_counts_like_a_login(
    driver: NestDrizzle, client: Client, limited: Service
) -> None:
    api, office = client(limited), f"{network()}::1"
    await driver.find().send(api)
    call = Call("POST", "/auth/change-password", {"currentPassword": WRONG, "newPassword": NEW_PASSWORD})

    statuses = Counter([(await sent_from(call, office).send(api)).status_code for _ in range(MAX + 5)])

    assert statuses == {401: MAX, 429: 5}


@pytest.mark.of("nest-drizzle")
async def test_change_of_a_password_ends_the_other_sessions(
    driver: NestDrizzle, client: Client, limited: Service, stranger: httpx.AsyncClient
) -> None:
    sign_up = driver.sign_up()
    assert sign_up.json
    session = driver.session((await sign_up.send(stranger)).json())
    other = driver.session((await driver.log_in(str(sign_up.json["email"]), PASSWORD).send(stranger)).json())
    api = client(limited, Account(driver, session))
    change = Call("POST", "/auth/change-password", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD})

    answer = await change.send(api)

    assert answer.status_code == 200, answer.text
    for ended in (session, other):
        problem(await driver.renew(ended).send(stranger), 401)
    assert (await driver.renew(driver.session(answer.json())).send(stranger)).status_code == 200


@pytest.mark.of("nest-drizzle")
async def test_locked_out_owner_signs_in_again_by_mail(driver: NestDrizzle, stranger: httpx.AsyncClient) -> None:
    owner, office = await registered(driver, stranger), f"{network()}::1"
    await guess(driver, stranger, owner, office, MAX + 1)

    requested = sent_from(Call("POST", "/auth/request-password-reset", {"email": owner}), office)
    assert (await requested.send(stranger)).status_code == 202
    token = await driver.mailed_token(owner, "Reset your password")
    reset = sent_from(Call("POST", "/auth/reset-password", {"token": token, "newPassword": NEW_PASSWORD}), office)

    assert (await reset.send(stranger)).status_code == 204
    assert (await sent_from(driver.log_in(owner, NEW_PASSWORD), office).send(stranger)).status_code == 200
    problem(await reset.send(stranger), 401, "INVALID_TOKEN")


@pytest.mark.of("nest-drizzle")
async def test_requests_of_strangers_neither_flood_a_mailbox_nor_block_the_reset(
    driver: NestDrizzle, stranger: httpx.AsyncClient
) -> None:
    owner, unknown = await registered(driver, stranger), f"user{uuid.uuid4().hex}@example.com"
    answers = set()
    for email in (owner, unknown):
        call = Call("POST", "/auth/request-password-reset", {"email": email})
        for _ in range(10):
            answer = await sent_from(call, f"{network()}::1").send(stranger)
            answers.add((answer.status_code, answer.text))
        attacker = network()
        for number in range(20):
            answers |= {((await sent_from(call, f"{attacker}::{number + 1:x}").send(stranger)).status_code, "")}
    assert answers == {(202, "")}

    token = await driver.mailed_token(owner, "Reset your password", 14)

    assert len(driver.mails_to(owner, "Reset your password")) == 15  # 10 networks, and MAIL_REQUESTS_MAX of one
    reset = Call("POST", "/auth/reset-password", {"token": token, "newPassword": NEW_PASSWORD})
    assert (await reset.send(stranger)).status_code == 204


@pytest.mark.of("nest-drizzle")
async def test_strangers_use_up_no_invitation_of_another_tenant(
    driver: NestDrizzle, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    service = start_service(**own_database, MAIL_REQUESTS_ADDRESS_MAX="3")
    stranger = client(service, None)
    invitation = Call("POST", "/invitations", {"email": f"friend{uuid.uuid4().hex}@example.com"})

    async def tenant() -> httpx.AsyncClient:
        return client(service, Account(driver, driver.session((await driver.sign_up().send(stranger)).json())))

    attacker = await tenant()
    statuses = [(await invitation.send(attacker)).status_code for _ in range(6)]

    assert statuses.count(429) > 0
    assert (await invitation.send(await tenant())).status_code == 201


@pytest.mark.of("nest-drizzle")
async def test_guesses_at_tokens_are_limited_per_network(driver: NestDrizzle, stranger: httpx.AsyncClient) -> None:
    assert driver.variant
    for path, body in (
        ("/auth/reset-password", {"newPassword": NEW_PASSWORD}),
        ("/auth/verify-email", {"password": PASSWORD}),
        ("/auth/accept-invitation", {"name": "x", "password": PASSWORD}),
    ):
        call = sent_from(Call("POST", path, {"token": "guess", **body}), f"{network()}::1")
        statuses = Counter([(await call.send(stranger)).status_code for _ in range(NETWORK_MAX + 5)])
        assert statuses[429] == 5, path


@pytest.mark.of("nest-drizzle")
async def test_token_of_an_invitation_leaves_by_mail_only(driver: NestDrizzle, api: httpx.AsyncClient) -> None:
    email = f"friend{uuid.uuid4().hex}@example.com"

    answer = await Call("POST", "/invitations", {"email": email}).send(api)

    assert answer.status_code == 201
    assert await driver.mailed_token(email, "You are invited") not in answer.text
    assert "token" not in answer.text


@pytest.mark.of("nest-drizzle")
async def test_unverified_address_opens_no_account(
    driver: NestDrizzle, start_service: StartService, client: Client
) -> None:
    stranger = client(start_service(AUTH_REQUIRE_VERIFIED_EMAIL="true"), None)
    sign_up = driver.sign_up()
    assert sign_up.json
    email = str(sign_up.json["email"])

    answer = await sign_up.send(stranger)

    assert answer.status_code == 202
    assert (await sign_up.send(stranger)).json() == answer.json()
    problem(await driver.log_in(email, PASSWORD).send(stranger), 401, "INVALID_CREDENTIALS")
    token = await driver.mailed_token(email, "Verify your email address")
    wrong = Call("POST", "/auth/verify-email", {"token": token, "password": WRONG})
    problem(await wrong.send(stranger), 401, "INVALID_CREDENTIALS")
    right = Call("POST", "/auth/verify-email", {"token": token, "password": PASSWORD})
    assert (await right.send(stranger)).status_code == 200
    assert (await driver.log_in(email, PASSWORD).send(stranger)).status_code == 200


@pytest.mark.of("fastify-bun")
async def test_current_password_and_sign_in_share_one_budget(
    driver: FastifyBun, client: Client, limited: Service, stranger: httpx.AsyncClient
) -> None:
    sign_up, address = driver.sign_up(), f"{network()}::1"
    assert sign_up.json
    email = str(sign_up.json["email"])
    session = driver.session((await sign_up.send(stranger)).json())
    api = without_cookies(client(limited, Account(driver, session)))
    change = {"currentPassword": WRONG, "newPassword": NEW_PASSWORD}
    call = sent_from(Call("POST", "/api/auth/change-password", change), address)

    statuses = Counter([(await call.send(api)).status_code for _ in range(MAX - 1)])

    assert statuses == {400: MAX - 1}
    assert await guess(driver, stranger, email, address, 2) == {401: 1, 429: 1}
    problem(await call.send(api), 429, "RATE_LIMITED")


@pytest.mark.of("fastify-bun")
async def test_wrong_tokens_are_limited_per_network(driver: FastifyBun, stranger: httpx.AsyncClient) -> None:
    assert driver.variant
    for call in (
        Call("POST", "/api/auth/reset-password", {"token": "guess", "newPassword": NEW_PASSWORD}),
        Call("GET", "/api/auth/reset-password/guess?callbackURL=/"),
        Call("GET", "/api/auth/verify-email?token=guess"),
    ):
        address = f"{network()}::1"
        statuses = Counter(
            [(await sent_from(call, address).send(stranger)).status_code for _ in range(NETWORK_MAX + 5)]
        )
        assert statuses[429] == 5, call.path


@pytest.mark.of("fastify-bun")
async def test_wrong_links_of_a_neighbor_refuse_no_valid_one(driver: FastifyBun, stranger: httpx.AsyncClient) -> None:
    owner, office = await registered(driver, stranger), f"{network()}::1"
    request = Call("POST", "/api/auth/request-password-reset", {"email": owner})
    assert (await sent_from(request, office).send(stranger)).status_code == 200
    token = re.findall(r"reset-password/([\w-]+)", driver.mails_to(owner)[-1])[0]
    junk = Call("POST", "/api/auth/reset-password", {"token": "guess", "newPassword": NEW_PASSWORD})
    statuses = [(await sent_from(junk, office).send(stranger)).status_code for _ in range(NETWORK_MAX + 5)]
    assert statuses[-1] == 429

    valid = Call("POST", "/api/auth/reset-password", {"token": token, "newPassword": NEW_PASSWORD})

    assert (await sent_from(valid, office).send(stranger)).status_code == 200


@pytest.mark.of("fastify-bun")
async def test_owner_who_is_locked_out_everywhere_resets_the_password_by_mail(
    driver: FastifyBun, start_service: StartService, own_database: dict[str, str], client: Client
) -> None:
    limits = {"LOGIN_ATTEMPTS_MAX": "2", "LOGIN_ATTEMPTS_ACCOUNT_MAX": "4"}
    stranger = without_cookies(client(start_service(**own_database, TRUST_PROXY="true", **limits), None))
    owner, hotel = await registered(driver, stranger), f"{network()}::1"
    for _ in range(3):
        await guess(driver, stranger, owner, f"{network()}::1", 2)
    problem(await sent_from(driver.log_in(owner, PASSWORD), hotel).send(stranger), 429, "RATE_LIMITED")
    request = Call("POST", "/api/auth/request-password-reset", {"email": owner})
    for _ in range(30):
        await sent_from(request, f"{network()}::1").send(stranger)

    assert (await sent_from(request, hotel).send(stranger)).status_code == 200
    mails = [text for text in driver.mails_to(owner) if "new password" in text]
    assert len(mails) <= 25
    token = re.findall(r"reset-password/([\w-]+)", mails[-1])[0]
    reset = Call("POST", "/api/auth/reset-password", {"token": token, "newPassword": NEW_PASSWORD})

    assert (await sent_from(reset, hotel).send(stranger)).status_code == 200
    assert (await sent_from(driver.log_in(owner, NEW_PASSWORD), hotel).send(stranger)).status_code == 200


@pytest.mark.of("fastify-bun")
async def test_failed_sign_ins_are_logged_by_keyed_hash_without_personal_data(
    driver: FastifyBun, limited: Service, stranger: httpx.AsyncClient
) -> None:
    owner, address = await registered(driver, stranger), "203.0.113.77"

    await guess(driver, stranger, owner, address, MAX + 20)

    log = Path(limited.log_file).read_text()
    accounts = re.findall(r'"account":"([\w-]+)","msg":"wrong password"', log)
    assert len(accounts) == MAX
    assert len(set(accounts)) == 1
    assert log.count('"msg":"login limit reached"') == 1
    for personal in (owner, owner.split("@", 1)[0], address, WRONG):
        assert personal not in log
