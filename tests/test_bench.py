"""The benchmarks of the services, in a short run: a service that is slower, larger or wrong shows in its figures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import next_cache
from tests.conftest import Rendered, script
from tools import VARIANTS
from tools.figures import Figure
from tools.install import install, share

SLEEP_MS = 5
LEAK_MIB = 50
START_MS = 2_000
ENTRIES = {
    "fastify-bun": "apps/api/src/index.ts",
    "nest-drizzle": "packages/api/src/main.ts",
    "nest-prisma": "src/main.ts",
    "nest-typeorm": "src/main.ts",
    "next-supabase": "server/main.ts",
}
SLOW = f"""// @ts-nocheck: put before the first line of files with other compiler settings each
import {{ Server as SlowServer, ServerResponse as SlowResponse }} from 'node:http';

globalThis.leaked = Buffer.alloc({LEAK_MIB} * 2 ** 20, 1);
const emit = SlowServer.prototype.emit;
SlowServer.prototype.emit = function (event, ...values) {{
  if (event !== 'request') return emit.call(this, event, ...values);
  setTimeout(() => emit.call(this, event, ...values), {SLEEP_MS});
  return true;
}};
await new Promise((resolve) => setTimeout(resolve, {START_MS}));
"""
"""Each request, each start and the memory of a process: slower and larger by this."""

SLOW_PARTS = {
    "fastify-bun": (
        "apps/api/src/index.ts",
        "globalThis.leaked",
        f"""const kept = [];
for (const name of ['write', 'end']) {{
  const send = SlowResponse.prototype[name];
  SlowResponse.prototype[name] = function (...values) {{
    if (name === 'write') this.leaked ??= kept.push(Buffer.alloc(2 ** 20, 1)); // for each stream
    setTimeout(() => send.apply(this, values), {SLEEP_MS});
    return name === 'end' ? this : true;
  }};
}}
globalThis.leaked""",
    ),
    # One event at a time: no more than 200 a second.
    "nest-drizzle": (
        "packages/api/src/project-stats/project-stats.handler.ts",
        "    const isNew =",
        f"    for (const end = performance.now() + {SLEEP_MS}; performance.now() < end; );\n    const isNew =",
    ),
    "nest-prisma": (
        "src/database/isolation.extension.ts",
        "    $allOperations({ model, operation, args, query }) {",
        "    async $allOperations({ model, operation, args, query }) {\n"
        f"      await new Promise((resolve) => setTimeout(resolve, {SLEEP_MS}));",
    ),
    "next-supabase": (
        "lib/analytics/usage-statement.ts",
        "FROM usage_daily",
        f"FROM pg_sleep({SLEEP_MS / 1000}), usage_daily",
    ),
}
"""What figures measure that are not of requests, slower as well: a file, a text in it, and its replacement."""

LOSSY = """// @ts-nocheck: as above
import { Server as LossyServer } from 'node:http';

