"""A right ends when it is revoked, and nothing that a right has issued outlives it."""

from __future__ import annotations

import asyncio
import time
import uuid

import httpx
import jwt
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call
from tests.conformance.drivers.nest_prisma import API, NestPrisma, id_token
from tests.conformance.problems import problem
from tests.conformance.processes import Service

REMEMBERED = {"AUTH_CACHE_SECONDS": "300"}
"""Far longer than a test takes: what ends before does not end with the memory of a process."""
STREAM_BOUND = 30
"""Seconds within which a stream of events of a removed member ends."""


async def invite(api: httpx.AsyncClient, role: str, email: str | None = None) -> tuple[str, httpx.Response]:
    email = email or f"guest{uuid.uuid4().hex}@example.com"
    return email, await api.post(f"{API}/members/invitations", json={"email": email, "role": role})


def bearer(email: str, **claims: object) -> dict[str, str]:
    return {"authorization": f"Bearer {id_token(email, **claims)}"}


async def accept(api: httpx.AsyncClient, email: str, tenant: str, **claims: object) -> httpx.Response:
    return await api.post(f"{API}/me/invitations/{tenant}/accept", headers=bearer(email, **claims), auth=httpx.Auth())


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
@pytest.mark.parametrize("removed", [False, True], ids=["demoted", "removed"])
async def test_process_that_remembers_an_old_role_lets_nothing_be_written_by_it(
    driver: NestPrisma, start_service: StartService, client: Client, removed: bool
) -> None:
    here, there = (start_service(**REMEMBERED) for _ in range(2))
    account = driver.account()
    owner = client(here, account)
    resource = (await driver.create().send(owner)).json()["id"]
    session = await driver.join(owner)
    path = f"{API}/members/{session.user}"
    assert (await owner.patch(path, json={"role": "OWNER"})).status_code == 204
    ended = client(there, Account(driver, session))
    assert (await driver.find().send(ended)).status_code == 200
    guest, invited = await invite(ended, "OWNER")
    assert invited.status_code == 201

    change = await owner.delete(path) if removed else await owner.patch(path, json={"role": "VIEWER"})
    assert change.status_code == 204

    problem(await ended.patch(path, json={"role": "OWNER"}), 403)
    problem((await invite(ended, "VIEWER"))[1], 403)
    problem(await driver.create().send(ended), 403)
    problem(await driver.write_once(resource).send(ended), 403)
    for call in driver.privileged_calls(resource, account.session):
        problem(await call.send(ended), 403)
    for listed in ("audit-log", "dead-letters"):
        problem(await ended.get(f"{API}/{listed}"), 403)
    problem(await accept(owner, guest, session.tenant), 404, "INVITATION_NOT_FOUND")


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_admin_neither_replaces_nor_withdraws_invitation_of_an_owner(
    driver: NestPrisma, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    session = await driver.join(api)
    assert (await api.patch(f"{API}/members/{session.user}", json={"role": "ADMIN"})).status_code == 204
    admin = client(running, Account(driver, session))
    guest, invited = await invite(api, "OWNER")
    assert invited.status_code == 201

    for email in (guest, guest.upper()):
        for role in ("VIEWER", "ADMIN", "OWNER"):
            problem((await invite(admin, role, email))[1], 403)
        problem(await admin.delete(f"{API}/members/invitations/{email}"), 403)

    assert (await accept(api, guest, session.tenant)).status_code == 204


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_invitation_of_a_stranger_changes_nothing_until_it_is_accepted(
    driver: NestPrisma, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    other = client(running, driver.account())
    created = await driver.sign_up().send(api)
    email, own = created.json()["name"], created.json()["id"]
    victim = client(running, None)
    tenant = (await other.get(f"{API}/organizations/current")).json()["id"]

    assert (await invite(other, "VIEWER", email))[1].status_code == 201

    token = bearer(email, auth_time=1)  # another one, which no process remembers
    assert (await victim.get(f"{API}/organizations/current", headers=token)).json()["id"] == own
    problem(await accept(victim, email, tenant, email_verified=False), 404)
    problem(await accept(victim, f"x{email}", tenant), 404)
    assert (await accept(victim, email, tenant)).status_code == 204
    user = created.json()["createdBy"]
    leaving = await victim.delete(f"{API}/members/{user}", headers={**token, "x-organization-id": tenant})
    assert leaving.status_code == 204
    assert (await victim.get(f"{API}/organizations/current", headers=token)).json()["id"] == own
    problem(await victim.delete(f"{API}/members/{user}", headers=token), 409, "LAST_OWNER")


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_pending_invitations_are_limited(api: httpx.AsyncClient) -> None:
    for _ in range(200):
        guest, invited = await invite(api, "VIEWER")
        assert invited.status_code == 201

    problem((await invite(api, "VIEWER"))[1], 409, "TOO_MANY_INVITATIONS")
    assert len((await api.get(f"{API}/members")).json()["invitations"]) == 200
    assert (await invite(api, "ADMIN", guest))[1].status_code == 201, "it replaces one"


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_address_that_is_not_verified_is_not_shown_to_other_members(
    driver: NestPrisma, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    session = await driver.join(api)

    async def seen() -> str:
        members = (await api.get(f"{API}/members")).json()["members"]
        [email] = [member["email"] for member in members if member["userId"] == session.user]
        return str(email)

    before = await seen()
    stranger = client(running, None)
    claims = {"sub": driver.firebase_uid(session), "user_id": driver.firebase_uid(session)}
    token = bearer("ceo@example.com", email_verified=False, **claims)
    assert (await stranger.get(f"{API}/me", headers=token)).json()["userId"] == session.user
    assert await seen() == before


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_event_stream_ends_with_its_token(
    driver: NestPrisma, start_service: StartService, client: Client
) -> None:
    running = start_service(**REMEMBERED)
    owner = client(running, driver.account())
    session = await driver.join(owner)
    email = jwt.decode(session.token, options={"verify_signature": False})["email"]
    connection = await driver.connect(owner)
    sync = (await Call("POST", f"{API}/syncs", {"connectionId": connection}).send(owner)).json()["id"]

    # The first heartbeat comes after 15 s.
    short = {**bearer(email, exp=int(time.time()) + 12), "x-organization-id": session.tenant}
    stream = client(running, None).stream("GET", f"{API}/syncs/{sync}/events", headers=short)
    async with asyncio.timeout(STREAM_BOUND), stream as events:
        assert events.status_code == 200
        chunks = [chunk async for chunk in events.aiter_text()]
    assert "event: state" in "".join(chunks)


@pytest.mark.check(41)
@pytest.mark.of("nest-prisma")
async def test_event_stream_of_a_removed_member_ends_within_the_bound(
    driver: NestPrisma, start_service: StartService, client: Client
) -> None:
    here, there = (start_service(**REMEMBERED) for _ in range(2))
    owner = client(here, driver.account())
    session = await driver.join(owner)
    member = client(there, Account(driver, session))
    connection = await driver.connect(owner)
    sync = (await Call("POST", f"{API}/syncs", {"connectionId": connection}).send(owner)).json()["id"]

    async with asyncio.timeout(STREAM_BOUND), member.stream("GET", f"{API}/syncs/{sync}/events") as events:
        assert events.status_code == 200
        chunks = events.aiter_text()
        seen = ""
        while "event: state" not in seen:
            seen += await anext(chunks)
        assert (await owner.delete(f"{API}/members/{session.user}")).status_code == 204
        assert [chunk async for chunk in chunks if "state" in chunk] == []
