"""Login limits stop who guesses passwords, and nobody else."""

from __future__ import annotations

import asyncio
import secrets
import uuid

import httpx
import pytest

from tests.conformance.conftest import Client, Connect, StartService
from tests.conformance.drivers import TenantDriver
from tests.conformance.problems import problem

LIMITS = {"LOGIN_ATTEMPTS_MAX": "5", "LOGIN_ATTEMPTS_NETWORK_MAX": "20", "TRUST_PROXY": "true"}

LIMITED = pytest.mark.of("next-supabase")


def address() -> str:
    """An IPv4 address that no other test uses."""
    return ".".join(["10", *(str(1 + secrets.randbelow(254)) for _ in range(3))])


class Attempts:
    """Logins of one account, from addresses that a proxy names."""

    def __init__(self, driver: TenantDriver, api: httpx.AsyncClient, email: str, password: str) -> None:
        self.driver, self.api, self.email, self.password = driver, api, email, password

    async def log_in(self, origin: str, password: str | None = None, email: str | None = None) -> httpx.Response:
        call = self.driver.log_in(email or self.email, password or self.password)
        headers = {**call.headers, "x-forwarded-for": origin}
        return await self.api.request(call.method, call.path, json=call.json, headers=headers)

    async def fail(self, origin: str, email: str | None = None) -> int:
        return (await self.log_in(origin, "a wrong password", email)).status_code


@pytest.fixture
async def attempts(driver: TenantDriver, start_service: StartService, client: Client) -> Attempts:
    api = client(start_service(**LIMITS, **driver.apart(f"limits-{uuid.uuid4().hex}")), None)
    call = driver.sign_up()
    assert (await call.send(api)).is_success
    assert call.json
    return Attempts(driver, api, str(call.json["email"]), str(call.json["password"]))


@pytest.mark.check(42)
@LIMITED
async def test_failures_of_a_stranger_lock_out_neither_the_owner_nor_the_office(attempts: Attempts) -> None:
    office = address()
    assert [await attempts.fail(office) for _ in range(6)] == [401] * 5 + [429]
    refused = await attempts.log_in(office)
    problem(refused, 429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["retry-after"]) <= 900

    assert (await attempts.log_in(address())).is_success
    assert await attempts.fail(office, f"{uuid.uuid4().hex}@example.com") == 401


@pytest.mark.check(42)
@LIMITED
async def test_successful_logins_do_not_count_and_clear_failures(attempts: Attempts) -> None:
    office = address()
    for _ in range(3):
        assert [await attempts.fail(office) for _ in range(4)] == [401] * 4
        assert (await attempts.log_in(office)).is_success
    for _ in range(25):
        assert (await attempts.log_in(office)).is_success


@pytest.mark.check(42)
@LIMITED
async def test_guesses_at_the_same_moment_are_limited(attempts: Attempts) -> None:
    origin = address()
    statuses = await asyncio.gather(*(attempts.fail(origin) for _ in range(60)))
    assert sorted(statuses) == [401] * 5 + [429] * 55


@pytest.mark.check(42)
@LIMITED
async def test_one_ipv6_network_is_one_client(attempts: Attempts) -> None:
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    statuses = [await attempts.fail(f"{network}::{host:x}") for host in range(1, 9)]
    assert statuses == [401] * 5 + [429] * 3


@pytest.mark.check(42)
@LIMITED
async def test_failures_of_a_network_over_all_accounts_are_limited(attempts: Attempts) -> None:
    origin = address()
    statuses = [await attempts.fail(origin, f"{uuid.uuid4().hex}@example.com") for _ in range(24)]
    assert statuses == [401] * 20 + [429] * 4


@pytest.mark.check(42)
@pytest.mark.of("next-supabase")
async def test_refused_logins_are_counted_and_not_stored_one_by_one(attempts: Attempts, connect: Connect) -> None:
    origin = address()
    for _ in range(30):
        await attempts.fail(origin)
    rows = connect().execute("SELECT event_type, metadata FROM security_events WHERE ip = %s", [origin]).fetchall()
    assert sorted(kind for kind, _ in rows) == ["auth.sign_in_failed", "rate_limit.exceeded"]
    assert len({about["account"] for _, about in rows}) == 1
    assert attempts.email not in str(rows)
