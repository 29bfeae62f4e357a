"""Input that is wrong, privileged or hostile: refused with 4xx, stored nowhere, and the process stays up."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.conformance.drivers import Account, Driver
from tests.conformance.problems import problem
from tests.conformance.processes import Service
from tests.conformance.raw import raw

JSON = {"content-type": "application/json"}
LIMIT = 1024 * 1024

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b'{"name":',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a string": b'"text"',
    "a list nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "an object nested 10,000 deep": b'{"name":' * 10_000 + b"1" + b"}" * 10_000,
    "lists that never end": b"[" * 500_000,
    "__proto__": b'{"__proto__": {"admin": true}}',
    "constructor.prototype": b'{"constructor": {"prototype": {"admin": true}}}',
    "an infinite number": b'{"name": 1e999}',
    "NaN": b'{"name": NaN}',
    "an executable object": b'{"then": "x", "toJSON": "x"}',
}

VALUES: dict[str, str] = {
    "NUL": '"a\\u0000b"',
    "an escape sequence": '"a\\u001b[2J"',
    "a lone high surrogate": '"\\ud800"',
    "a lone low surrogate": '"\\udc00 and more"',
    "an object": '{"$ne": null}',
    "a list": '["a"]',
    "null": "null",
    "true": "true",
    "a number": "1",
    "an empty text": '""',
    "spaces": '"   "',
    "a million letters": json.dumps("n" * 1_000_000),
}

TYPES = [
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "json",
]


@pytest.fixture(autouse=True)
def process_stays_up(running: Service) -> Any:
    """Whatever a test sends, the same process answers afterwards."""
    yield
    assert running.process.poll() is None
    assert running.liveness() == 200


@pytest.mark.check(12)
async def test_privileged_members_of_a_new_resource_are_refused_or_ignored(
    driver: Driver, api: httpx.AsyncClient
) -> None:
    for member, value in driver.privileged.items():
        answer = await driver.create(**{member: value}).send(api)
        if answer.status_code == 201:
            assert answer.json().get(member) != value
        else:
            assert f"/{member}" in {fault["pointer"] for fault in problem(answer, 400)["errors"]}


@pytest.mark.check(12)
async def test_privileged_members_of_a_change_leave_the_stored_row_as_it_was(
    driver: Driver, api: httpx.AsyncClient
) -> None:
    resource = (await driver.create().send(api)).json()

    for member, value in driver.privileged.items():
        answer = await driver.change(resource["id"], resource["version"], **{member: value}).send(api)
        assert answer.status_code == 200 or problem(answer, 400)

    assert (await driver.read(resource["id"]).send(api)).json() == resource


@pytest.mark.check(12)
@pytest.mark.of("nest-typeorm")
async def test_privileged_members_of_a_purchase_buy_nothing_else(driver: Driver, api: httpx.AsyncClient) -> None:
    event = (await driver.create(price=100).send(api)).json()["id"]
    privileged: dict[str, Any] = {"totalPrice": 0, "ticketNumbers": [400], "eventId": "x", "price": 0}
    for member, value in privileged.items():
        answer = await driver.write_once(event, **{member: value}).send(api)
        assert answer.status_code == 400 or answer.json()[member] != value
    buyer = {"name": "Ada", "email": "ada@example.com", "role": "admin"}
    assert (await driver.write_once(event, buyer=buyer).send(api)).status_code == 400


@pytest.mark.check(13)
@pytest.mark.parametrize("name", BODIES)
async def test_a_hostile_body_is_refused(driver: Driver, api: httpx.AsyncClient, name: str) -> None:
    call = driver.create()

    answer = await api.request(call.method, call.path, content=BODIES[name], headers=JSON)

    problem(answer, 400)


@pytest.mark.check(13)
@pytest.mark.parametrize("value", VALUES)
async def test_a_hostile_value_is_refused_by_its_pointer(driver: Driver, api: httpx.AsyncClient, value: str) -> None:
    call = driver.create(name="REPLACED")
    body = json.dumps(call.json).replace('"REPLACED"', VALUES[value])

    answer = await api.request(call.method, call.path, content=body.encode(), headers=JSON)

    assert f"/{driver.naming}" in {fault["pointer"] for fault in problem(answer, 400, "VALIDATION_FAILED")["errors"]}


@pytest.mark.check(13)
@pytest.mark.parametrize("media_type", TYPES)
async def test_a_body_of_another_type_is_refused(driver: Driver, api: httpx.AsyncClient, media_type: str) -> None:
    call = driver.create()

    answer = await api.request(
        call.method, call.path, content=json.dumps(call.json).encode(), headers={"content-type": media_type}
    )

    problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.check(13)
async def test_a_body_of_more_than_the_limit_is_refused_before_it_is_sent(
    driver: Driver, running: Service, api: httpx.AsyncClient, account: Account | None
) -> None:
    await driver.find().send(api)
    signed_in = "".join(f"{name}: {value}\r\n" for name, value in account.session.headers.items()) if account else ""
    head = f"POST {driver.create().path} HTTP/1.1\r\nhost: x\r\n{signed_in}content-type: application/json\r\n"

    problem(await raw(running, f"{head}content-length: {LIMIT + 1}\r\n\r\n".encode()), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.check(13)
async def test_a_body_of_less_than_the_limit_is_read(driver: Driver, api: httpx.AsyncClient) -> None:
    body = json.dumps(driver.create().json).encode().ljust(LIMIT)

    answer = await api.request("POST", driver.create().path, content=body, headers=JSON)

    assert answer.status_code == 201


@pytest.mark.check(13)
async def test_a_body_that_never_ends_is_cut_at_the_limit(driver: Driver, api: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65_536

    call = driver.create()
    try:
        answer = await api.request(call.method, call.path, content=endless(), headers=JSON)
    except httpx.TransportError:  # the connection was cut while the client was still sending
        return
    problem(answer, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.check(13)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=1e9", "limit=1&limit=2", "limit=", "cursor=x", "cursor=AAAA", "unknown=1"],
)
async def test_a_hostile_query_is_refused(driver: Driver, api: httpx.AsyncClient, query: str) -> None:
    problem(await api.get(f"{driver.find().path.partition('?')[0]}?{query}"), 400, "VALIDATION_FAILED")


@pytest.mark.check(13)
@pytest.mark.of("nest-typeorm")
@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "from=2030-01-01T00:00:00Z&from=2031-01-01T00:00:00Z",
        "to=2030-02-30T00:00:00Z",
        "to=2030-01-01",
        "available=maybe",
        "available=true&available=true",
        "q=",
        "q=%00",
        f"q={'a' * 101}",
        "q[a]=1",
    ],
)
async def test_a_hostile_filter_is_refused(api: httpx.AsyncClient, query: str) -> None:
    problem(await api.get(f"/events?{query}"), 400, "VALIDATION_FAILED")


@pytest.mark.check(13)
async def test_a_time_is_rfc_3339_with_any_offset_from_the_year_1000_to_9999(
    driver: Driver, api: httpx.AsyncClient
) -> None:
    if driver.at("2030-05-01T19:30:00Z") is None:
        assert "date-time" not in json.dumps(requests_of((await api.get("/openapi.json")).json()))
        return

    async def is_refused(time: str) -> bool:
        call = driver.at(time)
        assert call
        answer = await call.send(api)
        if answer.is_success:
            return False
        document = problem(answer)
        return document["code"] == "VALIDATION_FAILED" and "zone" in document["errors"][0]["message"]

    taken = [
        "1985-04-12T23:20:50.52Z",
        "2026-03-29T02:30:00+01:00",
        "3000-01-01T00:00:00-12:00",
        "1000-01-01T00:00:00Z",
    ]
    refused = ["0999-12-31T23:59:59Z", "0099-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "2030-02-30T00:00:00Z"]
    refused += ["2030-05-01T19:30:00", "2030-05-01", "+012030-05-01T19:30:00Z", "infinity", ""]
    assert [time for time in taken if await is_refused(time)] == []
    assert [time for time in refused if not await is_refused(time)] == []


def requests_of(document: dict[str, Any]) -> list[object]:
    """The parameters and bodies that an OpenAPI document describes, references resolved."""
    schemas = document["components"]["schemas"]

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(schemas[node["$ref"].rpartition("/")[2]])
        return {name: resolve(member) for name, member in node.items()}

    operations = [each for path in document["paths"].values() for each in path.values()]
    return [resolve([each.get("parameters"), each.get("requestBody")]) for each in operations]


@pytest.mark.check(13)
@pytest.mark.of("nest-typeorm")
@pytest.mark.parametrize("text", ["'; DROP TABLE events; --", "a & b | !c", "%", "\\", "a:*", "<->", "...", "'", "((("])
async def test_a_search_for_what_another_language_would_read_as_code_finds_nothing(
    driver: Driver, api: httpx.AsyncClient, text: str
) -> None:
    # PostgreSQL parses the search only if there is a row to compare it with.
    day = {"from": "2098-01-01T00:00:00Z", "to": "2098-01-02T00:00:00Z"}
    created = await driver.create(name="Quartets", venue="Hall", startsAt="2098-01-01T12:00:00Z").send(api)
    assert created.status_code == 201
    answer = await driver.find(q=text, **day).send(api)

    assert len((await driver.find(**day).send(api)).json()["data"]) > 0
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.check(13)
@pytest.mark.of("nest-typeorm")
@pytest.mark.parametrize(
    "changes",
    [
        {"capacity": 0},
        {"capacity": 1_000_001},
        {"capacity": 1.5},
        {"capacity": "10"},
        {"price": -1},
        {"price": 100_000_001},
        {"currency": "EURO"},
        {"currency": "eur"},
        {"startsAt": "2030-02-30T00:00:00Z"},
        {"startsAt": "2030-01-01"},
        {"startsAt": "+275760-09-13T00:00:00.001Z"},
        {"startsAt": 0},
        {"description": None},
    ],
    ids=str,
)
async def test_a_value_out_of_its_range_is_refused_by_its_pointer(
    driver: Driver, api: httpx.AsyncClient, changes: dict[str, object]
) -> None:
    faults = problem(await driver.create(**changes).send(api), 400, "VALIDATION_FAILED")["errors"]

    assert {fault["pointer"] for fault in faults} == {f"/{member}" for member in changes}


@pytest.mark.check(13)
@pytest.mark.of("nest-typeorm")
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"quantity": 0}, "/quantity"),
        ({"quantity": 11}, "/quantity"),
        ({"quantity": 1.5}, "/quantity"),
        ({"quantity": "1"}, "/quantity"),
        ({"buyer": None}, "/buyer"),
        ({"buyer": []}, "/buyer"),
        ({"buyer": {"name": "Ada"}}, "/buyer/email"),
        ({"buyer": {"name": "Ada", "email": "ada"}}, "/buyer/email"),
        ({"buyer": {"name": "A\u0000a", "email": "ada@example.com"}}, "/buyer/name"),
        ({"buyer": {"name": "Ada", "email": "ada@example.com\nbcc: all@example.com"}}, "/buyer/email"),
    ],
    ids=str,
)
async def test_a_purchase_that_is_not_valid_is_refused_by_its_pointer(
    driver: Driver, api: httpx.AsyncClient, changes: dict[str, Any], pointer: str
) -> None:
    event = (await driver.create().send(api)).json()["id"]

    faults = problem(await driver.write_once(event, **changes).send(api), 400, "VALIDATION_FAILED")["errors"]

    assert {fault["pointer"] for fault in faults} == {pointer}
    assert (await driver.read(event).send(api)).json()["sold"] == 0
