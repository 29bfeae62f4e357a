"""The users' keys for AI providers: where they are sent, how they are kept, and what happens when a provider fails."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.collector import Collector
from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Call
from tests.conformance.drivers.fastify_bun import ENCRYPTION_KEY, FastifyBun
from tests.conformance.problems import problem
from tests.conformance.processes import Postgres, environment, eventually
from tests.conformance.stored import tables, tampered
from tests.conformance.upstream import Reply, Upstream

pytestmark = pytest.mark.of("fastify-bun")

Rows = psycopg.Connection[tuple[Any, ...]]
NEW_KEY = "c" * 64


@pytest.fixture
def upstream(driver: FastifyBun) -> Iterator[Upstream]:
    """The provider, with nothing that was left by another test."""
    driver.upstream.requests.clear()
    driver.upstream.replies.clear()
    driver.upstream.left = 0
    yield driver.upstream
    driver.upstream.pause = 0.0


def compatible(driver: FastifyBun, url: str) -> Call:
    return driver.key(provider="openai-compatible", baseUrl=url)


def trial_of(key: str) -> Call:
    return Call("POST", f"/providers/{key}/test", {"model": "some-model"})


@pytest.mark.check(15)
async def test_a_base_url_that_leads_to_a_private_address_is_refused_and_nobody_is_called(
    driver: FastifyBun, api: httpx.AsyncClient
) -> None:
    trap = Upstream()
    port = trap.host.partition(":")[2]
    hosts = (
        *("127.0.0.1", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"),  # noqa: S104 - no server listens there
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]"),
    )
    for scheme, host in itertools.product(("http", "https"), hosts):
        answer = await compatible(driver, f"{scheme}://{host}:{port}/v1").send(api)
        assert answer.status_code == 422, f"{scheme}://{host}: {answer.text}"
        problem(answer, 422, "BASE_URL_NOT_ALLOWED")
    for url in (f"http://ada@{trap.host}/v1", f"ftp://{trap.host}/v1", "file:///etc/passwd", "http://", "//x"):
        assert problem(await compatible(driver, url).send(api))["status"] in (400, 422)
    assert trap.requests == []


@pytest.mark.check(15)
async def test_an_address_that_has_become_private_since_it_was_stored_is_not_called(
    driver: FastifyBun, api: httpx.AsyncClient, database: Rows, upstream: Upstream
) -> None:
    trap = Upstream()
    key = (await compatible(driver, upstream.url).send(api)).json()["id"]
    assert (await trial_of(key).send(api)).status_code == 200
    for host in (trap.host, trap.host.replace("127.0.0.1", "localhost")):
        database.execute("UPDATE provider_keys SET base_url = %s WHERE id = %s", [f"http://{host}/v1", key])
        problem(await trial_of(key).send(api), 422, "BASE_URL_NOT_ALLOWED")
    assert trap.requests == []


@pytest.mark.check(15)
async def test_a_redirect_is_not_followed(driver: FastifyBun, api: httpx.AsyncClient, upstream: Upstream) -> None:
    trap = Upstream()
    for call in (driver.key(), compatible(driver, upstream.url)):
        key = (await call.send(api)).json()["id"]
        for status in (301, 302, 303, 307, 308):
            upstream.replies.append(Reply(status, {"location": f"{trap.url}/chat/completions"}))
            assert problem(await trial_of(key).send(api))["status"] in (422, 502)
    assert trap.requests == []
    assert len(upstream.requests) == 10


@pytest.mark.check(34)
@pytest.mark.parametrize(("status", "pause"), [(429, 1), (503, 0), (500, 0)])
async def test_a_provider_that_is_busy_is_asked_again_when_it_says_so(
    driver: FastifyBun, api: httpx.AsyncClient, upstream: Upstream, status: int, pause: int
) -> None:
    chat = await driver.answerable(api)
    upstream.replies.append(Reply(status, {"retry-after": str(pause)} if pause else {}))

    answer = await driver.ask(chat, stream=False).send(api)

    assert answer.status_code == 201, answer.text
    assert answer.json()["message"]["status"] == "complete"
    first, second = upstream.requests
    assert second.at - first.at >= max(pause, 0.2)


@pytest.mark.check(34)
@pytest.mark.parametrize(
    ("status", "headers", "attempts", "told", "code"),
    [
        (503, {}, 3, 502, "PROVIDER_UNAVAILABLE"),
        (429, {}, 3, 429, "PROVIDER_RATE_LIMITED"),
        (429, {"retry-after": "3600"}, 1, 429, "PROVIDER_RATE_LIMITED"),
        (401, {}, 1, 422, "PROVIDER_KEY_REJECTED"),
        (403, {}, 1, 422, "PROVIDER_KEY_REJECTED"),
        (400, {}, 1, 422, "PROVIDER_REFUSED"),
    ],
)
async def test_attempts_are_few_and_none_is_made_where_it_would_not_help(
    driver: FastifyBun,
    api: httpx.AsyncClient,
    upstream: Upstream,
    status: int,
    headers: dict[str, str],
    attempts: int,
    told: int,
    code: str,
) -> None:
    chat = await driver.answerable(api)
    upstream.replies.extend([Reply(status, headers)] * 10)

    async with asyncio.timeout(15):
        answer = await driver.ask(chat, stream=False).send(api)

    problem(answer, told, code)
    assert len(upstream.requests) == attempts


@pytest.mark.check(34)
async def test_attempts_of_many_requests_do_not_come_at_the_same_moment(
    driver: FastifyBun, api: httpx.AsyncClient, upstream: Upstream
) -> None:
    pauses: list[float] = []
    for turn in range(24):  # one after the other, so that none is late for the others' sake
        key = (await driver.key(f"sk-0123456789abcdef-{turn}").send(api)).json()["id"]
        chat = (await driver.create(providerKeyId=key).send(api)).json()["id"]
        upstream.requests.clear()
        upstream.replies.append(Reply(503))
        assert (await driver.ask(chat, stream=False).send(api)).status_code == 201
        first, second = upstream.requests
        pauses.append(second.at - first.at)

    # At least 250 ms, and up to twice as long by chance: a quarter of them wait longer than 437.
    assert min(pauses) >= 0.2
    *_, upper = statistics.quantiles(pauses)
    assert upper > 0.3


@pytest.mark.check(34)
async def test_a_client_that_leaves_for_good_has_the_provider_hung_up_on(
    driver: FastifyBun, start_service: StartService, client: Client, upstream: Upstream
) -> None:
    api = client(start_service(STREAM_GRACE_MS="200"))
    chat = await driver.answerable(api)
    upstream.pause = 0.5
    call = driver.ask(chat)
    async with api.stream(call.method, call.path, json=call.json) as answer:
        assert answer.status_code == 200
    # Ten seconds less than the words would take, were they many more.
    await asyncio.to_thread(eventually, "it hangs up", lambda: upstream.left == 1, 10)


async def stored(driver: FastifyBun, api: httpx.AsyncClient, rows: Rows) -> tuple[str, str]:
    """A key's id and its ciphertext."""
    key = (await driver.key().send(api)).json()["id"]
    return key, ciphertext(rows, key)


