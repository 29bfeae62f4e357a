"""The OpenAPI document and the service say the same, whatever is sent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.drivers import Account, Driver
from tests.conformance.processes import Service, environment

# Left out: `positive_data_acceptance` (no schema can say which cursors and versions exist) and `unsupported_method`
# (a router may answer 404 to a method that it does not know).
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)

EXAMPLES = 1_400
"""About how many requests are made up in each phase, for all operations together."""


@pytest.mark.check(11)
async def test_schemathesis_finds_no_5xx_and_no_response_outside_the_document(
    driver: Driver, api: httpx.AsyncClient, running: Service, account: Account | None, tmp_path: Path
) -> None:
    await driver.find().send(api)
    own = account.session.headers if account else {}
    described = document(running)
    for operation in operations_of(described):
        # What every request is sent with is no matter of chance.
        operation["parameters"] = [one for one in operation.get("parameters", []) if one["name"].lower() not in own]
    (tmp_path / "schemathesis.toml").write_text(settings(described))
    last = {path: taken for path, methods in described["paths"].items() if (taken := ending(driver, path, methods))}
    assert sum(len(methods) for methods in last.values()) == len(driver.endings)
    await asyncio.to_thread(make_up_requests, described, running, own, tmp_path)
    # Had a request ended the session, all that came after it would have proved nothing.
    assert (await driver.find().send(api)).status_code == 200
    if last:
        await asyncio.to_thread(make_up_requests, {**described, "paths": last}, running, own, tmp_path)


def settings(described: dict[str, Any]) -> str:
    """Schemathesis's own: what it must not take for a fault."""
    # A stream of events may have no end: what its first one shows is enough.
    lines = ["max-stream-events = 1", ""]
    # A header that nobody knows is none (RFC 9110, 5.1); unknown query parameters have a test of their own.
    lines += ["[generation]", "allow-extra-parameters = false"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            # An upstream that cannot be reached is none where the document says that one is asked.
            if {"502", "504"} & operation["responses"].keys():
                away = sorted({"502", "503", "504"} & operation["responses"].keys())
                lines += ["", "[[operations]]", f'include-name = "{method.upper()} {path}"']
                statuses = json.dumps(["2xx", "3xx", "4xx", *away])
                lines += ["[operations.checks.not_a_server_error]", f"expected-statuses = {statuses}"]
    return "\n".join(lines) + "\n"


def ending(driver: Driver, path: str, methods: dict[str, Any]) -> dict[str, Any]:
    """Takes the operations out of a path with which its caller's session ends."""
    return {method: methods.pop(method) for method in list(methods) if (method.upper(), path) in driver.endings}


def make_up_requests(described: dict[str, Any], running: Service, headers: Mapping[str, str], folder: Path) -> None:
    (folder / "openapi.json").write_text(json.dumps(described))
    operations = len(list(operations_of(described)))
    result = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            "openapi.json",
            f"--url={running.url}",
            f"--checks={','.join(CHECKS)}",
            "--generation-deterministic",
            # Whoever mends the document wants to see some; that a mutant is killed takes one.
            f"--max-failures={1 if 'CONFORMANCE_SERVICE' in os.environ else 5}",
            f"--max-examples={max(30, min(60, EXAMPLES // operations))}",
            "--warnings=off",
            # How long it takes to make a request up says more of this machine than of the document.
            "--suppress-health-check=too_slow",
            "--no-color",
            *(f"--header={name}: {value}" for name, value in headers.items()),
        ],
        cwd=folder,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{operations} selected / {operations} total" in result.stdout


@pytest.mark.check(11)
def test_every_operation_documents_the_answers_that_any_may_give(running: Service) -> None:
    for path, operations in document(running)["paths"].items():
        for method, operation in operations.items():
            missing = {"429", "500", "503"} - operation["responses"].keys()
            assert not missing, f"{method} {path} leaves out {missing}"
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"


@pytest.mark.check(11)
def test_the_committed_document_is_the_one_that_is_served(folder: Path, running: Service) -> None:
    assert json.loads((folder / "openapi.json").read_text()) == document(running)


def operations_of(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in described["paths"].values():
        yield from path.values()


def document(service: Service) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{service.url}/openapi.json").json()
    assert str(answer["openapi"]).startswith("3.1.")
    return answer
