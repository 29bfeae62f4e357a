"""Trackings at Google: clients ask, jobs do, and what a tracking says is what Google has confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Call
from tests.conformance.drivers.nest_prisma import API, NestPrisma
from tests.conformance.google import Fault, Google
from tests.conformance.problems import problem
from tests.conformance.processes import eventually

pytestmark = pytest.mark.of("nest-prisma")

WORKING = {"WORKER_IN_API": "true"}
MUTATIONS = "/v26/customers/1234567890/conversionActions:mutate"
REFUSAL = Fault(403, {"error": {"code": 403, "errors": [{"reason": "insufficientPermissions"}]}})

EDIT = {"name": "Buy", "kind": "BUTTON_CLICK", "selector": "#buy"}
PAUSE = {"status": "PAUSED"}
DELETE = None
CHANGES = pytest.mark.parametrize("change", [EDIT, PAUSE, DELETE], ids=["edit", "pause", "delete"])


@pytest.fixture
def google(driver: NestPrisma) -> Iterator[Google]:
    driver.google.calls.clear()
    yield driver.google
    driver.google.faults.clear()
    driver.google.latency = 0


@pytest.fixture
def working(own_database: dict[str, str], start_service: StartService, client: Client) -> httpx.AsyncClient:
    """A service that runs jobs."""
    return client(start_service(**own_database, **WORKING))


async def draft(driver: NestPrisma, api: httpx.AsyncClient) -> dict[str, Any]:
    customer = (await driver.create().send(api)).json()["id"]
    tracking: dict[str, Any] = (await driver.write_once(customer).send(api)).json()
    return tracking


async def set_up(driver: NestPrisma, api: httpx.AsyncClient) -> dict[str, Any]:
    tracking = await draft(driver, api)
    answer = await driver.set_up(tracking["id"], await driver.connect(api)).send(api)
    assert (await finished(api, answer))["status"] == "SUCCEEDED"
    active: dict[str, Any] = (await api.get(f"{API}/trackings/{tracking['id']}")).json()
    assert active["status"] == "ACTIVE"
    return active


def changing(tracking: dict[str, Any], change: dict[str, str] | None) -> Call:
    method = "DELETE" if change is None else "PATCH"
    return Call(method, f"{API}/trackings/{tracking['id']}", change, {"if-match": f'"{tracking["version"]}"'})


async def finished(api: httpx.AsyncClient, accepted: httpx.Response) -> dict[str, Any]:
    assert accepted.status_code == 202, accepted.text
    for _ in range(900):
        operation: dict[str, Any] = (await api.get(accepted.headers["location"])).json()
        if operation["finishedAt"] is not None:
            return operation
        await asyncio.sleep(0.1)
    raise AssertionError(operation)


def at_google(google: Google, tracking: dict[str, Any]) -> dict[str, list[Any]]:
    """What a visitor of the web site gets of a tracking, and what Google Ads counts."""
    tags = google.tag_manager.published("tags", tracking["id"])
    triggers = google.tag_manager.published("triggers", tracking["id"])
    return {
        "tags": [(tag["name"], tag.get("paused", False)) for tag in tags],
        "triggers": [(trigger["type"], str(trigger.get("filter", ""))) for trigger in triggers],
        "actions": [(action["name"], action["status"]) for action in google.ads.of(tracking["id"])],
    }


def versions(google: Google, tracking: dict[str, Any]) -> list[str]:
    """The versions that operations of a tracking have made."""
    entities = google.tag_manager.entities.items()
    return [path for path, each in entities if "/versions/" in path and tracking["id"] in each["name"]]


async def confirmed(
    api: httpx.AsyncClient, google: Google, tracking: dict[str, Any], change: dict[str, str] | None
) -> None:
    """Google has a change, and the tracking says so."""
    answer = await api.get(f"{API}/trackings/{tracking['id']}")
    has = at_google(google, tracking)
    if change is None:
        assert answer.status_code == 404
        assert has == {"tags": [], "triggers": [], "actions": []}
        return
    assert answer.json() | change == answer.json()
    is_paused = change == PAUSE
    name = f"{answer.json()['name']} ({tracking['id']})"
    assert has["tags"] == [(name, is_paused)]
    assert has["actions"] == [(name, "HIDDEN" if is_paused else "ENABLED")]
    [(kind, selector)] = has["triggers"]
    assert (kind == "click" and "#buy" in selector) or change != EDIT


@pytest.mark.check(12)
async def test_a_status_that_only_google_confirms_cannot_be_written(driver: NestPrisma, api: httpx.AsyncClient) -> None:
    tracking = await draft(driver, api)
    for status in ("ACTIVE", "PAUSED"):
        problem(await changing(tracking, {"status": status}).send(api), 409, "TRACKING_NOT_SET_UP")
    for status in ("DRAFT", "SETTING_UP", "FAILED"):
        problem(await changing(tracking, {"status": status}).send(api), 400)
    assert (await api.get(f"{API}/trackings/{tracking['id']}")).json() == tracking
    assert (await changing(tracking, {"name": "Other"}).send(api)).status_code == 200


@CHANGES
@pytest.mark.check(34)
async def test_google_has_each_change_of_a_tracking_before_the_service_reports_it(
    driver: NestPrisma, working: httpx.AsyncClient, google: Google, change: dict[str, str] | None
) -> None:
    tracking = await set_up(driver, working)
    google.faults[MUTATIONS] = [
        Fault(503, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
        Fault(429, {}, {"retry-after": "3"}),
    ]
    google.calls.clear()

    accepted = await changing(tracking, change).send(working)

    assert (await working.get(f"{API}/trackings/{tracking['id']}")).json() == tracking, "Google has nothing of it yet"
    problem(await changing(tracking, {"name": "Third"}).send(working), 409, "TRACKING_SETUP_RUNNING")
    operation = await finished(working, accepted)
    assert operation["status"] == "SUCCEEDED", operation
    _, asked_to_wait, later, *_ = [call.at for call in google.calls if call.path == MUTATIONS]
    assert later - asked_to_wait >= 3
    await confirmed(working, google, tracking, change)


@CHANGES
@pytest.mark.check(34)
async def test_a_change_that_google_refuses_is_taken_back(
    driver: NestPrisma, working: httpx.AsyncClient, google: Google, change: dict[str, str] | None
) -> None:
    tracking = await set_up(driver, working)
    before = at_google(google, tracking)
    google.faults[MUTATIONS] = [REFUSAL]

    operation = await finished(working, await changing(tracking, change).send(working))

    assert (operation["status"], operation["failure"]) == ("FAILED", "GOOGLE_REQUEST_REFUSED")
    assert at_google(google, tracking) == before
    assert (await working.get(f"{API}/trackings/{tracking['id']}")).json() == tracking
    letters = (await working.get(f"{API}/dead-letters")).json()["data"]
    [letter] = [letter for letter in letters if letter["subjectId"] == operation["id"]]
    requeued = await Call("POST", f"{API}/dead-letters/{letter['id']}/requeue").send(working)
    assert requeued.status_code == 202
    location = httpx.Response(202, headers={"location": f"{API}/tracking-setups/{operation['id']}"})
    assert (await finished(working, location))["status"] == "SUCCEEDED"
    await confirmed(working, google, tracking, change)


@CHANGES
@pytest.mark.check(28)
async def test_a_change_whose_worker_is_killed_is_made_by_another_with_one_effect(
    driver: NestPrisma,
    own_database: dict[str, str],
    start_service: StartService,
    client: Client,
    google: Google,
    change: dict[str, str] | None,
) -> None:
    api = client(start_service(**own_database))
    doomed = start_service(**own_database, **WORKING)
    tracking = await set_up(driver, api)
    before = len(versions(google, tracking))
    google.calls.clear()

    accepted = await changing(tracking, change).send(api)

    def publishing() -> bool:
        return any(call.path.endswith(":create_version") for call in google.calls)

    google.latency = 0.3
    await asyncio.to_thread(eventually, "the worker makes a version", publishing)
    google.latency = 4  # it hears of nothing that follows
    doomed.process.kill()
    doomed.process.wait()
    google.latency = 0
    assert (await api.get(f"{API}/trackings/{tracking['id']}")).json() == tracking

    start_service(**own_database, **WORKING)

    operation = await finished(api, accepted)
    assert operation["status"] == "SUCCEEDED", operation
    await confirmed(api, google, tracking, change)
    assert len(versions(google, tracking)) == before + 1
    audit = (await api.get(f"{API}/audit-log?entityId={tracking['id']}")).json()["data"]
    assert len([line for line in audit if line["action"] in ("tracking.updated", "tracking.deleted")]) == 1
