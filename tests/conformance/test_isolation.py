"""What belongs to one tenant is not there for another: not by its id, not by its values, not by any way round."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call, SecuredDriver, TenantDriver
from tests.conformance.problems import problem
from tests.conformance.processes import Postgres, Service
from tests.conformance.raw import abandon

Database = psycopg.Connection[tuple[Any, ...]]

TURNS = 1_000


@pytest.fixture
def other(driver: TenantDriver, client: Client, running: Service) -> httpx.AsyncClient:
    """A client of another tenant."""
    return client(running, driver.account())


@pytest.fixture
def application(postgres: Postgres) -> Iterator[Database]:
    """A connection of the role that the running service uses."""
    with psycopg.connect(postgres.env["DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.mark.check(1)
def test_the_services_role_bypasses_no_policy_and_owns_no_table(driver: SecuredDriver, application: Database) -> None:
    rights = "SELECT DISTINCT rolsuper, rolbypassrls FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')"
    assert application.execute(rights).fetchall() == [(False, False)]
    owned = "SELECT relname FROM pg_class WHERE pg_has_role(current_user, relowner, 'MEMBER') AND relkind IN ('r', 'p')"
    assert application.execute(owned).fetchall() == []
    # Not by way of a role that it belongs to, either.
    reachable = (
        "SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER') AND rolname <> current_user"
    )
    assert {role for (role,) in application.execute(reachable).fetchall()} == driver.security.reachable


@pytest.mark.check(2)
@pytest.mark.of("nest-drizzle", "nest-prisma")
def test_every_table_of_tenants_is_forced_under_policies_and_indexed_by_tenant(
    driver: SecuredDriver, database: Database
) -> None:
    security = driver.security
    tables = database.execute(
        """
        SELECT relname, relrowsecurity, relforcerowsecurity,
               (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid),
               EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = %(column)s AND attnotnull),
               EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                        WHERE indrelid = c.oid AND attname = %(column)s)
          FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                                AND relname <> ALL (%(tools)s)""",
        {"column": security.column, "tools": list(security.tables_of_tools)},
    ).fetchall()
    assert len(tables) >= 5
    for table, enabled, forced, policies, has_tenant, indexed in tables:
        assert enabled, f"{table} has no row-level security"
        assert forced, f"the owner of {table} sees every row"
        assert policies, f"{table} has no policy"
        assert has_tenant == indexed, f"no index of {table} starts with its tenant"
    assert {table for table, *_, has_tenant, _ in tables if not has_tenant} == security.tables_without


@pytest.mark.check(2)
@pytest.mark.of("next-supabase")
def test_every_table_is_forced_under_policies(database: Database) -> None:
    tables = database.execute(
        """
        SELECT c.oid::regclass::text, relrowsecurity, relforcerowsecurity,
               (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)
          FROM pg_class c WHERE relnamespace IN ('public'::regnamespace, 'private'::regnamespace)
                                AND relkind IN ('r', 'p')"""
    ).fetchall()
    assert len(tables) >= 7
    for table, enabled, forced, policies in tables:
        assert enabled, f"{table} has no row-level security"
        assert forced, f"the owner of {table} sees every row"
        assert policies, f"{table} has no policy"


@pytest.mark.check(2)
@pytest.mark.of("fastify-bun")
def test_every_table_names_its_user_in_a_column_that_an_index_starts_with(database: Database) -> None:
    tables = database.execute(
        """
        SELECT relname,
               EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'user_id' AND attnotnull),
               EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                        WHERE indrelid = c.oid AND attname = 'user_id')
          FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"""
    ).fetchall()
    assert len(tables) >= 8
    assert {table for table, has_user, _ in tables if not has_user} == {"users", "verifications"}
    for table, has_user, indexed in tables:
        assert has_user == indexed, f"no index of {table} starts with its user"


@pytest.mark.check(3)
async def test_without_a_tenant_no_table_shows_a_row_and_none_raises_an_error(
    driver: SecuredDriver, api: httpx.AsyncClient, application: Database, database: Database
) -> None:
    await driver.exercise(api)
    tables = database.execute(
        """SELECT quote_ident(relname)
             FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attname = %s
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')""",
        [driver.security.column],
    ).fetchall()

    filled = 0
    for context in (None, ""):  # never set, and what `set_config(..., true)` leaves behind
        if context is not None:
            application.execute("SELECT set_config(%s, %s, false)", [driver.security.setting, context])
        for (table,) in tables:
            query = f"SELECT count(*) FROM {table}".encode()  # noqa: S608 - the catalog's own names
            assert application.execute(query).fetchone() == (0,), f"{table} under {context!r}"
            row = database.execute(query).fetchone()
            filled += bool(row and row[0])
    assert filled >= 10, "hardly a table had a row to hide"


