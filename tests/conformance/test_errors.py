"""Every error, forced or natural, is an RFC 9457 document that leaks nothing."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial

import httpx
import psycopg
import pytest

from tests.conformance.conftest import Client, Connect, StartService
from tests.conformance.drivers import Account, Driver
from tests.conformance.problems import problem
from tests.conformance.processes import Service, eventually
from tests.conformance.raw import raw

pytestmark = pytest.mark.check(14)


async def test_a_path_that_is_not_there_is_answered_404(api: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/events/", "/docs/..%2f..%2fpackage.json", "/.env", "/nothing?password=1"):
        document = problem(await api.get(path), 404)
        assert document["instance"] == path.partition("?")[0]


async def test_a_resource_that_is_not_there_is_answered_404(driver: Driver, api: httpx.AsyncClient) -> None:
    nothing = str(uuid.uuid4())

    for call in (driver.read(nothing), driver.change(nothing, 1, name="x"), driver.write_once(nothing)):
        problem(await call.send(api), 404)


async def test_an_id_that_is_none_is_refused(driver: Driver, api: httpx.AsyncClient) -> None:
    for malformed in ("1", "%00", "'", "a" * 100, "..%2f", "%F0%9F%92%A9"):
        document = problem(await driver.read(malformed).send(api))
        assert document["status"] in (400, 404)


async def test_a_method_that_is_not_there_is_refused(driver: Driver, api: httpx.AsyncClient) -> None:
    resource = driver.read(str(uuid.uuid4())).path
    allowed = {"PUT": "GET, HEAD, POST", "DELETE": "GET, HEAD, POST"}
    for method, methods in allowed.items():
        answer = await api.request(method, driver.create().path, params={"x": "1"})
        problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == methods
    answer = await api.post(resource, json={})
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "HEAD"} < set(answer.headers["allow"].split(", "))
    assert "POST" not in answer.headers["allow"]
    for method in ("TRACE", "PROPFIND"):
        assert problem(await api.request(method, driver.create().path))["status"] in (404, 405)
    problem(await api.delete("/nothing"), 404, "NOT_FOUND")


async def test_a_path_that_cannot_be_decoded_is_refused(
    driver: Driver, api: httpx.AsyncClient, account: Account | None, running: Service
) -> None:
    await driver.find().send(api)
    own = account.session.headers if account else {}
    headers = "".join(f"{name}: {value}\r\n" for name, value in own.items())
    for path in ("/%zz", driver.read("%E0%A4%A").path, driver.read("a" * 5_000).path):
        answer = await raw(running, f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        assert problem(answer)["status"] in (400, 404, 414)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    ],
    ids=["TLS", "a version to come", "no method", "a negative length", "two lengths", "a huge header"],
)
async def test_what_is_not_http_is_refused(running: Service, request_: bytes, status: int) -> None:
    problem(await raw(running, request_), status)


async def test_a_failure_of_the_service_is_told_by_its_request_id_alone(
    driver: Driver, own_database: dict[str, str], start_service: StartService, client: Client
) -> None:
    service = start_service(**own_database)
    api = client(service)
    resource = (await driver.create().send(api)).json()["id"]
    with psycopg.connect(own_database["MIGRATION_DATABASE_URL"]) as connection:
        connection.execute(driver.breakage.encode())

    calls = (driver.read(resource), driver.find(), driver.create(), driver.write_once(resource))
    documents = [problem(await call.send(api), 500, "INTERNAL") for call in calls]

    for document in documents:
        # Lines are written behind the answers.
        reason = eventually("the line of the log", partial(reason_of, service, document["requestId"]))
        assert reason not in str(document)


def reason_of(service: Service, request: str) -> str | None:
    """The message of the error that the log tells of a request."""
    errors = (line["err"]["message"] for line in service.log() if line.get("requestId") == request and "err" in line)
    return next(errors, None)


async def test_a_request_that_takes_too_long_is_answered_503(
    driver: Driver, api: httpx.AsyncClient, start_service: StartService, client: Client, connect: Connect
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    connect().execute(driver.lock.encode(), {"resource": resource})
    impatient = client(start_service(REQUEST_TIMEOUT_MS="300", DATABASE_LOCK_TIMEOUT_MS="20000"))

    answer = await driver.write_once(resource).send(impatient)

    problem(answer, 503, "HANDLER_TIMEOUT")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "beginning",
    [
        "GET /",
        "POST {path} HTTP/1.1\r\nHost: x\r\n{signed_in}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
    ],
    ids=["head", "body"],
)
async def test_a_request_that_does_not_arrive_in_time_is_given_up(
    driver: Driver, start_service: StartService, api: httpx.AsyncClient, account: Account | None, beginning: str
) -> None:
    service = start_service(REQUEST_TIMEOUT_MS="500")
    await driver.find().send(api)
    signed_in = "".join(f"{name}: {value}\r\n" for name, value in account.session.headers.items()) if account else ""

    async with asyncio.timeout(10):
        answer = await raw(service, beginning.format(path=driver.create().path, signed_in=signed_in).encode())

    assert problem(answer)["status"] in (408, 503)
