"""Models, Stripe and webhooks of next-supabase: what happens when they fail, what is signed and what is stored."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import statistics
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Call
from tests.conformance.drivers.next_supabase import API, NextSupabase
from tests.conformance.problems import problem
from tests.conformance.processes import Postgres, Service, environment, eventually
from tests.conformance.stored import tables, tampered
from tests.conformance.upstream import Reply, Upstream

pytestmark = pytest.mark.of("next-supabase")

Rows = psycopg.Connection[tuple[Any, ...]]
OLD_KEY, NEW_KEY = "b" * 64, "c" * 64
STRIPE_SECRET = "whsec_0123456789abcdef0123456789abcdef"  # noqa: S105 - of no account
ASK = Call("POST", f"{API}/ai/complete", {"messages": [{"role": "user", "content": "What is a loom?"}]})
UNREADABLE = "its secret cannot be read; replace it"


@pytest.fixture
def upstream() -> Upstream:
    """A model that answers, or a receiver of webhooks."""
    return Upstream()


@pytest.fixture
def asking(start_service: StartService, client: Client, upstream: Upstream) -> httpx.AsyncClient:
    """A client of a service that has one model to ask."""
    settings = {"OPENAI_API_KEY": "sk-0123456789abcdef", "OPENAI_BASE_URL": upstream.url}
    return client(start_service(**settings))


def telling(upstream: Upstream) -> dict[str, str]:
    """The settings of a service that delivers webhooks, quickly."""
    return {
        "WEBHOOK_ALLOWED_HOSTS": upstream.host,
        "WEBHOOK_POLL_MS": "50",
        "WEBHOOK_RETRY_SECONDS": "0.2",
    }


@pytest.mark.check(34)
@pytest.mark.parametrize(("status", "asked"), [(429, 1), (503, None), (500, None)])
async def test_a_model_that_is_busy_is_asked_again_when_it_says_so(
    asking: httpx.AsyncClient, upstream: Upstream, status: int, asked: int | None
) -> None:
    upstream.replies.append(Reply(status, {"retry-after": str(asked)} if asked else {}))
    answer = await ASK.send(asking)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "Hello, world"
    first, second = upstream.requests
    if asked:  # else the pause is a matter of chance, and one in fifty is below 50 ms
        assert second.at - first.at >= asked


@pytest.mark.check(34)
@pytest.mark.parametrize(
    ("status", "headers", "attempts", "told", "code"),
    [
        (503, {}, 3, 503, "INTEGRATION_UNAVAILABLE"),
        (429, {}, 3, 503, "INTEGRATION_RATE_LIMITED"),
        (429, {"retry-after": "3600"}, 1, 503, "INTEGRATION_RATE_LIMITED"),
        (401, {}, 1, 502, "INTEGRATION_REFUSED"),
        (403, {}, 1, 502, "INTEGRATION_REFUSED"),
        (400, {}, 1, 502, "INTEGRATION_REFUSED"),
    ],
)
async def test_a_model_is_asked_few_times_and_once_where_more_would_not_help(
    asking: httpx.AsyncClient,
    upstream: Upstream,
    status: int,
    headers: Mapping[str, str],
    attempts: int,
    told: int,
    code: str,
) -> None:
    upstream.replies.extend([Reply(status, headers)] * 10)
    async with asyncio.timeout(30):
        answer = await ASK.send(asking)
    problem(answer, told, code)
    assert len(upstream.requests) == attempts


@pytest.mark.check(34)
async def test_attempts_to_ask_a_model_do_not_come_at_the_same_moment(
    asking: httpx.AsyncClient, upstream: Upstream
) -> None:
    pauses: list[float] = []
    for _ in range(20):  # one after the other, so that none is late for the others' sake
        upstream.requests.clear()
        upstream.replies.append(Reply(503))
        assert (await ASK.send(asking)).status_code == 200
        first, second = upstream.requests
        pauses.append(second.at - first.at)
    assert statistics.pstdev(pauses) > 0.035  # a busy machine makes some of it, too


async def webhook(driver: NextSupabase, api: httpx.AsyncClient, upstream: Upstream) -> tuple[str, str, str]:
    """A project, its webhook, and what that signs with."""
    project = (await driver.create().send(api)).json()["id"]
    made = (await driver.webhook(project, f"{upstream.url}/hook").send(api)).json()
    return project, made["id"], made["secret"]


def ciphertext(rows: Rows, hook: str) -> str:
    row = rows.execute("SELECT secret FROM webhook_endpoints WHERE id = %s", [hook]).fetchone()
    assert row
    return str(row[0])


def put(rows: Rows, hook: str, secret: str) -> None:
    """Stores another ciphertext, and lets bygone failures not count."""
    rows.execute(
        "UPDATE webhook_endpoints SET secret = %s, failures = 0, disabled_at = NULL WHERE id = %s", [secret, hook]
    )


def last_error(rows: Rows, hook: str) -> str | None:
    query = "SELECT last_error FROM webhook_deliveries WHERE endpoint_id = %s AND last_error IS NOT NULL LIMIT 1"
    row = rows.execute(query, [hook]).fetchone()
    return None if row is None else str(row[0])


@pytest.mark.check(35)
async def test_a_webhooks_secret_is_worth_nothing_in_another_row_or_changed_or_with_its_tag_cut(
    driver: NextSupabase,
    start_service: StartService,
    client: Client,
    database: Rows,
    upstream: Upstream,
) -> None:
    service = start_service(**telling(upstream))
    api, other = client(service, driver.account()), client(service, driver.account())
    _, theirs, _ = await webhook(driver, other, upstream)
    their_secret = ciphertext(database, theirs)
    _, second, _ = await webhook(driver, api, upstream)
    my_second = ciphertext(database, second)

    project, hook, _ = await webhook(driver, api, upstream)
    good = ciphertext(database, hook)
    cases = {"another user's": their_secret, "another row's": my_second, **tampered(good)}
    for version, (what, secret) in enumerate(cases.items(), start=1):
        database.execute("DELETE FROM webhook_deliveries WHERE endpoint_id = %s", [hook])
        put(database, hook, secret)
        assert (await driver.change(project, version, name=what).send(api)).status_code == 200
        found = await asyncio.to_thread(eventually, what, lambda: last_error(database, hook))
        assert found == UNREADABLE, what
    assert upstream.requests == []
    put(database, hook, good)
    await asyncio.to_thread(eventually, "it is delivered", lambda: upstream.requests or None)


@pytest.mark.check(36)
async def test_a_rotation_keeps_webhooks_signed_and_rewrites_each_secret_with_the_new_key(
    driver: NextSupabase,
    folder: Path,
    api: httpx.AsyncClient,
    database: Rows,
    start_service: StartService,
    client: Client,
    postgres: Postgres,
    upstream: Upstream,
) -> None:
    made = [await webhook(driver, api, upstream) for _ in range(3)]
    old_id = {ciphertext(database, hook).split(".")[1] for _, hook, _ in made}
    assert len(old_id) == 1

    both = {**postgres.env, **driver.settings, "ENCRYPTION_KEYS": f"{NEW_KEY},{OLD_KEY}"}
    for _ in range(2):  # the second time there is nothing left to do
        command = ["node", "dist/server/rotate-keys.js"]
        result = subprocess.run(command, cwd=folder, env=environment(both), capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
    assert {ciphertext(database, hook).split(".")[1] for _, hook, _ in made}.isdisjoint(old_id)

    after = client(start_service(**telling(upstream), ENCRYPTION_KEYS=NEW_KEY))
    for project, _, _ in made:
        assert (await driver.change(project, 1, name="Renamed").send(after)).status_code == 200
    await asyncio.to_thread(eventually, "all are told", lambda: len(upstream.requests) == len(made) or None)


@pytest.mark.check(36)
async def test_no_secret_is_in_an_answer_a_line_of_the_log_or_a_row(
    driver: NextSupabase,
    start_service: StartService,
    client: Client,
    database: Rows,
    upstream: Upstream,
) -> None:
    canary = f"sk-canary-{uuid.uuid4().hex}"
    service = start_service(**telling(upstream), LOG_LEVEL="trace", OPENAI_API_KEY=canary, OPENAI_BASE_URL=upstream.url)
    api = client(service)
    project, hook, secret = await webhook(driver, api, upstream)
    answers = [(await Call("GET", f"{API}/projects/{project}/webhooks").send(api)).text]
    for status in (401, 400, 429, 500):  # the model repeats the key in what it says
        upstream.replies.extend([Reply(status)] * 3)
        answers.append((await ASK.send(api)).text)
        upstream.replies.clear()
    assert (await driver.change(project, 1, name="Renamed").send(api)).status_code == 200
    delivered = "SELECT 1 FROM webhook_deliveries WHERE endpoint_id = %s AND state = 'delivered'"
    await asyncio.to_thread(eventually, "it is told", lambda: database.execute(delivered, [hook]).fetchone())

    assert canary in {seen.key for seen in upstream.requests}, "the model never got it"
    plain = secret.removeprefix("whsec_")
    said = "".join(answers) + service.log_file.read_text() + service.log_file.with_suffix(".stderr").read_text()
    for place, text in [("what was said", said), *tables(database, "public", "private")]:
        for kept in (canary, plain):
            assert kept not in text, place


class Stripe:
    """Sends what Stripe would send."""

    def __init__(self, api: httpx.AsyncClient, customer: str) -> None:
        self._api, self._customer = api, customer

    def paid(self, event: str) -> str:
        """An event about an invoice, written as Stripe writes it."""
        invoice = {"id": "in_1", "object": "invoice", "customer": self._customer, "amount_paid": 9, "currency": "eur"}
        about = {"id": event, "object": "event", "type": "invoice.paid", "data": {"object": invoice}}
        return json.dumps(about, indent=2)

    async def send(
        self, body: str, *, age: int = 0, secret: str = STRIPE_SECRET, sent: str | None = None
    ) -> httpx.Response:
        at = int(time.time()) - age
        signature = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "stripe-signature": f"t={at},v1={signature}"}
        return await self._api.post(f"{API}/webhooks/stripe", content=(sent or body).encode(), headers=headers)


@pytest.fixture
async def billed(
    driver: NextSupabase, start_service: StartService, client: Client, database: Rows
) -> tuple[Stripe, str]:
    """Stripe, and the user that its events are about."""
    service: Service = start_service(STRIPE_WEBHOOK_SECRET=STRIPE_SECRET)
    stranger = client(service, None)
    user = driver.session((await driver.sign_up().send(stranger)).json()).user
    customer = f"cus_{uuid.uuid4().hex}"
    database.execute("INSERT INTO billing_customers (user_id, customer_id) VALUES (%s, %s)", [user, customer])
    return Stripe(stranger, customer), user


def payments(rows: Rows, user: str) -> int:
    query = "SELECT count(*) FROM usage_metrics WHERE user_id = %s AND event_type = 'billing.invoice_paid'"
    row = rows.execute(query, [user]).fetchone()
    assert row
    return int(row[0])


@pytest.mark.check(37)
async def test_a_webhook_with_a_bad_or_an_old_signature_or_written_anew_is_refused(
    billed: tuple[Stripe, str], database: Rows
) -> None:
    stripe, user = billed
    body = stripe.paid("evt_1_" + uuid.uuid4().hex)
    for answer in (
        await stripe.send(body, secret="whsec_another"),  # noqa: S106 - of no account
        await stripe.send(body, age=301),
        await stripe.send(body, sent=json.dumps(json.loads(body))),
        await stripe.send(body, sent=body.replace('"amount_paid": 9', '"amount_paid": 90')),
    ):
        problem(answer, 400, "SIGNATURE_INVALID")
    assert payments(database, user) == 0
    assert (await stripe.send(body, age=290)).status_code == 200
    assert payments(database, user) == 1


@pytest.mark.check(37)
async def test_a_webhook_that_is_delivered_again_is_taken_and_has_no_second_effect(
    billed: tuple[Stripe, str], database: Rows
) -> None:
    stripe, user = billed
    body = stripe.paid("evt_2_" + uuid.uuid4().hex)
    answers = await asyncio.gather(*(stripe.send(body) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await stripe.send(body)).status_code == 200
    assert payments(database, user) == 1
