"""PostgREST is a public interface: with a user's own token it accepts no more than the API does."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Session
from tests.conformance.drivers.next_supabase import PASSWORD, EnvelopeAccount, NextSupabase, Stored
from tests.conformance.invalid import Schema, invalid
from tests.conformance.problems import problem
from tests.conformance.processes import LOOPBACK, PATIENCE, Postgres, Service, migrate

Database = psycopg.Connection[tuple[Any, ...]]

EMAIL = "ada@example.com"
REFUSED = {400, 401, 403, 409, 413, 422}
COLUMNS = """
    SELECT attname, has_column_privilege('authenticated', attrelid, attnum, 'INSERT'),
           has_column_privilege('authenticated', attrelid, attnum, 'UPDATE')
      FROM pg_attribute WHERE attrelid = format('public.%%I', %s::text)::regclass AND attnum > 0 AND NOT attisdropped"""


class Rest:
    """PostgREST, as one user sees it."""

    def __init__(self, client: httpx.AsyncClient, account: Account, key: str) -> None:
        self._client, self._account, self._key = client, account, key

    @property
    def session(self) -> Session:
        return self._account.session

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        sent = {"apikey": self._key, "content-type": "application/json", "prefer": "return=representation"}
        # With escapes: httpx itself cannot encode a lone surrogate.
        content = None if body is None else json.dumps(body).encode()
        return await self._client.request(
            method, f"/rest/v1/{path}", content=content, headers={**self.session.headers, **sent, **headers}
        )


@pytest.fixture
async def rest(
    postgres: Postgres, account: Account, api: httpx.AsyncClient, driver: NextSupabase
) -> AsyncIterator[Rest]:
    await driver.find().send(api)  # signs up
    url, key = postgres.env["SUPABASE_URL"], postgres.env["SUPABASE_PUBLISHABLE_KEY"]
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, verify=LOOPBACK) as client:
        yield Rest(client, account, key)


def snake(member: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower()


def columns(database: Database, table: str) -> dict[str, tuple[bool, bool]]:
    """Of each column whether a user may insert and update it."""
    return {name: (insert, update) for name, insert, update in database.execute(COLUMNS, [table]).fetchall()}


def row(stored: Stored, body: Mapping[str, object]) -> dict[str, object]:
    """A body of the API as PostgREST has it."""
    return dict(stored.fixed) | {snake(name): value for name, value in body.items()}


def schemas(running: Service, stored: Stored, method: str = "POST") -> Mapping[str, Schema]:
    """The members of a body, by the OpenAPI document."""
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    of_one = re.compile(re.escape(stored.template) + r"/\{\w+\}")
    operation = next(
        operations[method.lower()]
        for path, operations in paths.items()
        if (path == stored.template if method == "POST" else of_one.fullmatch(path))
    )
    members: Mapping[str, Schema] = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    return members


async def by_api(api: httpx.AsyncClient, stored: Stored, body: Mapping[str, object]) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return await api.post(stored.path, content=json.dumps(body).encode(), headers=headers)


async def writable(driver: NextSupabase, api: httpx.AsyncClient, database: Database) -> list[Stored]:
    """The tables that users write to by PostgREST as well."""
    return [
        stored
        for stored in await driver.stored(api)
        if any(insert or update for insert, update in columns(database, stored.table).values())
    ]


@pytest.mark.check(45)
async def test_postgrest_refuses_each_value_that_the_api_refuses(
    driver: NextSupabase, api: httpx.AsyncClient, rest: Rest, running: Service, database: Database
) -> None:
    tried = 0
    for stored in await writable(driver, api, database):
        grants = columns(database, stored.table)
        existing: dict[str, Any] | None = None
        if stored.table != "project_members":  # of those, the owner is there already
            answer = await rest.send("POST", stored.table, row(stored, stored.body()))
            assert answer.status_code == 201, answer.text
            [existing] = answer.json()
        for member, schema in schemas(running, stored).items():
            column = snake(member)
            for value in invalid(schema):
                body = {**stored.body(), member: value}
                if (await by_api(api, stored, body)).status_code != 400:
                    continue  # valid after all
                tried += 1
                answers = [await rest.send("POST", stored.table, row(stored, body))]
                if existing and grants[column][1]:
                    answers.append(await rest.send("PATCH", f"{stored.table}?id=eq.{existing['id']}", {column: value}))
                for answer in answers:
                    if answer.status_code in REFUSED:
                        continue
                    # What PostgREST has made of it, such as a text of a number, must be valid itself.
                    assert answer.is_success, f"{stored.table}.{column} = {value!r}: {answer.text}"
                    made = {**stored.body(), member: answer.json()[0][column]}
                    again = await by_api(api, stored, made)
                    kept = f"{stored.table}.{column} = {value!r}"
                    assert again.status_code in (201, 409), f"{kept} is stored, which the API refuses: {again.text}"
        if existing is None:
            answer = await rest.send("POST", stored.table, row(stored, stored.body()))
            assert answer.status_code == 201, answer.text
    assert tried >= 100


@pytest.mark.check(45)
async def test_postgrest_refuses_values_that_the_server_chooses(
    driver: NextSupabase, api: httpx.AsyncClient, rest: Rest, running: Service, database: Database
) -> None:
    for stored in await writable(driver, api, database):
        if stored.table != "project_members":
            assert (await rest.send("POST", stored.table, row(stored, stored.body()))).status_code == 201
        query = f"SELECT to_jsonb(t) FROM {stored.table} t WHERE user_id = %s LIMIT 1"  # noqa: S608 - a name of the driver
        [(existing,)] = database.execute(query.encode(), [rest.session.user]).fetchall()
        key = "id" if "id" in existing else "project_id"
        # Those of somebody else, or of nobody; other columns as they are.
        foreign = {name: str(uuid.uuid4()) for name in ("id", "user_id", "project_id")}
        for method, path, valid in (
            ("POST", stored.table, row(stored, stored.body())),
            ("PATCH", f"{stored.table}?{key}=eq.{existing[key]}", {}),
        ):
            clients = {snake(member) for member in schemas(running, stored, method)}
            for column in columns(database, stored.table).keys() - clients:
                answer = await rest.send(method, path, {**valid, column: foreign.get(column, existing[column])})
                assert answer.status_code == 403, f"{method} {stored.table}.{column}: {answer.text}"


@pytest.mark.check(45)
async def test_postgrest_writes_no_table_that_the_service_alone_writes(
    driver: NextSupabase, api: httpx.AsyncClient, rest: Rest, database: Database
) -> None:
    await driver.exercise(api)
    by_api_alone = {stored.table: stored for stored in await driver.stored(api)}
    for stored in await writable(driver, api, database):
        del by_api_alone[stored.table]
    assert {"api_keys", "usage_metrics", "webhook_endpoints"} <= by_api_alone.keys()
    for table, stored in by_api_alone.items():
        full = row(stored, stored.body())
        if table == "api_keys":
            full |= {
                "prefix": "svk_secret",
                "hash": "\\x" + "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
            }
        if table == "webhook_endpoints":
            full |= {"id": str(uuid.uuid4()), "secret": "v1.secret"}
        if table == "usage_metrics":
            full |= {"user_id": rest.session.user}
        for rows in (full, [full] * 20_000):
            answer = await rest.send("POST", table, rows)
            assert answer.status_code in (403, 413), f"{table}: {answer.text}"

    listed = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    names = {stored.table for stored in await writable(driver, api, database)}
    for (table,) in database.execute(listed).fetchall():
        granted = {column for column, rights in columns(database, table).items() if any(rights)}
        if table not in names:
            assert not granted, f"{table} can be written by PostgREST, and no operation of the API says what is valid"
            answers = [await rest.send("PATCH", f"{table}?user_id=eq.{rest.session.user}", {"user_id": None})]
            answers.append(await rest.send("DELETE", f"{table}?user_id=eq.{rest.session.user}"))
            assert {answer.status_code for answer in answers} <= {400, 403}, f"{table}: {answers[-1].text}"


@pytest.mark.check(45)
async def test_postgrest_bounds_the_rows_of_a_request(
    driver: NextSupabase, api: httpx.AsyncClient, rest: Rest, database: Database
) -> None:
    for stored in await writable(driver, api, database):
        if stored.table == "project_members":
            continue
        count = f"SELECT count(*) FROM {stored.table} WHERE user_id = %s"  # noqa: S608 - a name of the driver
        before = database.execute(count.encode(), [rest.session.user]).fetchone()
        for rows, status in ((101, 413), (100, 201), (2, 201)):
            many = [row(stored, stored.body()) for _ in range(rows)]
            assert (await rest.send("POST", stored.table, many)).status_code == status, stored.table
            if status == 413:
                assert database.execute(count.encode(), [rest.session.user]).fetchone() == before
        for method, body in (("PATCH", {_text(stored): "changed"}), ("DELETE", None)):
            answer = await rest.send(method, f"{stored.table}?user_id=eq.{rest.session.user}", body)
            assert answer.status_code in (409, 413), f"{method} {stored.table}: {answer.text}"


def _text(stored: Stored) -> str:
    """A column without unique values."""
    return "description" if stored.table == "projects" else "summary"


@pytest.mark.check(45)
async def test_postgrest_calls_no_function(rest: Rest, database: Database) -> None:
    functions = "SELECT proname, oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    for name, signature in database.execute(functions).fetchall():
        for role in ("anon", "authenticated"):
            [(may,)] = database.execute(
                "SELECT has_function_privilege(%s, %s, 'EXECUTE')", [role, signature]
            ).fetchall()
            assert not may, f"{role} may call {signature}"
        assert not (await rest.send("POST", f"rpc/{name}", {})).is_success


@pytest.mark.check(46)
@pytest.mark.of("next-supabase")
async def test_postgrest_shows_no_added_column_without_a_grant(
    driver: NextSupabase, api: httpx.AsyncClient, rest: Rest, database: Database
) -> None:
    await driver.exercise(api)
    for stored in await driver.stored(api):
        column = f"added_{uuid.uuid4().hex}"
        database.execute(f"ALTER TABLE {stored.table} ADD {column} text DEFAULT 'canary'".encode())
        try:
            # PostgREST reads the schema again a moment later; until then the column is unknown (400).
            deadline = time.monotonic() + PATIENCE
            while (answer := await rest.send("GET", f"{stored.table}?select={column}")).status_code == 400:
                assert time.monotonic() < deadline, answer.text
                await asyncio.sleep(0.05)
            assert answer.status_code == 403, f"{stored.table}: {answer.text}"
            assert "canary" not in (await rest.send("GET", stored.table)).text
        finally:
            database.execute(f"ALTER TABLE {stored.table} DROP {column}".encode())


@pytest.mark.check(45)
@pytest.mark.of("next-supabase")
async def test_migration_keeps_rows_that_the_api_refuses_and_the_api_shows_them(
    driver: NextSupabase,
    folder: Path,
    former_database: Postgres,
    start_service: StartService,
    client: Client,
) -> None:
    with psycopg.connect(former_database.admin_url, autocommit=True) as rows:
        account = """INSERT INTO auth.users (email, encrypted_password)
            VALUES (%s, extensions.crypt(%s, extensions.gen_salt('bf', 4))) RETURNING id"""
        [(user,)] = rows.execute(account, [EMAIL, PASSWORD]).fetchall()
        for name, settings in (("Loom", "{}"), ("a\x01b", '{"isPublic": "yes", "features": [1]}'), (" ", '{"x": 1}')):
            rows.execute("INSERT INTO projects (user_id, name, settings) VALUES (%s, %s, %s)", [user, name, settings])
        stored = rows.execute("SELECT id, name FROM projects ORDER BY id").fetchall()
        rows.execute(
            """INSERT INTO api_keys (user_id, name, prefix, hash, scopes, revoked_at)
               VALUES (%s, 'odd', 'x', decode(repeat('00', 32), 'hex'), '{other:read}', 'infinity')""",
            [user],
        )

        migrate(folder, driver.migrate, former_database.env)

        assert rows.execute("SELECT id, name FROM projects ORDER BY id").fetchall() == stored
        kept = rows.execute("SELECT settings ->> 'x' FROM projects WHERE name = ' '").fetchall()
        assert kept == [("1",)]
    service = start_service(**former_database.env)
    stranger = client(service, None)
    session = driver.session((await driver.log_in(EMAIL, PASSWORD).send(stranger)).json())
    api = client(service, EnvelopeAccount(driver, session))
    answer = await driver.find().send(api)
    assert answer.status_code == 200
    for project in answer.json()["data"]:
        assert project["settings"].keys() == {"isPublic", "features"}
        assert project["settings"]["isPublic"] is False
        # A change that leaves the row as it is says which member has to be sent; one that corrects it is accepted.
        if project["name"] != "Loom":
            refused = await driver.change(project["id"], project["version"], description="x").send(api)
            pointers = {fault["pointer"] for fault in problem(refused, 400, "VALIDATION_FAILED")["errors"]}
            assert pointers < {"/name", "/settings"}
        corrected = {"name": "Loom", "settings": {"isPublic": False, "features": []}}
        assert (await driver.change(project["id"], project["version"], **corrected).send(api)).status_code == 200
    assert (await api.get("/api/v1/api-keys")).status_code == 200


@pytest.mark.check(45)
@pytest.mark.of("next-supabase")
async def test_migration_refuses_references_of_present_modules_to_deleted_rows(
    driver: NextSupabase, folder: Path, former_database: Postgres
) -> None:
    with psycopg.connect(former_database.env["MIGRATION_DATABASE_URL"], autocommit=True) as rows:
        rows.execute(
            """CREATE TABLE halls (id uuid, user_id uuid, deleted_at timestamptz, UNIQUE (user_id, id));
               CREATE TABLE seats (user_id uuid, hall_id uuid,
                 CONSTRAINT seats_hall_fk FOREIGN KEY (user_id, hall_id) REFERENCES halls (user_id, id));
               CREATE TABLE shows (user_id uuid, code text, deleted_at timestamptz, UNIQUE (user_id, code));
               CREATE TABLE posters (user_id uuid, show text,
                 FOREIGN KEY (user_id, show) REFERENCES shows (user_id, code));
               CREATE TABLE lamps (user_id uuid, hall uuid,
                 FOREIGN KEY (user_id, hall) REFERENCES halls (user_id, id))"""
        )

        migrate(folder, driver.migrate, former_database.env)

        user, present, deleted = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
        # Keys of other forms are left alone.
        rows.execute("INSERT INTO shows (user_id, code) VALUES (%s, 'gala')", [user])
        rows.execute("INSERT INTO posters (user_id, show) VALUES (%s, 'gala')", [user])
        hall = "INSERT INTO halls (user_id, id, deleted_at) VALUES (%s, %s, %s)"
        rows.execute(hall, [user, present, None])
        rows.execute(hall, [user, deleted, "2026-01-01"])
        rows.execute("INSERT INTO seats (user_id, hall_id) VALUES (%s, %s), (%s, NULL)", [user, present, user])
        for statement in ("INSERT INTO seats (user_id, hall_id) VALUES (%s, %s)", "UPDATE seats SET hall_id = %s"):
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                rows.execute(statement, [user, deleted] if "INSERT" in statement else [deleted])

        # A migration of a module that is newer than those of the update calls the function again.
        rows.execute("DROP TRIGGER refuse_deleted_hall ON lamps")
        for _ in range(2):
            rows.execute("SELECT private.protect_references()")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            rows.execute("INSERT INTO lamps (user_id, hall) VALUES (%s, %s)", [user, deleted])

        # To another user both are refused by the policies.
        rows.execute(
            """ALTER TABLE seats ENABLE ROW LEVEL SECURITY;
               GRANT INSERT ON seats TO authenticated;
               CREATE POLICY own ON seats FOR INSERT TO authenticated WITH CHECK (user_id = auth.uid())"""
        )
        rows.execute("SELECT set_config('request.jwt.claims', %s, false)", [json.dumps({"sub": str(uuid.uuid4())})])
        rows.execute("SET ROLE authenticated")
        for target in (present, deleted):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rows.execute("INSERT INTO seats (user_id, hall_id) VALUES (%s, %s)", [user, target])
