"""A right ends when it is revoked, and nothing that a right has issued outlives it."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect
from tests.conformance.drivers import Call
from tests.conformance.drivers.next_supabase import API, EnvelopeAccount, NextSupabase
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE, Postgres, Service, migrate

STREAM_ENDS = 20.0
"""Seconds after which an open stream of a removed member has ended, as SECURITY.md of the service states."""


async def new_key(api: httpx.AsyncClient, *scopes: str) -> dict[str, str]:
    """The headers of a new API key, with all scopes where none is named."""
    wanted = scopes or ("projects:read", "projects:write", "analytics:read", "ai:complete")
    made = await Call("POST", f"{API}/api-keys", {"name": str(uuid.uuid4()), "scopes": list(wanted)}).send(api)
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['key']}"}


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
async def test_api_key_reaches_only_listed_operations(
    driver: NextSupabase, api: httpx.AsyncClient, stranger: httpx.AsyncClient, running: Service
) -> None:
    headers = await new_key(api)
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    operations = {(method, path) for path, methods in paths.items() for method in methods} - driver.public
    reached = set()
    for method, path in sorted(operations):
        url = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
        body: dict[str, str] | None = None if method == "get" else {}
        async with stranger.stream(method, url, json=body, headers=headers) as answer:
            if answer.status_code != 403:
                reached.add((method, path))
            else:
                await answer.aread()
                problem(answer, 403, "INSUFFICIENT_SCOPE")

    assert reached == driver.keyed


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
async def test_api_key_makes_no_project_public(
    driver: NextSupabase, api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    headers = await new_key(api)
    project = (await driver.create().send(api)).json()["id"]
    public = {"settings": {"isPublic": True, "features": []}}
    for call in (driver.change(project, 1, **public), driver.create(**public)):
        answer = await stranger.request(call.method, call.path, json=call.json, headers={**call.headers, **headers})
        problem(answer, 403, "INSUFFICIENT_SCOPE")


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
@pytest.mark.parametrize("end", ["removed", "demoted"])
async def test_admin_who_is_removed_or_demoted_manages_nothing_by_the_old_token(
    driver: NextSupabase, api: httpx.AsyncClient, client: Client, running: Service, end: str
) -> None:
    project = (await driver.create().send(api)).json()["id"]
    members = f"{API}/projects/{project}/members"
    admin = driver.session((await driver.sign_up().send(client(running, None))).json())
    by_admin = client(running, EnvelopeAccount(driver, admin))
    await Call("POST", members, {"userId": admin.user, "role": "admin"}).send(api)
    hook = (await driver.webhook(project, "http://127.0.0.1:9/hook").send(by_admin)).json()["id"]
    kept = (await driver.webhook(project, "http://127.0.0.1:9/hook").send(api)).json()["id"]
    key = await new_key(by_admin)
    assert (await by_admin.get(f"{API}/projects/{project}", headers=key)).status_code == 200

    ends = {
        "removed": Call("DELETE", f"{members}/{admin.user}"),
        "demoted": Call("PATCH", f"{members}/{admin.user}", {"role": "viewer"}),
    }
    assert (await ends[end].send(api)).is_success

    refused = {"removed": (404, "PROJECT_NOT_FOUND"), "demoted": (403, "FORBIDDEN")}[end]
    for call in (
        Call("PATCH", f"{members}/{admin.user}", {"role": "admin"}),
        Call("POST", members, {"userId": str(uuid.uuid4()), "role": "admin"}),
        driver.webhook(project, "http://127.0.0.1:9/hook"),
        Call("PATCH", f"{API}/projects/{project}/webhooks/{hook}", {"enabled": True}),
    ):
        problem(await call.send(by_admin), *refused)
    if end == "removed":
        async with httpx.AsyncClient(base_url=running.url) as program:
            problem(await program.get(f"{API}/projects/{project}", headers=key), 404, "PROJECT_NOT_FOUND")
    webhooks = (await api.get(f"{API}/projects/{project}/webhooks")).json()["data"]
    assert {made["id"]: made["enabled"] for made in webhooks} == {hook: False, kept: True}


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
@pytest.mark.parametrize("end", ["removed", "demoted"])
async def test_write_that_waits_for_the_end_of_the_right_is_refused(
    driver: NextSupabase, api: httpx.AsyncClient, client: Client, running: Service, connect: Connect, end: str
) -> None:
    project = (await driver.create().send(api)).json()["id"]
    path = f"{API}/projects/{project}"
    admin = driver.session((await driver.sign_up().send(client(running, None))).json())
    by_admin = client(running, EnvelopeAccount(driver, admin))
    await Call("POST", f"{path}/members", {"userId": admin.user, "role": "admin"}).send(api)
    friend = driver.session((await driver.sign_up().send(client(running, None))).json())
    ends = {
        "removed": "DELETE FROM project_members WHERE project_id = %s AND user_id = %s",
        "demoted": "UPDATE project_members SET role = 'viewer' WHERE project_id = %s AND user_id = %s",
    }
    for call in (
        driver.change(project, 1, name="Mine"),
        Call("POST", f"{path}/members", {"userId": friend.user, "role": "admin"}),
        driver.webhook(project, "http://127.0.0.1:9/hook"),
        Call("POST", f"{path}/usage", {"eventType": "custom.mine"}),
    ):
        rows = connect()
        rows.execute(ends[end], [project, admin.user])
        writing = asyncio.create_task(call.send(by_admin))
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        async with asyncio.timeout(PATIENCE):
            while rows.execute(blocked).fetchall() == [(0,)] and not writing.done():
                await asyncio.sleep(0.02)
        rows.commit()
        answer = await writing
        assert answer.status_code in (403, 404), f"{call.path}: {answer.text}"
        if end == "removed":
            rows.execute("INSERT INTO project_members VALUES (%s, %s, 'admin')", [project, admin.user])
        rows.execute("UPDATE project_members SET role = 'admin' WHERE user_id = %s", [admin.user])
        rows.commit()


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
async def test_migration_disables_the_webhooks_of_former_administrators(
    driver: NextSupabase, folder: Path, former_database: Postgres
) -> None:
    with psycopg.connect(former_database.admin_url, autocommit=True) as rows:
        users = [
            rows.execute("INSERT INTO auth.users (email) VALUES (%s) RETURNING id", [f"{name}@example.com"]).fetchall()
            for name in ("owner", "admin", "demoted", "removed")
        ]
        owner, admin, demoted, removed = (user for [(user,)] in users)
        [(project,)] = rows.execute(
            "INSERT INTO projects (user_id, name) VALUES (%s, 'Loom') RETURNING id", [owner]
        ).fetchall()
        for user, role in ((admin, "admin"), (demoted, "editor")):
            rows.execute("INSERT INTO project_members VALUES (%s, %s, %s)", [project, user, role])
        hooks = {}
        for user in (owner, admin, demoted, removed, None):
            hooks[user] = uuid.uuid4()
            rows.execute(
                """INSERT INTO webhook_endpoints (id, project_id, url, event_types, secret)
                   VALUES (%s, %s, 'https://example.com', '{project.updated}', 'v1.secret')""",
                [hooks[user], project],
            )
            if user is not None:
                rows.execute(
                    """INSERT INTO security_events (user_id, event_type, request_id, metadata)
                       VALUES (%s, 'webhook.created', 'r', jsonb_build_object('webhookId', %s::text))""",
                    [user, hooks[user]],
                )

        migrate(folder, driver.migrate, former_database.env)

        enabled = "SELECT id FROM webhook_endpoints WHERE disabled_at IS NULL"
        kept = {hook for (hook,) in rows.execute(enabled).fetchall()}
    assert kept == {hooks[owner], hooks[admin], hooks[None]}


@pytest.mark.check(41)
@pytest.mark.of("next-supabase")
async def test_stream_of_a_member_ends_with_the_membership(
    driver: NextSupabase, api: httpx.AsyncClient, client: Client, running: Service
) -> None:
    project = (await driver.create().send(api)).json()["id"]
    member = driver.session((await driver.sign_up().send(client(running, None))).json())
    membership = f"{API}/projects/{project}/members"
    await Call("POST", membership, {"userId": member.user, "role": "viewer"}).send(api)
    request = client(running, None).stream("GET", f"{API}/projects/{project}/events", headers=member.headers)
    async with request as stream, asyncio.timeout(PATIENCE):
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        assert await anext(lines) == "event: project"
        assert (await Call("DELETE", f"{membership}/{member.user}").send(api)).status_code == 204
        assert (await driver.change(project, 1, name="Secret plans").send(api)).status_code == 200
        async with asyncio.timeout(STREAM_ENDS):
            rest = [line async for line in lines]
    assert not any("project.updated" in line for line in rest)
