"""Upstreams that send without end, slowly or not at all: bytes, time and concurrency are bounded."""

from __future__ import annotations

import asyncio
import functools
import gzip
import itertools
import json
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Account, Call
from tests.conformance.drivers.fastify_bun import FastifyBun
from tests.conformance.problems import problem
from tests.conformance.processes import Service

pytestmark = [pytest.mark.check(44), pytest.mark.of("fastify-bun")]

SIZE = 60_000_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(delta: dict[str, object]) -> bytes:
    chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def one_event() -> Iterator[bytes]:
    yield HEAD + event({"content": "Hello"}) + b'data: {"choices":[{"delta":{"content":"'
    yield from itertools.repeat(b"a" * 65_536, SIZE // 65_536)


def small_events() -> Iterator[bytes]:
    yield HEAD + event({"content": "Hello"})
    block = event({"content": " word"}) * 500
    yield from itertools.repeat(block, SIZE // len(block))


def tool_input() -> Iterator[bytes]:
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "currentTime", "arguments": '{"a":"'}}
    yield HEAD + event({"content": "Hello"}) + event({"tool_calls": [call]})
    block = event({"tool_calls": [{"index": 0, "function": {"arguments": "aaaaaaaa"}}]}) * 500
    yield from itertools.repeat(block, SIZE // len(block))


@functools.cache
def bomb() -> bytes:
    return gzip.compress(event({"content": "a" * SIZE}), compresslevel=1)


def compressed() -> Iterator[bytes]:
    body = bomb()
    yield HEAD.replace(b"\r\n\r\n", f"\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n".encode())
    yield body


def error_body() -> Iterator[bytes]:
    yield HEAD.replace(b"200 OK", b"400 Bad Request")
    yield from itertools.repeat(b"a" * 65_536, SIZE // 65_536)


def silence() -> Iterator[bytes]:
    time.sleep(30)
    yield b""


def comments() -> Iterator[bytes]:
    yield HEAD
    for _ in range(600):
        time.sleep(0.05)
        yield b": still here\n\n"


FLOODS = {each.__name__: each for each in (one_event, small_events, tool_input, compressed, error_body)}
SLOW = {each.__name__: each for each in (silence, comments)}


class Flood:
    """A provider on the loopback interface that sends as much as its client reads."""

    def __init__(self) -> None:
        self.reply = one_event
        self.sent = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            try:
                for block in self.reply():
                    connection.sendall(block)
                    self.sent += len(block)
            except OSError:
                return

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def flood() -> Iterator[Flood]:
    server = Flood()
    yield server
    server.close()


@pytest.fixture
def bounded(start_service: StartService, driver: FastifyBun, flood: Flood) -> Service:
    return start_service(
        PROVIDER_ALLOWED_HOSTS=f"{driver.upstream.host},{flood.host}",
        PROVIDER_FIRST_CHUNK_TIMEOUT_MS="1000",
        PROVIDER_CHUNK_TIMEOUT_MS="1000",
        PROVIDER_RETRIES="0",
    )


async def chat_with(driver: FastifyBun, api: httpx.AsyncClient, host: str) -> str:
    key = await driver.key(provider="openai-compatible", baseUrl=f"http://{host}/v1").send(api)
    assert key.status_code == 201, key.text
    chat = await driver.create(providerKeyId=key.json()["id"], useTools=True).send(api)
    return str(chat.json()["id"])


def resident_bytes(service: Service) -> int:
    listed = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(service.process.pid)], capture_output=True, text=True, check=True
    )
    return int(listed.stdout) * 1024


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_provider_that_sends_60_mb_is_cut_and_others_are_served(
    driver: FastifyBun, flood: Flood, bounded: Service, client: Client, kind: str
) -> None:
    flood.reply = FLOODS[kind]
    bomb()  # compressed before a request waits for it
    api, other = client(bounded), client(bounded, Account(driver))
    chat = await chat_with(driver, api, flood.host)
    await driver.find().send(other)
    before = resident_bytes(bounded)

    answering = asyncio.create_task(driver.ask(chat, stream=False).send(api))
    most, statuses = 0, Counter[int]()
    while not answering.done():
        statuses[(await driver.find().send(other)).status_code] += 1
        most = max(most, resident_bytes(bounded))

    problem(await answering, 502, "PROVIDER_ANSWER_TOO_LARGE")
    assert set(statuses) <= {200}
    assert flood.sent < SIZE * 2 // 3
    assert most - before < 200_000_000
    kept = (await Call("GET", f"/chats/{chat}/messages?limit=1").send(api)).json()["data"][0]
    assert (kept["status"], kept["errorCode"]) == ("failed", "PROVIDER_ANSWER_TOO_LARGE")
    assert len(json.dumps(kept)) < 1_000_000
    if kind in ("one_event", "small_events", "tool_input"):
        assert "Hello" in json.dumps(kept["parts"])