def ciphertext(rows: Rows, key: str) -> str:
    row = rows.execute("SELECT secret FROM provider_keys WHERE id = %s", [key]).fetchone()
    assert row
    return str(row[0])


def put(rows: Rows, key: str, secret: str) -> None:
    rows.execute("UPDATE provider_keys SET secret = %s WHERE id = %s", [secret, key])


@pytest.mark.check(35)
async def test_a_ciphertext_is_worth_nothing_in_another_row_or_for_another_user(
    driver: FastifyBun, api: httpx.AsyncClient, client: Client, running: Any, database: Rows, upstream: Upstream
) -> None:
    other = client(running, driver.account())
    (mine, my_secret), (second, _), (theirs, their_secret) = [
        await stored(driver, who, database) for who in (api, api, other)
    ]
    assert (await trial_of(mine).send(api)).status_code == 200
    asked = len(upstream.requests)

    for key, secret, who in ((mine, their_secret, api), (theirs, my_secret, other), (second, my_secret, api)):
        put(database, key, secret)
        problem(await trial_of(key).send(who), 409, "PROVIDER_KEY_UNREADABLE")
    assert len(upstream.requests) == asked


@pytest.mark.check(35)
async def test_a_ciphertext_that_was_changed_or_whose_tag_was_cut_does_not_decrypt(
    driver: FastifyBun, api: httpx.AsyncClient, database: Rows, upstream: Upstream
) -> None:
    key, secret = await stored(driver, api, database)
    for what, changed in tampered(secret).items():
        put(database, key, changed)
        answer = await trial_of(key).send(api)
        assert answer.status_code == 409, f"{what}: {answer.text}"
        problem(answer, 409, "PROVIDER_KEY_UNREADABLE")
    assert upstream.requests == []
    put(database, key, secret)
    assert (await trial_of(key).send(api)).status_code == 200


