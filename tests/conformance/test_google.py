"""Accounts at Google: one renewal for all, patience with Google's moods, and tokens that nobody else can read."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.collector import Collector
from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account
from tests.conformance.drivers.nest_prisma import NestPrisma
from tests.conformance.google import ACCOUNTS, TOKEN, Fault, Google, Seen
from tests.conformance.problems import problem
from tests.conformance.processes import Service
from tests.conformance.stored import tables, tampered

pytestmark = pytest.mark.of("nest-prisma")

Database = psycopg.Connection[tuple[Any, ...]]

FAULTS_IN_A_ROW = 20


@pytest.fixture
def google(driver: NestPrisma) -> Iterator[Google]:
    """Google, without what other tests have asked it or told it to do."""
    driver.google.calls.clear()
    yield driver.google
    driver.google.faults.clear()
    driver.google.latency = 0


def calls(google: Google, path: str) -> list[Seen]:
    return [call for call in google.calls if call.path == path]


def refreshes(google: Google) -> list[Seen]:
    return [call for call in calls(google, TOKEN) if call.form["grant_type"] == "refresh_token"]


def expire(database: Database, connection: str) -> None:
    database.execute("UPDATE google_connections SET expires_at = now() + '1 second' WHERE id = %s", [connection])


def tokens(database: Database, connection: str) -> tuple[str, str]:
    """What is stored in place of the tokens."""
    query = "SELECT access_token, refresh_token FROM google_connections WHERE id = %s"
    [(access, refresh)] = database.execute(query, [connection]).fetchall()
    return access, refresh


@pytest.mark.check(27)
async def test_50_that_need_a_new_token_at_once_through_two_processes_make_one_call(
    driver: NestPrisma, processes: tuple[Service, Service], client: Client, database: Database, google: Google
) -> None:
    apis = [client(process) for process in processes]
    connection = await driver.connect(apis[0])
    for api in apis:  # who asks is known to both, so that neither is late
        assert (await driver.use(connection).send(api)).status_code == 200
    expire(database, connection)
    google.latency = 1

    answers = await asyncio.gather(*(driver.use(connection).send(apis[n % 2]) for n in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(refreshes(google)) == 1


@pytest.mark.check(34)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}),
        Fault(403, {"error": {"code": 403, "errors": [{"reason": "rateLimitExceeded"}]}}),
        Fault(503, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
    ],
    ids=["429", "quota", "503"],
)
async def test_a_call_that_google_could_not_answer_is_made_again_later_and_later(
    driver: NestPrisma, api: httpx.AsyncClient, google: Google, fault: Fault
) -> None:
    connection = await driver.connect(api)
    google.faults[ACCOUNTS] = [fault] * 2

    assert (await driver.use(connection).send(api)).status_code == 200

    first, _, third = (call.at for call in calls(google, ACCOUNTS))
    assert third - first > 0.3  # the first pause may be next to nothing, both together are 344 ms at least


@pytest.mark.check(34)
async def test_retries_wait_as_long_as_google_asks_for(
    driver: NestPrisma, api: httpx.AsyncClient, google: Google
) -> None:
    connection = await driver.connect(api)
    google.faults[ACCOUNTS] = [Fault(429, {}, {"retry-after": "2"})]

    assert (await driver.use(connection).send(api)).status_code == 200

    first, second, *more = (call.at for call in calls(google, ACCOUNTS))
    assert second - first >= 2
    assert not more, [at - first for at in more]


@pytest.mark.check(34)
async def test_retries_end_and_none_is_made_where_it_would_not_help(
    driver: NestPrisma, api: httpx.AsyncClient, google: Google
) -> None:
    connection = await driver.connect(api)
    google.faults[ACCOUNTS] = [Fault(503)] * FAULTS_IN_A_ROW
    answer = await driver.use(connection).send(api)
    problem(answer, 503, "GOOGLE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
    assert 2 <= len(calls(google, ACCOUNTS)) <= 5

    google.calls.clear()
    google.faults[ACCOUNTS] = [Fault(429, {}, {"retry-after": "3600"})]
    answer = await driver.use(connection).send(api)
    assert int(answer.headers["retry-after"]) == 3600
    assert len(calls(google, ACCOUNTS)) == 1, "nobody waits for an hour"

    google.calls.clear()
    google.faults[ACCOUNTS] = [Fault(403, {"error": {"code": 403, "errors": [{"reason": "insufficientPermissions"}]}})]
    assert (await driver.use(connection).send(api)).is_error
    assert len(calls(google, ACCOUNTS)) == 1


@pytest.mark.check(34)
async def test_an_access_that_the_user_has_taken_away_is_not_asked_for_again(
    driver: NestPrisma, api: httpx.AsyncClient, database: Database, google: Google
) -> None:
    connection = await driver.connect(api)
    expire(database, connection)
    google.faults[TOKEN] = [Fault(400, {"error": "invalid_grant"})]

    for _ in range(3):
        problem(await driver.use(connection).send(api), 409, "RECONNECT_REQUIRED")

    assert len(refreshes(google)) == 1
    assert calls(google, ACCOUNTS) == []
    assert (await api.get(f"/api/v1/connections/{connection}")).json()["status"] == "RECONNECT_REQUIRED"


@pytest.mark.check(35)
@pytest.mark.parametrize("fault", ["swapped", "of another column", "a bit of the text", "a tag of 4 bytes"])
async def test_a_stored_token_that_was_tampered_with_is_not_used(
    driver: NestPrisma,
    api: httpx.AsyncClient,
    client: Client,
    running: Service,
    database: Database,
    google: Google,
    fault: str,
) -> None:
    connection = await driver.connect(api)
    stranger = await driver.connect(client(running, driver.account()))
    access, _ = tokens(database, connection)
    swapped, of_another_column = tokens(database, stranger)
    changed = {"swapped": swapped, "of another column": of_another_column, **tampered(access)}[fault]
    database.execute("UPDATE google_connections SET access_token = %s WHERE id = %s", [changed, connection])

    answer = await driver.use(connection).send(api)

    assert problem(answer)["status"] in (409, 500), answer.text
    assert calls(google, ACCOUNTS) == []


@pytest.mark.check(36)
async def test_keys_rotate_and_what_is_read_is_stored_under_the_new_one(
    driver: NestPrisma, api: httpx.AsyncClient, start_service: StartService, client: Client, database: Database
) -> None:
    connection = await driver.connect(api)
    before = tokens(database, connection)
    new = secrets.token_hex(32)

    both = client(start_service(ENCRYPTION_KEYS=f"{new},{driver.settings['ENCRYPTION_KEYS']}"))
    assert (await driver.use(connection).send(both)).status_code == 200

    after = tokens(database, connection)
    for old, rotated in zip(before, after, strict=True):
        assert rotated.split(".")[:1] == old.split(".")[:1]
        assert rotated.split(".")[1] != old.split(".")[1], "the id of the key is still the old one"
    alone = client(start_service(ENCRYPTION_KEYS=new))
    assert (await driver.use(connection).send(alone)).status_code == 200


@pytest.mark.check(36)
async def test_no_token_and_no_key_is_in_a_log_a_trace_an_error_or_the_database(
    driver: NestPrisma,
    start_service: StartService,
    client: Client,
    account: Account,
    database: Database,
    google: Google,
) -> None:
    with Collector() as collector:
        service = start_service(**collector.settings, LOG_LEVEL="debug")
        api = client(service)
        connection = await driver.connect(api)
        said = [(await driver.use(connection).send(api)).text]
        for path, fault in (
            (ACCOUNTS, Fault(403, {"error": {"code": 403, "message": "no"}})),
            (TOKEN, Fault(500)),
            (TOKEN, Fault(400, {"error": "invalid_grant"})),
        ):
            expire(database, connection)
            google.faults[path] = [fault] * 5
            said.append((await driver.use(connection).send(api)).text)
            google.faults.clear()
        said.append((await api.get(f"/api/v1/connections/{connection}")).text)
        service.stop()
        assert collector.spans
        said += [
            repr(collector.spans),
            service.log_file.read_text(),
            service.log_file.with_suffix(".stderr").read_text(),
        ]
    said += [rows for _, rows in tables(database, "public")]

    secret = re.compile(
        "|".join(["canary-", driver.settings["ENCRYPTION_KEYS"], "secret-of-the-client", account.session.token])
    )
    for text in said:
        found = secret.search(text)
        assert found is None, text[max(0, found.start() - 200) : found.end() + 100]