let writes = 0;
const emit = LossyServer.prototype.emit;
LossyServer.prototype.emit = function (event, request, response) {
  const isWrite = event === 'request' && request.method === 'POST' && /purchase$|^[/]tasks$/.test(request.url);
  if (!isWrite || ++writes % 20 > 0) return emit.call(this, event, request, response);
  request.resume();
  response.writeHead(201, { 'content-type': 'application/json' }).end('{}');
  return true;
};
"""
"""One of 20 writes is answered and has no effect."""

Figures = dict[str, Figure]


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def usual(variant: str, rendered: Rendered, shared: Path) -> tuple[Path, Figures]:
    """A service, and its figures."""
    service = rendered(variant)
    install(service)
    next_cache.take(service, shared)
    return service, figures(service)


@pytest.fixture(scope="module")
def slow(variant: str, usual: tuple[Path, Figures], rendered: Rendered, shared: Path) -> Figures:
    """The figures of the service that was made slower and larger on purpose."""
    service = changed(variant, SLOW, rendered, usual[0], shared)
    if variant in SLOW_PARTS:
        file, found, replacement = SLOW_PARTS[variant]
        replace(service / file, found, replacement)
    return figures(service)


def changed(variant: str, before: str, rendered: Rendered, installed: Path, shared: Path) -> Path:
    """A service with a text at the beginning of its entry."""
    service = rendered(variant)
    share(installed, service)
    next_cache.take(service, shared)
    entry = service / ENTRIES[variant]
    entry.write_text(before + entry.read_text())
    return service


def replace(file: Path, found: str, replacement: str) -> None:
    text = file.read_text()
    assert found in text, f"{file} has no {found!r}"
    file.write_text(text.replace(found, replacement, 1))


def bench(service: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return script(service, "bench", "--quick", check=check)


def figures(service: Path) -> Figures:
    bench(service)
    measured = json.loads((service / "bench" / "results.json").read_text())["figures"]
    return {figure["name"]: figure for figure in measured}


def value(found: Figures, name: str) -> float:
    [only] = found[name]["rounds"]
    return only


def of_requests(found: Figures) -> list[str]:
    """The times of requests to the service that are alone."""
    return [name for name in found if name.endswith(", one connection") and "bare" not in name]


def test_compared_figures_exist(usual: tuple[Path, Figures]) -> None:
    _, found = usual
    assert {other for figure in found.values() for other in figure.get("versus", [])} <= set(found)


def test_sleep_shows_in_the_time_of_each_request(slow: Figures) -> None:
    names = of_requests(slow)
    assert names
    assert {name: value(slow, name) for name in names if value(slow, name) < SLEEP_MS} == {}


def test_leak_shows_in_the_memory(usual: tuple[Path, Figures], slow: Figures) -> None:
    for name in ("resident memory, idle", "anonymous part of it"):
        # A collection more or less, and what a start on a machine under load leaves behind, is a few MiB.
        assert value(slow, name) - value(usual[1], name) > LEAK_MIB - 15, name


@pytest.mark.parametrize("variant", ["fastify-bun"], indirect=True, scope="module")
def test_leak_shows_in_the_memory_of_streams(usual: tuple[Path, Figures], slow: Figures) -> None:
    # Of two runs with 50 streams each, 1 MiB for each stream.
    name = "memory of 50 answers at once"
    assert value(slow, name) - value(usual[1], name) > LEAK_MIB


def test_sleep_shows_in_the_time_of_other_things(variant: str, slow: Figures) -> None:
    # Seconds and milliseconds.
    at_least = {"production process, start to the first 200 of `/health/ready`": START_MS / 1_000}
    at_least |= dict.fromkeys(
        {
            "fastify-bun": ["answers one after the other: delay of the first chunk, median"],
            "nest-prisma": [
                f"Prisma's client with row-level security and the isolation extension, {what}, one caller"
                for what in ("one customer", "a page of customers")
            ],
            "next-supabase": ["usage of a user in two years, median"],
        }.get(variant, []),
        SLEEP_MS,
    )
    assert {name: value(slow, name) for name, low in at_least.items() if value(slow, name) < low} == {}


@pytest.mark.parametrize("variant", ["nest-drizzle"], indirect=True, scope="module")
def test_sleep_shows_in_the_rate_of_events(slow: Figures) -> None:
    of_events = [name for name in slow if "their effect in the database" in name or "events with an effect" in name]
    assert len(of_events) == 2
    assert {name: value(slow, name) for name in of_events if value(slow, name) > 1_000 / SLEEP_MS} == {}


@pytest.mark.parametrize("writer", ["nest-typeorm", "nest-drizzle"])
def test_responses_without_an_effect_end_the_benchmark(writer: str, rendered: Rendered, shared: Path) -> None:
    service = rendered(writer)
    install(service)
    lossy = changed(writer, LOSSY, rendered, service, shared)
    shutil.rmtree(service)
    result = bench(lossy, check=False)
    assert result.returncode != 0
    assert "stored" in result.stderr