@pytest.mark.check(36)
async def test_a_rotation_keeps_old_rows_readable_and_rewrites_each_with_the_new_key(
    driver: FastifyBun,
    folder: Path,
    own_database: dict[str, str],
    own_rows: Rows,
    start_service: StartService,
    client: Client,
) -> None:
    account = driver.account()
    before = client(start_service(**own_database), account)
    keys = [(await driver.key().send(before)).json()["id"] for _ in range(5)]
    old_id = {ciphertext(own_rows, key).split(".")[1] for key in keys}
    assert len(old_id) == 1

    both = {**own_database, "ENCRYPTION_KEYS": f"{NEW_KEY},{ENCRYPTION_KEY}"}
    during = client(start_service(**both), account)
    for key in keys:
        assert (await trial_of(key).send(during)).status_code == 200
    for _ in range(2):  # the second time there is nothing left to do
        command = ["bun", "apps/api/dist/rotate.cli.js"]
        result = subprocess.run(command, cwd=folder, env=environment(both), capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
    assert {ciphertext(own_rows, key).split(".")[1] for key in keys}.isdisjoint(old_id)

    after = client(start_service(**{**own_database, "ENCRYPTION_KEYS": NEW_KEY}), account)
    for key in keys:
        assert (await trial_of(key).send(after)).status_code == 200


@pytest.mark.check(36)
async def test_a_key_is_in_no_answer_no_line_of_the_log_no_span_and_no_row(
    driver: FastifyBun,
    own_database: dict[str, str],
    own_rows: Rows,
    start_service: StartService,
    client: Client,
    postgres: Postgres,
    upstream: Upstream,
    collector: Collector,
) -> None:
    canary = f"sk-canary-{uuid.uuid4().hex}"
    service = start_service(**own_database, **collector.settings, LOG_LEVEL="trace", PROVIDER_RETRIES="0")
    api = client(service)
    key = (await driver.key(canary).send(api)).json()["id"]
    other = (await compatible(driver, upstream.url).send(api)).json()["id"]
    rotated = Call("POST", f"/providers/{other}/rotate", {"apiKey": canary})
    chats = [(await driver.create(providerKeyId=which).send(api)).json()["id"] for which in (key, other)]
    calls = [
        rotated,
        driver.key(canary, label=canary[:5], provider="nobody"),
        Call("GET", "/providers"),
        Call("GET", "/users/me/export"),
        *(driver.ask(chat, stream=stream) for chat in chats for stream in (True, False)),
    ]
    answers = [(await call.send(api)).text for call in calls]
    for status in (401, 400, 429, 500, 307):  # the provider repeats the key in what it says
        upstream.replies.extend([Reply(status)] * 3)
        answers += [(await driver.ask(chats[0], stream=stream).send(api)).text for stream in (True, False)]
        answers.append((await trial_of(key).send(api)).text)
        upstream.replies.clear()

    assert canary in {seen.key for seen in upstream.requests}, "the provider never got it"
    assert canary not in "".join(answers)
    assert canary not in service.log_file.read_text() + service.log_file.with_suffix(".stderr").read_text()
    assert len(service.log()) > 20
    service.stop()  # with it, the last of its spans are sent
    assert "chat" in {span.name for span in collector.spans}
    assert canary.encode() not in b"".join(collector.bodies)
    for table, rows in tables(own_rows, "public"):
        assert canary not in rows, table
    own_rows.execute("CHECKPOINT")
    for page in (postgres.data).rglob("base/*/*"):
        assert canary.encode() not in page.read_bytes(), page
