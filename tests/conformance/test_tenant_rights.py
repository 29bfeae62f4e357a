"""A right ends when it is revoked, and nothing that a right has issued outlives it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect
from tests.conformance.drivers import Account, Call, Session
from tests.conformance.drivers.nest_drizzle import PASSWORD, NestDrizzle
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE, Service

Member = tuple[Session, httpx.AsyncClient]


async def member_of(driver: NestDrizzle, api: httpx.AsyncClient, role: str, client: Client, running: Service) -> Member:
    """A member with a role, whose token was issued before it got the role."""
    session = await driver.join(api)
    assert (await give(api, session, role)).status_code == 200
    return session, client(running, Account(driver, session))


async def give(api: httpx.AsyncClient, member: Session, role: str) -> httpx.Response:
    return await api.patch(f"/members/{member.user}", json={"role": role})


async def invite(api: httpx.AsyncClient, role: str) -> httpx.Response:
    return await api.post("/invitations", json={"email": f"{uuid.uuid4().hex}@example.com", "role": role})


async def pending(api: httpx.AsyncClient) -> set[str]:
    """The ids of the invitations that can still be accepted."""
    listed = await api.get("/invitations?limit=100")
    assert listed.status_code == 200, listed.text
    return {invitation["id"] for invitation in listed.json()["data"]}


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_old_token_of_a_demoted_owner_has_the_rights_of_its_new_role(
    driver: NestDrizzle, api: httpx.AsyncClient, account: Account, client: Client, running: Service
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    session, demoted = await member_of(driver, api, "owner", client, running)
    assert (await invite(demoted, "owner")).status_code == 201

    assert (await give(api, session, "member")).status_code == 200

    problem(await give(demoted, session, "owner"), 403)
    problem(await demoted.get("/invitations"), 403)
    problem(await Call("POST", f"/projects/{resource}/restore").send(demoted), 403)
    for role in ("owner", "member"):
        problem(await invite(demoted, role), 403)
    for call in driver.privileged_calls(resource, account.session):
        problem(await call.send(demoted), 403)
    assert (await demoted.get("/auth/me")).json()["role"] == "member"
    assert (await driver.write_once(resource).send(demoted)).status_code == 201


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_old_token_of_a_removed_member_writes_nothing(
    driver: NestDrizzle, api: httpx.AsyncClient, account: Account, client: Client, running: Service
) -> None:
    session, removed = await member_of(driver, api, "admin", client, running)
    resource = (await driver.create().send(removed)).json()["id"]
    task = (await driver.write_once(resource).send(removed)).json()["id"]
    key = str(uuid.uuid4())
    assert (await driver.write_once(resource, key).send(removed)).status_code == 201

    assert (await api.delete(f"/members/{session.user}")).status_code == 204

    changed = {"if-match": '"1"'}
    for call in (
        driver.create(),
        driver.change(resource, 1, description="mine"),
        driver.write_once(resource),
        driver.write_once(resource, key),
        Call("PATCH", f"/tasks/{task}", {"title": "mine"}, changed),
        Call("DELETE", f"/tasks/{task}", headers=changed),
        Call("POST", f"/projects/{resource}/exports"),
        Call("GET", "/invitations"),
        *driver.privileged_calls(resource, account.session),
    ):
        problem(await call.send(removed), 401)
    problem(await invite(removed, "member"), 401)
    assert (await driver.read(resource).send(api)).json()["version"] == 1
    assert (await api.get(f"/tasks/{task}")).status_code == 200


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_invitations_beyond_the_new_role_of_their_inviter_are_void(
    driver: NestDrizzle, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    session, inviter = await member_of(driver, api, "owner", client, running)
    ids = {role: (await invite(inviter, role)).json()["id"] for role in ("owner", "admin", "member")}
    kept = (await invite(api, "owner")).json()["id"]
    assert await pending(api) == {kept, *ids.values()}

    await give(api, session, "admin")
    assert await pending(api) == {kept, ids["admin"], ids["member"]}

    await give(api, session, "member")
    assert await pending(api) == {kept}

    await give(api, session, "admin")
    await invite(inviter, "member")
    assert len(await pending(api)) == 2
    await api.delete(f"/members/{session.user}")
    assert await pending(api) == {kept}


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
@pytest.mark.parametrize("ended_by", ["removal", "demotion", "acceptance"])
async def test_other_invitation_to_a_members_address_is_void(
    driver: NestDrizzle, api: httpx.AsyncClient, ended_by: str
) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    tokens = [await driver.invite(api, email)]

    async def invite_again(role: str) -> None:
        earlier = len(driver.mails_to(email, "You are invited"))
        assert (await api.post("/invitations", json={"email": email, "role": role})).status_code == 201
        tokens.append(await driver.mailed_token(email, "You are invited", earlier))

    async def accept(token: str) -> httpx.Response:
        acceptance = {"token": token, "name": "Charles Babbage", "password": PASSWORD}
        return await api.post("/auth/accept-invitation", json=acceptance)

    if ended_by == "acceptance":
        await invite_again("owner")
    session = driver.session((await accept(tokens[0])).json())
    if ended_by != "acceptance":
        await give(api, session, "admin")
        await invite_again("owner")
    if ended_by == "demotion":
        await give(api, session, "member")
        assert await pending(api) == set()
    assert (await api.delete(f"/members/{session.user}")).status_code == 204

    assert await pending(api) == set()
    problem(await accept(tokens[1]), 404, "INVITATION_NOT_FOUND")
    assert (await accept(await driver.invite(api, email))).status_code == 200


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
@pytest.mark.parametrize("ended_by", ["logout", "password change", "password reset"])
async def test_access_token_writes_nothing_after_its_session_has_ended(
    driver: NestDrizzle, client: Client, running: Service, stranger: httpx.AsyncClient, ended_by: str
) -> None:
    sign_up = driver.sign_up()
    assert sign_up.json
    email = str(sign_up.json["email"])
    session = driver.session((await sign_up.send(stranger)).json())
    other = driver.session((await driver.log_in(email, PASSWORD).send(stranger)).json())
    api, colleague = (client(running, Account(driver, of)) for of in (session, other))
    resource = (await driver.create().send(api)).json()["id"]

    if ended_by == "logout":
        assert (await driver.sign_out(session).send(stranger)).is_success
    elif ended_by == "password change":
        change = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}
        assert (await colleague.post("/auth/change-password", json=change)).status_code == 200
    else:
        await stranger.post("/auth/request-password-reset", json={"email": email})
        reset = {"token": await driver.mailed_token(email, "Reset your password"), "newPassword": PASSWORD[::-1]}
        assert (await stranger.post("/auth/reset-password", json=reset)).status_code == 204

    for call in (
        driver.create(),
        driver.change(resource, 1, description="mine"),
        driver.write_once(resource),
        Call("GET", "/invitations"),
        Call("POST", "/auth/change-password", {"currentPassword": PASSWORD, "newPassword": PASSWORD[::-1]}),
    ):
        problem(await call.send(api), 401, "INVALID_TOKEN")
    problem(await invite(api, "owner"), 401, "INVALID_TOKEN")
    assert (await driver.read(resource).send(api)).json()["version"] == 1
    assert (await driver.create().send(colleague)).status_code == (201 if ended_by == "logout" else 401)


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_invitation_is_withdrawn_only_by_a_role_that_may_issue_it(
    driver: NestDrizzle, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    _, admin = await member_of(driver, api, "admin", client, running)
    _, member = await member_of(driver, api, "member", client, running)
    of_owner, of_member = [(await invite(api, role)).json()["id"] for role in ("owner", "member")]

    problem(await member.delete(f"/invitations/{of_member}"), 403)
    problem(await admin.delete(f"/invitations/{of_owner}"), 403)
    problem(await invite(admin, "owner"), 403)
    assert (await admin.delete(f"/invitations/{of_member}")).status_code == 204
    problem(await admin.delete(f"/invitations/{of_member}"), 404, "INVITATION_NOT_FOUND")
    assert await pending(api) == {of_owner}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def is_waited_for(database: psycopg.Connection[tuple[Any, ...]], blocker: int) -> bool:
    """Whether a statement waits for a lock of a connection."""
    waiting = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    return database.execute(waiting, [blocker]).fetchone() is not None


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_privileged_write_waits_for_the_demotion_of_its_user_and_is_refused(
    driver: NestDrizzle,
    api: httpx.AsyncClient,
    client: Client,
    running: Service,
    connect: Connect,
    database: psycopg.Connection[tuple[Any, ...]],
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    session, admin = await member_of(driver, api, "admin", client, running)
    demotion = connect()
    demotion.execute("UPDATE memberships SET role = 'member' WHERE user_id = %s", [session.user])

    deletion = asyncio.create_task(Call("DELETE", f"/projects/{resource}", None, {"if-match": '"1"'}).send(admin))
    await until(lambda: is_waited_for(database, demotion.info.backend_pid))
    demotion.commit()

    problem(await deletion, 403)
    assert (await driver.read(resource).send(api)).status_code == 200


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_two_owners_who_demote_each_other_leave_one(
    driver: NestDrizzle, api: httpx.AsyncClient, account: Account, client: Client, running: Service
) -> None:
    session, other = await member_of(driver, api, "owner", client, running)

    answers = await asyncio.gather(give(api, session, "member"), give(other, account.session, "member"))

    assert sorted(answer.status_code for answer in answers) == [200, 403]


@pytest.mark.check(41)
@pytest.mark.of("nest-drizzle")
async def test_own_tenants_are_listed_and_switched_to_by_membership(
    driver: NestDrizzle, api: httpx.AsyncClient, client: Client, running: Service, stranger: httpx.AsyncClient
) -> None:
    session, member = await member_of(driver, api, "admin", client, running)
    listed = (await member.get("/auth/tenants")).json()["data"]
    assert [(tenant["id"], tenant["role"]) for tenant in listed] == [(session.tenant, "admin")]
    assert set(listed[0]) == {"id", "name", "role"}

    foreign = driver.session((await driver.sign_up().send(stranger)).json()).tenant
    for tenant in (foreign, str(uuid.uuid4())):
        switch = {"refreshToken": session.renewal, "tenantId": tenant}
        problem(await stranger.post("/auth/switch-tenant", json=switch), 404, "TENANT_NOT_FOUND")

    switch = {"refreshToken": session.renewal, "tenantId": session.tenant}
    assert (await stranger.post("/auth/switch-tenant", json=switch)).json()["role"] == "admin"
    await api.delete(f"/members/{session.user}")
    assert (await member.get("/auth/tenants")).json()["data"] == []