@pytest.mark.parametrize("kind", SLOW)
async def test_a_provider_that_says_nothing_is_hung_up_on_in_time(
    driver: FastifyBun, flood: Flood, bounded: Service, client: Client, kind: str
) -> None:
    flood.reply = SLOW[kind]
    api = client(bounded)
    chat = await chat_with(driver, api, flood.host)
    started = time.monotonic()

    problem(await driver.ask(chat, stream=False).send(api), 504, "PROVIDER_TIMEOUT")

    assert time.monotonic() - started < 5


async def test_answers_of_one_user_are_limited_over_two_processes(
    driver: FastifyBun, flood: Flood, start_service: StartService, client: Client
) -> None:
    flood.reply = silence
    settings = {"PROVIDER_ALLOWED_HOSTS": flood.host, "ANSWERS_PER_USER_MAX": "2", "PROVIDER_RETRIES": "0"}
    settings["PROVIDER_FIRST_CHUNK_TIMEOUT_MS"] = "4000"
    clients = [client(start_service(**settings)) for _ in range(2)]
    chats = [await chat_with(driver, clients[0], flood.host) for _ in range(6)]

    answers = await asyncio.gather(
        *(driver.ask(chat, stream=False).send(clients[index % 2]) for index, chat in enumerate(chats))
    )

    assert Counter(answer.status_code for answer in answers) == {429: 4, 504: 2}
    for answer in answers:
        if answer.status_code == 429:
            problem(answer, 429, "TOO_MANY_ANSWERS")
            assert int(answer.headers["retry-after"]) >= 1


async def test_tests_of_keys_share_the_limit_of_answers(
    driver: FastifyBun, flood: Flood, start_service: StartService, client: Client
) -> None:
    flood.reply = silence
    settings = {"PROVIDER_ALLOWED_HOSTS": flood.host, "ANSWERS_PER_USER_MAX": "2", "PROVIDER_TOTAL_TIMEOUT_MS": "4000"}
    clients = [client(start_service(**settings)) for _ in range(2)]
    key = driver.key(provider="openai-compatible", baseUrl=f"http://{flood.host}/v1")
    keys = [(await key.send(clients[0])).json()["id"]]
    trial = Call("POST", f"/providers/{keys[0]}/test", {"model": "some-model"})

    answers = await asyncio.gather(*(trial.send(clients[number % 2]) for number in range(6)))

    assert Counter(answer.status_code for answer in answers) == {429: 4, 504: 2}
    for answer in answers:
        if answer.status_code == 429:
            problem(answer, 429, "TOO_MANY_ANSWERS")


async def test_a_key_travels_in_clear_text_only_to_allowed_hosts(driver: FastifyBun, api: httpx.AsyncClient) -> None:
    for url in ("http://8.8.8.8/v1", "http://[2001:4860:4860::8888]/v1"):
        problem(await driver.key(provider="openai-compatible", baseUrl=url).send(api), 422, "BASE_URL_NOT_ALLOWED")
        secure = url.replace("http:", "https:")
        assert (await driver.key(provider="openai-compatible", baseUrl=secure).send(api)).status_code == 201


async def test_a_mail_server_that_never_responds_holds_no_connection(
    driver: FastifyBun, start_service: StartService, client: Client
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        service = start_service(SMTP_URL=f"smtp://127.0.0.1:{port}", DATABASE_POOL_MAX="1")
        stranger = client(service, None)
        stranger.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        signed_up = await asyncio.gather(*(driver.sign_up().send(stranger) for _ in range(3)))

        slowest = 0.0
        for _ in range(10):  # while the mails are under way
            started = time.monotonic()
            answer = await driver.log_in("nobody@example.com", "a guess that is wrong").send(stranger)
            assert answer.status_code == 401
            slowest = max(slowest, time.monotonic() - started)

        assert slowest < 2
        assert {answer.status_code for answer in signed_up} == {200}
