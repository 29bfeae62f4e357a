"""What users and upstreams control is bounded, and delays nobody else."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect, StartService
from tests.conformance.drivers import Account, Call
from tests.conformance.drivers.next_supabase import API, NextSupabase
from tests.conformance.problems import problem
from tests.conformance.processes import Service
from tests.conformance.upstream import Upstream

SLOW_NAMES = """
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
const { lookup, Resolver } = dns.promises;
const late = () => new Promise((resolve) => setTimeout(resolve, 8_000));
dns.promises.lookup = async (name, ...rest) => {
  if (!String(name).endsWith('.slow.test')) return lookup(name, ...rest);
  await late();
  return [{ address: '203.0.113.1', family: 4 }];
};
dns.promises.Resolver = class extends Resolver {
  #canceled = Promise.withResolvers();
  async resolve4(name) {
    if (!String(name).endsWith('.slow.test')) return ['8.8.8.8'];
    await Promise.race([late(), this.#canceled.promise]);
    return ['203.0.113.1'];
  }
  async resolve6() {
    throw new Error('no address');
  }
  cancel() {
    this.#canceled.reject(new Error('canceled'));
  }
};
syncBuiltinESMExports();
"""
CHARGED_WITHIN = 10.0
"""Seconds, fewer than a model may be silent."""
QUESTION = {"messages": [{"role": "user", "content": "What is a loom?"}], "provider": "openai"}


@pytest.fixture
def upstream(driver: NextSupabase) -> Upstream:
    driver.upstream.reset()
    return driver.upstream


async def charged(api: httpx.AsyncClient, account: Account, rows: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Waits until the tokens of an answer are used, and none are set aside any more."""
    used, reserved = 0, 1
    deadline = time.monotonic() + CHARGED_WITHIN
    query = "SELECT count(*) FROM private.ai_reservations WHERE user_id = %s"
    while not used or reserved:
        assert time.monotonic() < deadline, f"{used} tokens used, {reserved} answers under way"
        used = (await api.get(f"{API}/ai/budget")).json()["used"]
        [(reserved,)] = rows.execute(query, [account.session.user]).fetchall()
        await asyncio.sleep(0.1)


@pytest.mark.check(44)
@pytest.mark.of("next-supabase")
async def test_names_that_resolve_slowly_hold_no_connection(
    driver: NextSupabase, start_service: StartService, client: Client, tmp_path: Path
) -> None:
    preload = tmp_path / "slow-names.mjs"
    preload.write_text(SLOW_NAMES)
    service = start_service(NODE_OPTIONS=f"--import={preload}", DATABASE_POOL_MAX="5")
    mallory, ada = client(service, driver.account()), client(service, driver.account())
    project = (await driver.create().send(mallory)).json()["id"]
    assert (await driver.find().send(ada)).status_code == 200

    slow = [
        asyncio.create_task(driver.webhook(project, f"https://{uuid.uuid4()}.slow.test/hook").send(mallory))
        for _ in range(20)
    ]
    started = time.monotonic()
    for _ in range(20):
        assert (await driver.find().send(ada)).status_code == 200
    assert time.monotonic() - started < 5

    for answer in await asyncio.gather(*slow):
        problem(answer, 422, "WEBHOOK_URL_NOT_ALLOWED")
    assert time.monotonic() - started < 8


@pytest.mark.check(44)
@pytest.mark.of("next-supabase")
@pytest.mark.parametrize("events", [1, 2])
async def test_client_that_leaves_a_stream_is_charged(
    driver: NextSupabase,
    api: httpx.AsyncClient,
    account: Account,
    upstream: Upstream,
    connect: Connect,
    events: int,
) -> None:
    assert (await driver.find().send(api)).status_code == 200
    upstream.pause = 0.5
    async with api.stream("POST", f"{API}/ai/complete", json={**QUESTION, "stream": True}) as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        seen = 0
        while seen < events:
            seen += (await anext(lines)) == "event: delta"

    await charged(api, account, connect())


@pytest.mark.check(44)
@pytest.mark.of("next-supabase")
async def test_client_that_stops_reading_a_stream_and_leaves_is_charged(
    driver: NextSupabase,
    api: httpx.AsyncClient,
    account: Account,
    running: Service,
    upstream: Upstream,
    connect: Connect,
) -> None:
    assert (await driver.find().send(api)).status_code == 200
    upstream.words = ("loom " * 10_000,) * 130  # more than the buffers of the sockets hold
    body = json.dumps({**QUESTION, "stream": True}).encode()
    head = (
        f"POST {API}/ai/complete HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {account.session.token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", httpx.URL(running.url).port))
        connection.sendall(head.encode() + body)
        assert await asyncio.to_thread(connection.recv, 1_024)
        await asyncio.sleep(2)  # the service has nothing more to do until something is read

    await charged(api, account, connect())


@pytest.mark.check(44)
@pytest.mark.of("next-supabase")
async def test_response_of_a_model_is_cut_off_after_its_bytes(
    driver: NextSupabase, start_service: StartService, client: Client, upstream: Upstream
) -> None:
    api = client(start_service(AI_ANSWER_MAX_BYTES="100000"), driver.account())
    assert (await driver.find().send(api)).status_code == 200
    upstream.flood = 60_000_000
    problem(await Call("POST", f"{API}/ai/complete", QUESTION).send(api), 502, "INTEGRATION_TOO_LARGE")
    assert upstream.left, "the service reads on"
    upstream.flood = 0
    assert (await Call("POST", f"{API}/ai/complete", QUESTION).send(api)).status_code == 200