@pytest.mark.check(4)
async def test_another_tenants_id_is_answered_like_a_random_one_on_every_route(
    driver: TenantDriver, api: httpx.AsyncClient, client: Client, running: Service, database: Database
) -> None:
    stranger = driver.account()
    other = client(running, stranger)
    owned = dict(await driver.owned(other))
    for template, statement in driver.planted.items():
        row = database.execute(statement.encode(), {"tenant": stranger.session.tenant}).fetchone()
        assert row
        owned[template] = row[0]
    document = httpx.get(f"{running.url}/openapi.json").json()
    operations = [
        (path, method)
        for path, methods in document["paths"].items()
        for method in methods
        if "{" in path and (method, path) not in driver.public
    ]
    assert {path for path, _ in operations} == owned.keys()

    for template, method in operations:
        theirs = owned[template]
        nobodys = re.sub(r"[0-9a-f-]{32,36}", lambda known: another(known[0]), theirs)
        answers = []
        for identifier in (theirs, nobodys):
            answer = await driver.addressed(template, method, filled(template, identifier)).send(api)
            problem(answer, 404)
            answers.append(neutral(answer, identifier))
        assert answers[0] == answers[1], f"{method} {template}"
    # What was tried against them is still theirs, as it was.
    for template, method in operations:
        if method == "get":
            async with other.stream("GET", filled(template, owned[template])) as answer:  # it may have no end
                assert answer.is_success, f"{method} {template}"


def filled(template: str, identifiers: str) -> str:
    rest = iter(identifiers.split("/"))
    return re.sub(r"\{\w+\}", lambda _: next(rest), template)


def another(identifier: str) -> str:
    """A random one of the same form."""
    return str(uuid.uuid4()) if "-" in identifier else uuid.uuid4().hex


def neutral(answer: httpx.Response, identifiers: str) -> tuple[object, ...]:
    """An answer without what differs from request to request, and without the ids that it was about."""
    headers = {
        name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date", "ratelimit"}
    }
    text = answer.text.replace(answer.headers["x-request-id"], "REQUEST")
    for identifier in identifiers.split("/"):
        text = text.replace(identifier, "ID")
    return answer.status_code, sorted(headers.items()), text


@pytest.mark.check(5)
async def test_another_tenants_id_in_a_body_changes_nothing_of_theirs(
    driver: TenantDriver, api: httpx.AsyncClient, other: httpx.AsyncClient, account: Account, database: Database
) -> None:
    own = (await driver.create().send(api)).json()
    theirs = (await driver.create().send(other)).json()
    [(tenant,)] = database.execute(driver.identified.encode(), {"resource": theirs["id"]}).fetchall()

    for name in ("tenantId", "tenant_id", "tid", "userId", "user_id", "organizationId"):
        calls = [
            driver.create(**{name: tenant}),
            driver.change(own["id"], own["version"], **{name: tenant}),
            driver.write_once(own["id"], **{name: tenant}),
        ]
        for call in calls:
            answer = await call.send(api)
            if answer.is_success:
                assert tenant not in answer.text
            else:
                problem(answer, 400)
        for header in ("x-tenant-id", "tenant-id", "x-tenant", "x-user-id", "x-organization-id"):
            created = await Call("POST", driver.create().path, driver.create().json, {header: tenant}).send(api)
            if not created.is_success:
                problem(created, 403)
                continue
            [(stored,)] = database.execute(driver.identified.encode(), {"resource": created.json()["id"]}).fetchall()
            assert stored == account.session.tenant

    assert [row["id"] for row in (await driver.find().send(other)).json()["data"]] == [theirs["id"]]
    assert (await driver.read(theirs["id"]).send(other)).json() == theirs


