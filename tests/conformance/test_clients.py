"""Tools of others read the OpenAPI document: linters find no error, and generated clients compile and work."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.drivers import Account, Driver
from tests.conformance.linters import install_node, provide
from tests.conformance.processes import Service, environment

pytestmark = pytest.mark.check(60)

MANIFESTS = [Path(__file__).parent / "clients" / name for name in ("package.json", "package-lock.json")]
ROUND_TRIP = Path(__file__).parent / "clients" / "round-trip.cjs"
STRICT = ["--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"]


class Tools:
    """Linters of documents and generators of clients, run in a folder that has `openapi.json`."""

    def __init__(self, folder: Path) -> None:
        self._bin = provide("clients", MANIFESTS, install_node) / "node_modules" / ".bin"
        self._folder = folder

    def run(self, name: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        result = subprocess.run(
            [self._bin / name, *arguments],
            cwd=self._folder,
            env=environment({"CI": "true", "REDOCLY_TELEMETRY": "off"}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode in codes, result.stdout + result.stderr
        return result.stdout


@pytest.fixture
def tools(running: Service, tmp_path: Path) -> Tools:
    (tmp_path / "openapi.json").write_text(httpx.get(f"{running.url}/openapi.json").text)
    return Tools(tmp_path)


def test_linters_of_documents_find_no_error(tools: Tools, tmp_path: Path) -> None:
    redocly = json.loads(
        tools.run("redocly", "lint", "openapi.json", "--extends=recommended", "--format=json", codes=(0, 1))
    )
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    # With nothing to report it prints a sentence.
    spectral = tools.run("spectral", "lint", "openapi.json", "--format=json", "--quiet", codes=(0, 1))
    found = json.loads(spectral[: spectral.rindex("]") + 1]) if "[" in spectral else []

    assert [each for each in redocly["problems"] if each["severity"] == "error"] == []
    assert [each for each in found if each["severity"] == 0] == []


def test_operation_ids_are_unique_and_in_one_style(running: Service) -> None:
    document = httpx.get(f"{running.url}/openapi.json").json()

    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]

    assert sorted(set(ids)) == sorted(ids)
    assert [each for each in ids if not re.fullmatch("[a-z]+([A-Z][a-z]+)*", each)] == []


async def test_generated_clients_compile_and_do_a_round_trip(
    driver: Driver, api: httpx.AsyncClient, running: Service, account: Account | None, tools: Tools, tmp_path: Path
) -> None:
    await driver.find().send(api)
    await asyncio.to_thread(generate, tools)
    own = account.session.headers if account else {}
    document = json.loads((tmp_path / "openapi.json").read_text())
    create, read = driver.create(), operation(document, "GET", driver.read("some-id").path)
    plan = {
        "baseUrl": running.url,
        "headers": dict(own),
        "create": {"operationId": operation(document, create.method, create.path)[0], "body": create.json},
        "read": {"operationId": read[0], "parameter": read[1]},
    }

    result = await asyncio.to_thread(round_trip, tmp_path / "js", plan)

    assert result["created"] == result["found"]
    assert driver.naming in json.dumps(result["found"])


def generate(tools: Tools) -> None:
    tools.run("openapi-typescript", "openapi.json", "--output=types.ts")
    tools.run("orval", "--input=openapi.json", "--output=orval/client.ts", "--client=fetch")
    tools.run("openapi-ts", "--input=./openapi.json", "--output=client")
    tools.run("tsc", *STRICT, "--noEmit", "--module", "preserve", "types.ts", "orval/client.ts", "client/index.ts")
    commonjs = ["--module", "commonjs", "--moduleResolution", "node10", "--outDir", "js"]
    tools.run("tsc", *STRICT, *commonjs, "client/index.ts")


def operation(document: dict[str, Any], method: str, path: str) -> tuple[str, str]:
    """The id of the operation that a request is for, and the name of the parameter in its path."""
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            parameters = re.findall(r"\{(\w+)\}", template)
            return operations[method.lower()]["operationId"], (parameters or [""])[-1]
    raise AssertionError(f"the document has no {method} {path}")


def round_trip(client: Path, plan: dict[str, Any]) -> dict[str, Any]:
    result = subprocess.run(
        ["node", ROUND_TRIP, client],
        input=json.dumps(plan),
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found
