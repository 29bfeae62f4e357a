"""What every service promises about HTTP, beside the scorecard."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Call, Driver
from tests.conformance.problems import problem
from tests.conformance.processes import PATIENCE, Service
from tests.conformance.raw import response

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.mark.parametrize("given", ["a", "order-1.2_3", "A" * 128, "3f2c1d0e-9b8a-4c7d-8e6f-5a4b3c2d1e0f"])
async def test_a_request_id_that_is_well_formed_is_taken_over(api: httpx.AsyncClient, given: str) -> None:
    answer = await api.get("/nothing", headers={"x-request-id": given})

    assert answer.headers["x-request-id"] == given
    assert problem(answer, 404)["requestId"] == given


@pytest.mark.parametrize("given", ["", "-a", "a b", "a\tb", "A" * 129, '{"a":1}', "a,b", "ä"])
async def test_a_request_id_that_is_malformed_is_replaced(api: httpx.AsyncClient, given: str) -> None:
    answer = await api.get("/nothing", headers={b"x-request-id": given.encode()})

    assert UUID.fullmatch(answer.headers["x-request-id"])
    assert problem(answer, 404)["requestId"] == answer.headers["x-request-id"]


async def test_every_answer_has_a_request_id_of_its_own(driver: Driver, api: httpx.AsyncClient) -> None:
    answers = [await driver.find().send(api) for _ in range(3)]
    answers += [await api.get(path) for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json")]

    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_security_headers_are_on_every_answer(driver: Driver, api: httpx.AsyncClient) -> None:
    for call in (driver.find(), driver.create(), Call("GET", "/docs"), Call("GET", "/nothing")):
        headers = (await call.send(api)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert re.match(r"default-src '(self|none)';", headers["content-security-policy"])
        assert headers["x-frame-options"] in ("SAMEORIGIN", "DENY")
        assert "max-age=" in headers["strict-transport-security"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "x-powered-by" not in headers
        assert "server" not in headers


async def test_browsers_may_call_from_the_listed_origins_alone(
    driver: Driver, start_service: StartService, client: Client
) -> None:
    api = client(start_service(CORS_ORIGINS="https://app.example.com, https://admin.example.com:8443"))
    call = driver.change(str(uuid.uuid4()), 1)
    for origin in ("https://app.example.com", "https://admin.example.com:8443"):
        asked = {"origin": origin, "access-control-request-method": call.method}
        preflight = await api.options(call.path, headers=asked)
        assert preflight.status_code in (200, 204)
        assert preflight.headers["access-control-allow-origin"] == origin
        assert call.method in preflight.headers["access-control-allow-methods"]
        answer = await api.request("GET", driver.find().path, headers={"origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in answer.headers["vary"].lower()
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"etag", "location", "retry-after", "x-request-id"} <= set(re.split(r",\s*", exposed))
    for origin in ("https://example.com", "http://app.example.com", "https://app.example.com.evil.test", "null"):
        answer = await api.request("GET", driver.find().path, headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


async def test_without_a_list_no_origin_is_allowed(driver: Driver, api: httpx.AsyncClient) -> None:
    answer = await api.request("GET", driver.find().path, headers={"origin": "https://app.example.com"})

    assert "access-control-allow-origin" not in answer.headers


async def test_options_without_a_preflight_is_no_error(driver: Driver, api: httpx.AsyncClient) -> None:
    assert (await api.options(driver.find().path)).is_success


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    driver: Driver, running: Service, start_service: StartService, client: Client
) -> None:
    await driver.find().send(client(running))  # whoever has to sign up does it elsewhere
    own = driver.apart(f"test-{uuid.uuid4().hex}")  # where processes count together, nobody else does
    api = client(start_service(**own, RATE_LIMIT_MAX="5", RATE_LIMIT_WINDOW_SECONDS="60"))

    answers = [await driver.find().send(api) for _ in range(5)]
    refused = await driver.find().send(api)

    # A service may have budgets besides, of users for instance.
    remaining = [re.match(r'"default";r=(\d+);t=(\d+)(?:, |$)', answer.headers["ratelimit"]) for answer in answers]
    assert [int(match[1]) for match in remaining if match] == [4, 3, 2, 1, 0]
    assert {answer.headers["ratelimit-policy"].split(", ")[0] for answer in answers} == {'"default";q=5;w=60'}
    problem(refused, 429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert not [name for name in refused.headers if name.startswith("x-ratelimit")]
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert (await api.get(path)).status_code == 200
    spoofed = await api.get(driver.find().path, headers={"x-forwarded-for": "203.0.113.7"})
    problem(spoofed, 429, "RATE_LIMITED")


async def test_behind_a_trusted_proxy_each_client_has_its_own_budget(
    driver: Driver, running: Service, start_service: StartService, client: Client
) -> None:
    await driver.find().send(client(running))
    own = driver.apart(f"test-{uuid.uuid4().hex}")
    api = client(start_service(**own, RATE_LIMIT_MAX="1", TRUST_PROXY="127.0.0.1"))

    statuses = [
        (await api.get(driver.find().path, headers={"x-forwarded-for": address})).status_code
        for address in ("203.0.113.7", "203.0.113.8", "203.0.113.7", "198.51.100.1, 203.0.113.8")
    ]

    # Of a list, the address that the trusted proxy saw counts, not what the client claims.
    assert statuses == [200, 200, 429, 429]


async def test_an_overloaded_process_sheds_load_and_still_answers_probes(
    driver: Driver, running: Service, start_service: StartService, client: Client
) -> None:
    await driver.find().send(client(running))
    service = start_service(MAX_EVENT_LOOP_DELAY_MS="5")
    api = client(service)

    # Held up, not flooded: how much work makes a process late is a matter of the machine.
    shed: list[httpx.Response] = []
    async with asyncio.timeout(PATIENCE):
        while not shed:
            service.hold_up(seconds=1)
            for _ in range(30):  # the delay is looked at once per second
                answer = await driver.create().send(api)
                assert answer.status_code in {201, 503}
                shed += [answer] if answer.status_code == 503 else []
                await asyncio.sleep(0.05)

    for answer in shed:
        problem(answer, 503, "OVERLOADED")
        assert int(answer.headers["retry-after"]) >= 1
    assert service.liveness() == 200
    assert service.readiness() == 200


async def test_health_names_each_dependency_with_its_status_and_latency(api: httpx.AsyncClient) -> None:
    live, ready = await api.get("/health/live"), await api.get("/health/ready")

    assert live.json() == {"status": "ok"}
    assert ready.json()["status"] == "ok"
    for dependency in ready.json()["details"].values():
        assert dependency["status"] == "up"
        assert dependency["responseTime"] >= 0
    assert {answer.headers["cache-control"] for answer in (live, ready)} == {"no-store"}


async def test_the_documentation_is_served_complete_under_its_own_security_policy(api: httpx.AsyncClient) -> None:
    page = await api.get("/docs")

    assert page.headers["content-type"].startswith("text/html")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert assets
    for asset in assets:
        found = await api.get(str(page.url.join(asset)))
        assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff"), asset
    # `script-src 'self'` runs no script that stands in the page.
    assert not re.search(r"<script>|<script(?![^>]*\bsrc=)", page.text)


@pytest.mark.of("fastify-bun", "nest-drizzle", "nest-prisma", "next-supabase")
async def test_nothing_behind_a_login_is_stored_by_caches(
    driver: Driver, api: httpx.AsyncClient, running: Service
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    calls = (driver.create(), driver.read(resource), driver.find(), driver.change(resource, 1, name="x"))
    answers = [await call.send(api) for call in calls]
    answers.append(await driver.read(str(uuid.uuid4())).send(api))
    async with httpx.AsyncClient(base_url=running.url) as stranger:
        answers.append(await driver.find().send(stranger))

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 404, 401]
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * len(answers)


async def test_idle_connections_stay_open_for_as_long_as_is_set(running: Service, start_service: StartService) -> None:
    impatient = start_service(KEEP_ALIVE_TIMEOUT_MS="1000")
    connections = [
        await asyncio.open_connection("127.0.0.1", httpx.URL(each.url).port) for each in (running, impatient)
    ]
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    for reader, writer in connections:
        writer.write(request)
        assert (await response(reader)).status_code == 200

    # If the setting had no effect, that of `running`, which was idle first, would be closed first.
    [(kept, writer), (closed, _)] = connections
    async with asyncio.timeout(PATIENCE):
        assert await closed.read() == b""
    writer.write(request)
    assert (await response(kept)).status_code == 200
    for _, each in connections:
        each.close()


async def test_a_body_is_json_in_utf_8_or_none(driver: Driver, api: httpx.AsyncClient) -> None:
    call = driver.create()
    headers = {"content-type": "application/json"}
    text = json.dumps(call.json, ensure_ascii=False)

    broken = text.encode().replace(b"{", b'{"x": "\xe9\xff", ', 1)
    problem(await api.request(call.method, call.path, content=broken, headers=headers), 400, "MALFORMED_JSON")
    empty = await api.request(call.method, call.path, content=b"", headers=headers)
    assert problem(empty)["status"] == 400
    resource = (await call.send(api)).json()["id"]
    version = {"if-match": "*"}
    removal = await api.request("DELETE", driver.read(resource).path, content=b"", headers=headers | version)
    assert removal.status_code in {204, 405}


async def test_what_was_created_is_where_the_answer_says(driver: Driver, api: httpx.AsyncClient) -> None:
    created = await driver.create().send(api)

    assert created.status_code == 201
    found = await api.get(created.headers["location"])
    assert found.json() == created.json()
    assert found.headers["etag"] == created.headers["etag"] == '"1"'


async def test_what_a_client_has_already_is_not_sent_again(driver: Driver, api: httpx.AsyncClient) -> None:
    created = await driver.create().send(api)
    path = created.headers["location"]
    for held in ('"1"', 'W/"1"', '"7", "1"', "*"):
        answer = await api.get(path, headers={"if-none-match": held})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
    for held in ('"2"', "1", '"11"'):
        assert (await api.get(path, headers={"if-none-match": held})).json() == created.json()


async def test_of_two_who_change_the_same_version_one_is_told_to_read_again(
    driver: Driver, processes: tuple[Service, Service], client: Client
) -> None:
    apis = [client(process) for process in processes]
    resource = (await driver.create().send(apis[0])).json()["id"]

    answers = await asyncio.gather(*(driver.change(resource, 1, name=f"name {n}").send(apis[n % 2]) for n in range(20)))

    [winner] = [answer for answer in answers if answer.status_code == 200]
    assert winner.headers["etag"] == '"2"'
    for answer in answers:
        assert answer is winner or problem(answer, 412, "VERSION_CONFLICT")
    assert (await driver.read(resource).send(apis[1])).json() == winner.json()


async def test_a_change_needs_the_version_that_it_is_meant_for(driver: Driver, api: httpx.AsyncClient) -> None:
    resource = (await driver.create().send(api)).json()
    call = driver.change(resource["id"], 1, name="changed")

    problem(await Call(call.method, call.path, call.json).send(api), 428, "PRECONDITION_REQUIRED")
    others = ('"one"', '""', '"99999999999999999999"', 'W/"2"', '"2", "3"')
    for malformed in ("1", '"1'):
        problem(await Call(call.method, call.path, call.json, {"if-match": malformed}).send(api), 400)
    problem(await driver.change(resource["id"], 2, name="changed").send(api), 412, "VERSION_CONFLICT")
    for other in others:
        stale = await Call(call.method, call.path, call.json, {"if-match": other}).send(api)
        problem(stale, 412, "VERSION_CONFLICT")
    assert (await driver.read(resource["id"]).send(api)).json() == resource
    for version, current in enumerate(('W/"1"', '"7", "2"', "*"), start=2):
        changed = await Call(call.method, call.path, call.json, {"if-match": current}).send(api)
        assert (changed.status_code, changed.headers["etag"]) == (200, f'"{version}"')


@pytest.mark.of("nest-typeorm")
async def test_a_capacity_is_never_less_than_what_is_sold(driver: Driver, api: httpx.AsyncClient) -> None:
    event = (await driver.create(capacity=10).send(api)).json()["id"]
    await driver.write_once(event, quantity=5).send(api)

    refused = problem(await driver.change(event, 1, capacity=4).send(api), 409, "CAPACITY_BELOW_SOLD")
    full = (await driver.change(event, 1, capacity=5).send(api)).json()

    assert refused["sold"] == 5
    assert (full["capacity"], full["sold"], full["available"]) == (5, 5, 0)
    problem(await driver.write_once(event).send(api), 409, "SOLD_OUT")
    more = (await driver.change(event, 2, capacity=6).send(api)).json()
    assert more["available"] == 1
    assert (await driver.write_once(event).send(api)).json()["ticketNumbers"] == [6]


@pytest.mark.of("nest-typeorm")
async def test_a_list_is_complete_and_without_repetition_while_events_are_added(
    driver: Driver, api: httpx.AsyncClient
) -> None:
    # A time of its own in the far future, in which no other test has events.
    begin = datetime(2500, 1, 1, tzinfo=UTC) + timedelta(seconds=uuid.uuid4().int % 10**9)
    window = {"from": begin.isoformat(), "to": (begin + timedelta(minutes=1)).isoformat()}
    # Pairs start at the same time, so that pages end between equals.
    starts = [begin + timedelta(seconds=second) for second in range(10) for _ in range(2)]
    expected = {(await driver.create(startsAt=start.isoformat()).send(api)).json()["id"] for start in starts}

    seen: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await driver.find(limit=3, **window, **({"cursor": cursor} if cursor else {})).send(api)).json()
        seen += page["data"]
        cursor = page["page"]["nextCursor"]
        # Before what was read, and among what was not.
        for start in (begin, begin + timedelta(seconds=9)):
            if cursor is not None:
                await driver.create(startsAt=start.isoformat()).send(api)

    ids = [event["id"] for event in seen]
    assert len(set(ids)) == len(ids)
    assert expected <= set(ids)
    assert [(event["startsAt"], event["id"]) for event in seen] == sorted((e["startsAt"], e["id"]) for e in seen)


@pytest.mark.of("nest-typeorm")
async def test_a_list_is_filtered_by_time_words_and_what_is_left(driver: Driver, api: httpx.AsyncClient) -> None:
    word = f"w{uuid.uuid4().hex}"
    early = (await driver.create(name=f"Jazz {word}", startsAt="2098-03-01T00:00:00Z").send(api)).json()["id"]
    late = (await driver.create(venue=f"{word} hall", startsAt="2098-04-01T00:00:00Z", capacity=1).send(api)).json()[
        "id"
    ]
    await driver.write_once(late).send(api)

    async def found(**query: object) -> list[str]:
        answer = await driver.find(q=word, **query).send(api)
        return [event["id"] for event in answer.json()["data"]]

    assert await found() == [early, late]
    assert await found(available="true") == [early]
    assert await found(available="false") == [late]
    assert await found(**{"from": "2098-04-01T00:00:00Z"}) == [late]
    assert await found(to="2098-04-01T00:00:00Z") == [early]
    beginning = await driver.find(q=f"jaz {word[:30]}").send(api)
    assert [event["id"] for event in beginning.json()["data"]] == [early]


@pytest.mark.of("nest-typeorm")
async def test_no_answer_reads_a_buyer_back_and_no_line_of_the_log_does(
    driver: Driver, api: httpx.AsyncClient, running: Service
) -> None:
    resource = (await driver.create().send(api)).json()["id"]
    mark = f"buyer{uuid.uuid4().hex}"
    buyer = {"name": mark, "email": f"{mark}@example.com"}

    answers = [await driver.write_once(resource, buyer=buyer).send(api)]
    answers += [await driver.write_once(resource, buyer=buyer | {"email": f"{mark} at example.com"}).send(api)]
    answers += [await driver.read(resource).send(api), await driver.find().send(api)]

    assert [answer.status_code for answer in answers] == [201, 400, 200, 200]
    assert not [answer.text for answer in answers if mark in answer.text]
    assert mark not in running.log_file.read_text()