@pytest.mark.check(6)
async def test_a_reference_to_another_tenants_row_is_answered_like_one_to_no_row(
    driver: TenantDriver, api: httpx.AsyncClient, client: Client, running: Service, database: Database
) -> None:
    stranger = driver.account()
    other = client(running, stranger)
    own = (await driver.create().send(api)).json()["id"]
    theirs = (await driver.create().send(other)).json()["id"]
    nobody, nothing = (str(uuid.uuid4()) for _ in range(2))

    session = stranger.session
    unknown = type(session)(nobody, nobody, "", "")
    pairs = [
        *zip(driver.referring(session, theirs), driver.referring(unknown, nothing), strict=True),
        *zip(driver.referring(session, own)[1:], driver.referring(unknown, own)[1:], strict=True),
    ]
    for to_theirs, to_nothing in pairs:
        answers = []
        for call in (to_theirs, to_nothing):
            answer = await call.send(api)
            problem(answer, 404)
            answers.append(re.sub(r"[0-9a-f-]{36}", "ID", answer.text))
        assert answers[0] == answers[1]
    for resource in (own, theirs):
        assert database.execute(driver.effects.encode(), {"resource": resource}).fetchone() == (0,)


@pytest.mark.check(7)
async def test_two_tenants_may_hold_the_same_unique_value(
    driver: TenantDriver, api: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    call = driver.unique(f"Bridge {uuid.uuid4()}")

    assert (await call.send(other)).status_code == 201
    assert (await call.send(api)).status_code == 201
    problem(await call.send(api), 409)


@pytest.mark.check(8)
async def test_a_pool_of_one_connection_alternated_1_000_times_with_errors_and_aborts_mixes_nothing_up(
    driver: TenantDriver, start_service: StartService, client: Client
) -> None:
    service = start_service(DATABASE_POOL_MAX="1", DATABASE_LOCK_TIMEOUT_MS="2000", REQUEST_TIMEOUT_MS="20000")
    accounts = [driver.account() for _ in range(2)]
    tenants = [client(service, account) for account in accounts]
    resources = [(await driver.create().send(api)).json()["id"] for api in tenants]
    taken = driver.unique("taken")
    for api in tenants:
        assert (await taken.send(api)).status_code == 201
    rows = [{row["id"] for row in (await driver.find().send(api)).json()["data"]} for api in tenants]
    assert rows[0].isdisjoint(rows[1])

    for turn in range(TURNS):
        mine, api, theirs = resources[turn % 2], tenants[turn % 2], resources[(turn + 1) % 2]
        kind = turn // 2 % 5
        if kind == 0:
            found = (await driver.find().send(api)).json()["data"]
            assert {row["id"] for row in found} == rows[turn % 2]
        elif kind == 1:
            problem(await driver.read(theirs).send(api), 404)
        elif kind == 2:
            problem(await taken.send(api), 409)
        elif kind == 3:
            await abandon(service, driver.write_once(mine), accounts[turn % 2])
        else:
            # Both at once: one waits for the connection that the other holds.
            answers = await asyncio.gather(
                *(driver.read(resource).send(tenant) for resource, tenant in zip(resources, tenants, strict=True)),
                driver.read(theirs).send(api),
            )
            assert [answer.status_code for answer in answers] == [200, 200, 404]


@pytest.mark.check(9)
@pytest.mark.of("nest-drizzle", "nest-prisma")
async def test_no_view_partition_or_function_shows_another_tenants_rows(
    driver: SecuredDriver,
    api: httpx.AsyncClient,
    other: httpx.AsyncClient,
    account: Account,
    application: Database,
    database: Database,
) -> None:
    for who in (api, other):
        await driver.exercise(who)
    # What another tenant's request would leave in it.
    theirs = (await driver.create().send(other)).json()["id"]
    [(tenant,)] = database.execute(driver.identified.encode(), {"resource": theirs}).fetchall()
    column, setting = driver.security.column, driver.security.setting
    database.execute("SELECT set_config(%s, %s, false)", [setting, tenant])
    for (view,) in database.execute("SELECT format('%I.%I', schemaname, matviewname) FROM pg_matviews").fetchall():
        database.execute(f"REFRESH MATERIALIZED VIEW {view}".encode())
    application.execute("SELECT set_config(%s, %s, false)", [setting, account.session.tenant])

    relations = application.execute(
        """SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname !~ '^(pg_|information_schema)'
              AND has_schema_privilege(relnamespace, 'USAGE') AND has_any_column_privilege(pg_class.oid, 'SELECT')"""
    ).fetchall()
    functions = application.execute(
        """SELECT format('%I.%I()', nspname, proname) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
            WHERE prosecdef AND pronargs = pronargdefaults AND prokind = 'f' AND prorettype <> 'trigger'::regtype
              AND nspname !~ '^(pg_|information_schema)' AND has_function_privilege(pg_proc.oid, 'EXECUTE')"""
    ).fetchall()

    assert len(relations) >= 10
    shown = 0
    for (source,) in relations + functions:
        query = f"SELECT to_jsonb(found)->>%s FROM {source} AS found"  # noqa: S608 - the catalog's own names
        tenants = {tenant for (tenant,) in application.execute(query.encode(), [column]).fetchall() if tenant}
        assert tenants <= {account.session.tenant}, source
        shown += len(tenants)
    assert shown >= 5, "hardly anything showed a row"


@pytest.mark.check(9)
@pytest.mark.of("next-supabase")
async def test_no_view_or_function_shows_the_project_of_another_user(
    driver: SecuredDriver, api: httpx.AsyncClient, other: httpx.AsyncClient, account: Account, application: Database
) -> None:
    own, theirs = [str((await driver.create().send(who)).json()["id"]) for who in (api, other)]
    for who, project in ((api, own), (other, theirs)):
        await driver.write_once(project).send(who)
    claims = json.dumps({"sub": account.session.user, "role": "authenticated"})
    application.execute("SELECT set_config(%s, %s, false)", [driver.security.setting, claims])
    application.execute("SET ROLE authenticated")
    relations = application.execute(
        """SELECT format('(SELECT %s FROM %I.%I)', string_agg(quote_ident(attname), ', '), nspname, relname)
             FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute ON attrelid = c.oid
            WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname IN ('public', 'private') AND attnum > 0
              AND NOT attisdropped AND has_schema_privilege(relnamespace, 'USAGE')
              AND has_column_privilege(c.oid, attnum, 'SELECT')
            GROUP BY nspname, relname"""
    ).fetchall()
    functions = application.execute(
        """SELECT format('%I.%I()', nspname, proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
            WHERE prosecdef AND pronargs = pronargdefaults AND prokind = 'f' AND prorettype <> 'trigger'::regtype
              AND nspname IN ('public', 'private') AND has_function_privilege(p.oid, 'EXECUTE')"""
    ).fetchall()

    assert len(relations) >= 5
    shown = 0
    for (source,) in relations + functions:
        query = f"SELECT coalesce(string_agg(to_jsonb(found)::text, ' '), '') FROM {source} AS found"  # noqa: S608 - the catalog's own names
        [(text,)] = application.execute(query.encode()).fetchall()
        assert theirs not in text, source
        shown += own in text
    assert shown >= 4, "hardly anything showed a row"


@pytest.mark.check(9)
@pytest.mark.of("fastify-bun")
def test_there_is_no_view_partition_or_function_by_which_rows_could_be_reached(
    application: Database, database: Database
) -> None:
    relations = application.execute(
        """SELECT format('%I.%I', nspname, relname), relkind
             FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^(pg_|information_schema)'
              AND has_schema_privilege(relnamespace, 'USAGE') AND has_any_column_privilege(pg_class.oid, 'SELECT')"""
    ).fetchall()
    assert len(relations) >= 8
    assert [name for name, kind in relations if kind not in ("r", b"r")] == []
    functions = database.execute(
        """SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
            WHERE prosecdef AND nspname !~ '^(pg_|information_schema)'"""
    ).fetchall()
    assert functions == []
