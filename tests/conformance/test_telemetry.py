"""One request is one trace, from its headers to the database and the log; dashboards show metrics that exist."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conformance.collector import Collector, Span
from tests.conformance.conftest import Client, StartService
from tests.conformance.drivers import Call, Driver
from tests.conformance.processes import Service, eventually

pytestmark = pytest.mark.check(40)

BY_PROMETHEUS = {"up"}
"""Metrics that Prometheus itself makes."""


@pytest.fixture
def traced(collector: Collector, start_service: StartService) -> Service:
    """A service that sends its traces to the collector."""
    return start_service(**collector.settings)


async def test_a_request_has_one_trace_id_in_the_spans_of_http_and_database_and_in_the_log(
    driver: Driver, traced: Service, collector: Collector, client: Client
) -> None:
    api = client(traced)
    resource = (await driver.create().send(api)).json()["id"]

    async def leaves_one_trace(call: Call) -> None:
        trace, parent, request = uuid.uuid4().hex, uuid.uuid4().hex[:16], f"request-{uuid.uuid4()}"

        answer = await with_headers(call, traceparent=f"00-{trace}-{parent}-01", **{"x-request-id": request}).send(api)

        assert answer.status_code < 300
        server, _ = await asyncio.to_thread(eventually, "both spans", lambda: both(collector.spans, trace))
        assert server.parent_id == parent
        assert server.name.startswith(f"{call.method} /")
        lines = [line for line in traced.log() if line.get("requestId") == request]
        assert {line["traceId"] for line in lines} == {trace}

    for call in (driver.read(resource), driver.find(), driver.write_once(resource, f"key-{uuid.uuid4()}")):
        await leaves_one_trace(call)


@pytest.mark.of("nest-drizzle")
async def test_a_request_its_event_and_its_job_have_one_trace_id_in_spans_and_log(
    driver: Driver, own_database: dict[str, str], start_service: StartService, collector: Collector, client: Client
) -> None:
    service = start_service(**own_database, **collector.settings)
    api = client(service)
    project = (await driver.create().send(api)).json()["id"]
    trace = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace}-{uuid.uuid4().hex[:16]}-01"}

    export = (await Call("POST", f"/projects/{project}/exports", headers=headers).send(api)).json()["id"]

    def kinds() -> bool:
        own = [span for span in collector.spans if span.trace_id == trace]
        return {"POST /projects/:projectId/exports", "tasks exportProject"} <= {span.name for span in own}

    await asyncio.to_thread(eventually, "the spans of the request and of its job", kinds)
    done = await asyncio.to_thread(
        eventually, "the line of the job", lambda: [line for line in service.log() if line["msg"] == "job done"]
    )
    assert [line["traceId"] for line in done if line["jobId"].endswith(export)] == [trace]
    parents = {span.parent_id for span in collector.spans if span.trace_id == trace}
    spans = {span.span_id for span in collector.spans if span.trace_id == trace}
    assert len(parents & spans) >= 2, "the job's database work is part of the job's span"


async def test_requests_that_share_a_transaction_keep_their_own_traces(
    driver: Driver, traced: Service, client: Client
) -> None:
    api = client(traced)
    resource = (await driver.create().send(api)).json()["id"]
    requests = {f"request-{uuid.uuid4()}": uuid.uuid4().hex for _ in range(20)}

    await asyncio.gather(
        *(
            with_headers(
                driver.write_once(resource), traceparent=f"00-{trace}-{'1' * 16}-01", **{"x-request-id": request}
            ).send(api)
            for request, trace in requests.items()
        )
    )

    lines = await asyncio.to_thread(
        eventually,
        "a line per request",
        lambda: found if len(found := lines_of(traced, requests)) == len(requests) else None,
    )
    assert {line["requestId"]: line["traceId"] for line in lines} == requests


async def test_a_request_without_a_trace_begins_one(
    driver: Driver, traced: Service, collector: Collector, client: Client
) -> None:
    api = client(traced)
    request = f"request-{uuid.uuid4()}"

    await with_headers(driver.find(), **{"x-request-id": request}).send(api)

    [line] = await asyncio.to_thread(eventually, "its line", lambda: lines_of(traced, {request}) or None)
    server, _ = await asyncio.to_thread(eventually, "its spans", lambda: both(collector.spans, line["traceId"]))
    assert server.parent_id == ""
    assert re.fullmatch(r"[0-9a-f]{32}", line["traceId"])


@pytest.mark.of("nest-typeorm", "nest-drizzle", "fastify-bun")
async def test_a_credential_in_an_unknown_path_is_in_no_span(
    traced: Service, collector: Collector, client: Client
) -> None:
    trace, secret = uuid.uuid4().hex, uuid.uuid4().hex
    call = with_headers(Call("GET", f"/reset/{secret}"), traceparent=f"00-{trace}-{'1' * 16}-01")

    assert (await call.send(client(traced))).status_code == 404

    [span] = await asyncio.to_thread(
        eventually, "its span", lambda: [span for span in collector.spans if span.trace_id == trace] or None
    )
    assert span.attributes["url.path"] == "/reset/[redacted]"
    assert secret not in b"".join(collector.bodies).decode()


async def test_without_an_endpoint_nothing_is_traced(driver: Driver, api: httpx.AsyncClient, running: Service) -> None:
    request = f"request-{uuid.uuid4()}"

    await with_headers(driver.find(), **{"x-request-id": request}).send(api)

    [line] = await asyncio.to_thread(eventually, "its line", lambda: lines_of(running, {request}) or None)
    assert "traceId" not in line


async def test_every_metric_and_label_of_the_dashboards_and_alerts_exists(
    driver: Driver, api: httpx.AsyncClient, running: Service, folder: Path
) -> None:
    # What nobody has asked for yet has no samples.
    await driver.exercise(api)
    await Call("GET", "/no").send(api)
    exposed = running.metrics()

    expressions = list(dashboard_expressions(folder)) + list(alert_expressions(folder))
    assert len(expressions) >= 10
    wanted = {metric for expression in expressions for metric in metrics_of(expression)} - BY_PROMETHEUS
    assert wanted
    missing = {metric for metric in wanted if not re.search(rf"^{metric}[ {{]", exposed, re.MULTILINE)}
    assert not missing
    for expression in expressions:
        for metric, labels in selectors_of(expression):
            for label in labels - {"job", "instance"}:
                assert re.search(rf'^{metric}{{[^}}]*\b{label}="', exposed, re.MULTILINE), f"{label} in {expression}"


def test_metrics_are_prometheus_text_with_the_semantic_names(running: Service) -> None:
    answer = httpx.get(f"{running.url}/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE http_server_request_duration_seconds histogram" in answer.text
    unknown = httpx.get(f"{running.url}/{uuid.uuid4()}")
    assert unknown.status_code == 404
    assert str(unknown.request.url.path) not in running.metrics()


async def test_the_log_has_one_line_of_json_per_request_and_no_query_in_it(
    driver: Driver, api: httpx.AsyncClient, running: Service
) -> None:
    request = f"request-{uuid.uuid4()}"
    path = driver.find().path.partition("?")[0]

    await Call("GET", f"{path}?limit=1", headers={"x-request-id": request}).send(api)

    [line] = await asyncio.to_thread(eventually, "its line", lambda: lines_of(running, {request}) or None)
    assert (line["method"], line["path"], line["route"], line["status"]) == ("GET", path, path, 200)
    assert line["durationMs"] > 0
    for other in running.log():
        assert {"level", "time", "msg"} <= other.keys(), other


def with_headers(call: Call, **headers: str) -> Call:
    return Call(call.method, call.path, call.json, {**call.headers, **headers})


def both(spans: list[Span], trace: str) -> tuple[Span, list[Span]] | None:
    """The span of the HTTP server and those of the database within a trace, once they have arrived."""
    own = [span for span in spans if span.trace_id == trace]
    inner = {span.span_id for span in own}  # Next.js has spans of its own that know the route, within the server's
    server = [span for span in own if "http.route" in span.attributes and span.parent_id not in inner]
    database = [span for span in own if "db.system" in span.attributes or "db.system.name" in span.attributes]
    return (server[0], database) if server and database else None


def lines_of(service: Service, requests: Any) -> list[dict[str, Any]]:
    """The line that closes each of some requests."""
    return [line for line in service.log() if line.get("requestId") in requests and line["msg"] == "request"]


def dashboard_expressions(folder: Path) -> Iterator[str]:
    for file in (folder / "deploy/observability/grafana/dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield target["expr"]


def alert_expressions(folder: Path) -> Iterator[str]:
    rules = yaml.safe_load((folder / "deploy/observability/prometheus/alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def selectors_of(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of an expression that are selected by labels, and these labels."""
    for metric, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", expression):
        yield metric, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))


def metrics_of(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression: what is neither a function, a keyword, a label nor a number."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", bare)
    return set(names) - {"and", "or", "unless", "bool", "offset", "inf", "nan"}
