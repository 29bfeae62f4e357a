"""`make bench`: what a generated service can do, measured here, and written into the README.

The service's own benchmark gives the throughput; here are added how long `dev` takes to the first answer, and the
memory of the idle service.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tools import ROOT, ToolError, copies
from tools.install import install, manager
from tools.ports import free_port
from tools.render import render
from tools.toolchain import environment

COPIER = "copier"
"""What `VARIANT` says for the figures of Copier itself."""

_COPIES = 5
_PATIENCE_SECONDS = 60
_ENTRIES = (b"dist/main.js", b"dist/index.js", b"dist/server/main.js")
_IDLE_SECONDS = 10

Row = tuple[str, str, str]
"""What was measured, the figure, and what it means."""


def bench(variant: str, *, quick: bool = False) -> None:
    """Measures a variant and writes docs/benchmarks/VARIANT.json, VARIANT.svg and the README's section."""
    readme = ROOT / "README.md"
    if not quick:
        with_section(readme.read_text(), variant, "")  # fails now, and not after the measurements
    with tempfile.TemporaryDirectory(prefix="plinth-bench-") as folder:
        service = render(variant, Path(folder) / "service")
        install(service)
        program = manager(service)
        print(f"{variant}: from `{program} run dev` to the first answer ...", flush=True)
        starts = [time_to_first_answer(service) for _ in range(3)]
        print(f"  {', '.join(f'{seconds:.2f} s' for seconds in starts)}", flush=True)
        _run(service, program, "run", "build")
        memory = idle_memory(service)
        print(f"{variant}: idle memory {memory:.0f} MiB", flush=True)
        _run(service, program, "run", "bench", *(["--", "--quick"] if quick else []))
        results: dict[str, Any] = json.loads((service / "bench" / "results.json").read_text())
        results["start"] = {
            "command": f"{program} run dev",
            "firstSeconds": round(starts[0], 2),
            "laterSeconds": round(max(starts[1:]), 2),
        }
        results["idleMemoryMiB"] = round(memory)
        section = markdown(variant, results)
        if quick:
            print("A quick run proves that the benchmark works. Its figures are not kept.")
            return
        target = ROOT / "docs" / "benchmarks"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{variant}.json").write_text(json.dumps(results, indent=2) + "\n")
        shutil.copy(service / "bench" / "throughput.svg", target / f"{variant}.svg")
    readme.write_text(with_section(readme.read_text(), variant, section))


def bench_copier(*, quick: bool = False) -> None:
    """Measures copies and updates of all variants, and writes the README's section."""
    readme = ROOT / "README.md"
    with_section(readme.read_text(), COPIER, "")
    print("copier copy and copier update ...", flush=True)
    section = copies.markdown(copies.measure(rounds=1 if quick else _COPIES))
    if quick:
        print(section)
        return
    readme.write_text(with_section(readme.read_text(), COPIER, section))


def with_section(readme: str, variant: str, text: str) -> str:
    """The README with a text between the two markers of a variant."""
    begin, end = f"<!-- benchmark {variant} -->", f"<!-- /benchmark {variant} -->"
    if begin not in readme or end not in readme:
        raise ToolError(f"README.md has no place for the figures: add {begin} and {end}, each on a line of its own.")
    section = f"{begin}\n{text}\n{end}"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: section, readme, flags=re.DOTALL)


def markdown(variant: str, results: dict[str, Any]) -> str:
    """The figures of a run as the README shows them."""
    start = results["start"]
    rows = [
        *_ROWS[variant](results),
        (f"`{start['command']}` to the first answer", f"{start['firstSeconds']} s", f"later {start['laterSeconds']} s"),
        ("memory, idle", f"{results['idleMemoryMiB']} MiB", ""),
    ]
    table = "\n".join(f"| {what} | {figure} | {comment} |" for what, figure, comment in rows)
    return (
        f"{results['machine']}; {results['connections']} connections from {results.get('clients', 'two processes')}, "
        "`fsync` on, "
        "load, service and servers on the same machine. Medians of the rounds.\n\n"
        f"| | | |\n| --- | ---: | --- |\n{table}\n\n"
        f"![{_CAPTIONS[variant]}](docs/benchmarks/{variant}.svg)"
    )


def _ticket_rows(results: dict[str, Any]) -> list[Row]:
    rate, ratio, held = (results[name] for name in ("perSecond", "ratios", "held"))
    return [
        ("purchases, grouped", f"{rate['grouped']:,}/s", f"**{ratio['grouped / plain']}** times the plain path"),
        ("purchases, one transaction each", f"{rate['plain']:,}/s", ""),
        (
            "POST that does nothing, same validation",
            f"{rate['noop']:,}/s",
            f"grouped is **{ratio['grouped / noop']:.0%}**",
        ),
        (
            f"purchases, grouped, held {held['seconds']} s",
            f"{held['perSecond']:,}/s",
            f"**{held['held / noop']:.0%}** of the POST that does nothing; last sixth / first sixth "
            f"{held['last sixth / first sixth']}; {held['HOT updates']:.1%} HOT updates",
        ),
        ("`GET /events/:id`", f"{rate['read']:,}/s", f"**{ratio['read / bare']:.0%}** of the bare server"),
        ("bare Node `http` + pg, same query, same bytes", f"{rate['bare']:,}/s", ""),
    ]


def _tenant_rows(results: dict[str, Any]) -> list[Row]:
    rate, ratio, outbox = (results[name] for name in ("perSecond", "ratios", "outbox"))
    rows: list[Row] = []
    for kind, path in (("one", "`GET /projects/:id`"), ("list", "`GET /projects`")):
        of_bare, of_unsecured = (ratio[f"{kind}: service / {other}"] for other in ("bare", "unsecured"))
        rows += [
            (path, f"{rate[kind]['service']:,}/s", f"**{of_bare:.0%}** of the bare server"),
            (
                f"{path}, row-level security off",
                f"{rate[kind]['unsecured']:,}/s",
                f"so that security costs **{1 - of_unsecured:.0%}**",
            ),
            (f"bare Fastify + pg, the statements of {path}", f"{rate[kind]['bare']:,}/s", "no log-in, no tenants"),
        ]
    return [
        *rows,
        (
            "events, from the POST that writes them to their effect",
            f"{outbox['eventsPerSecond']:,}/s",
            f"{outbox['events']:,} events, each counted once by its consumer",
        ),
        (
            "events, from transactions made in SQL to their effect",
            f"{outbox['sustainedPerSecond']:,}/s",
            "what outbox, relay, stream, inbox and consumer sustain",
        ),
    ]


def _organization_rows(results: dict[str, Any]) -> list[Row]:
    rate, ratio, clients = (results[name] for name in ("perSecond", "ratios", "clientsPerSecond"))
    rows: list[Row] = []
    for kind, path in (("one", "`GET /api/v1/customers/:id`"), ("list", "`GET /api/v1/customers`")):
        rows += [
            (path, f"{rate[kind]['service']:,}/s", f"**{ratio[f'{kind}: service / bare']:.0%}** of the bare server"),
            (
                f"bare Express + pg, the statements of {path}",
                f"{rate[kind]['bare']:,}/s",
                "no log-in, no organizations",
            ),
            (
                f"Prisma's client alone, the read of {path}",
                f"{clients[kind]['isolated']:,}/s",
                f"so that the isolation extension costs **{1 - ratio[f'{kind}: isolated / plain']:.0%}**",
            ),
        ]
    if setups := results.get("setups"):
        rows.append(
            (
                f"{setups['flows']} set-ups of trackings, Google answering in 100 ms under a quota",
                f"{setups['seconds']} s",
                f"two workers, {setups['workersKilled']} times one was killed: **{setups['lost']}** lost, "
                f"**{setups['doubled']}** doubled; at most {setups['most in a minute / quota of a minute']:.0%} of the "
                "quota in any minute",
            )
        )
    return rows


def _chat_rows(results: dict[str, Any]) -> list[Row]:
    streams, chats = results["streams"], results["chats"]
    through, direct = streams["throughService"], streams["direct"]
    return [
        (
            f"{streams['count']} answers at once, a chunk every {streams['paceMs']} ms: delay of a chunk, p99",
            f"{through['p99']} ms",
            f"{direct['p99']} ms without the service between; median {through['p50']} and {direct['p50']} ms",
        ),
        (
            "first chunk of an answer that is alone, median",
            f"{streams['alone']['throughService']} ms",
            f"{streams['alone']['direct']} ms without the service between",
        ),
        (
            "first chunk of all of them at once, median",
            f"{through['firstP50']} ms",
            f"{direct['firstP50']} ms without the service between",
        ),
        ("memory per stream", f"{streams['mebibytesPerStream']} MiB", ""),
        ("CPU of the service per chunk", f"{streams['cpuMicrosecondsPerChunk']} us", ""),
        ("`GET /chats`", f"{chats['service']:,}/s", f"**{chats['ratio']:.0%}** of the bare server"),
        ("bare Fastify on Bun + pg, same query, same bytes", f"{chats['bare']:,}/s", "no log-in"),
        ("production process to the first 200", f"{results['startMs']:,} ms", "servers up, packages installed"),
    ]


def _project_rows(results: dict[str, Any]) -> list[Row]:
    rate, ratio, usage = (results[name] for name in ("perSecond", "ratios", "usage"))
    return [
        ("handler that does nothing", f"{rate['does nothing']:,}/s", ""),
        ("handler that authenticates, and does nothing", f"{rate['authenticates']:,}/s", ""),
        *(
            (
                f"`GET /api/v1/projects/[id]`, {how}",
                f"{rate[f'project, {how}']:,}/s",
                f"**{ratio[f'{how} / authenticates']:.0%}** of the handler that authenticates, "
                f"{ratio[f'{how} / does nothing']:.0%} of the other",
            )
            for how in ("cached", "uncached")
        ),
        (
            f"usage of a user with {usage['rows']:,} rows, in the database",
            f"{usage['p95Milliseconds']} ms",
            f"95 of 100 are faster; median {usage['p50Milliseconds']} ms",
        ),
        ("`next build`", f"{results['buildSeconds']} s", ""),
        ("start of the build to the first 200", f"{results['coldStartSeconds']} s", ""),
    ]


_ROWS: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "nest-typeorm": _ticket_rows,
    "nest-drizzle": _tenant_rows,
    "nest-prisma": _organization_rows,
    "fastify-bun": _chat_rows,
    "next-supabase": _project_rows,
}
_CAPTIONS = {
    "nest-typeorm": "Purchases per second over connections, both paths",
    "nest-drizzle": "Reads per second: the service, without row-level security, and the bare server",
    "nest-prisma": "Reads per second: the service, and the bare server",
    "next-supabase": "Reads per second: handlers that do nothing, and a project with and without the cache",
    "fastify-bun": "Delay of a chunk by percentile: through the service, and from the provider directly",
}


def time_to_first_answer(service: Path) -> float:
    """Seconds from `npm run dev`, or Bun's, to the first 200 of /health/ready."""
    port = free_port()
    began = time.monotonic()
    with _started(service, [manager(service), "run", "--silent", "dev"], {"PORT": str(port)}):
        _wait_until_ready(port)
        return time.monotonic() - began


def idle_memory(service: Path) -> float:
    """The most that the production process has resident in MiB, in the seconds after it became ready.

    The most, since some machines take pages from a process that rests.
    """
    port = free_port()
    serve = ["node", "scripts/services.mjs", "--ephemeral", "--", "sh", "-c"]
    start = json.loads((service / "package.json").read_text())["scripts"]["start"]
    with _started(
        service,
        # Production refuses tokens that nobody has signed, and with them the issuer of development.
        [*serve, f"{manager(service)} run --silent db:migrate && unset FIREBASE_AUTH_EMULATOR_HOST && exec {start}"],
        {
            "PORT": str(port),
            "HOST": "127.0.0.1",
            **{name: secrets.token_hex(32) for name in _secrets(service)},
            "PUBLIC_URL": "http://localhost",
            "SMTP_URL": "smtp://localhost",
            "FIREBASE_PROJECT_ID": "demo-local",
        },
    ):
        _wait_until_ready(port)
        process = next(_listeners(service))
        samples = []
        for _ in range(_IDLE_SECONDS):
            time.sleep(1)
            samples.append(_resident(process))
        return max(samples)


def _secrets(service: Path) -> list[str]:
    """The settings that every deployment needs a secret of its own for; those of its servers aside, which run here."""
    names = re.findall(r"(?m)^(\w+)=<secret>$", (service / ".env.example").read_text())
    return [name for name in names if not name.startswith("POSTGRES_")]


def _listeners(service: Path) -> Iterator[int]:
    """Processes of a service that run its build."""
    for directory in Path("/proc").iterdir():
        try:
            command = (directory / "cmdline").read_bytes().split(b"\0")
            inside = (directory / "cwd").resolve() == service.resolve()
        except OSError:
            continue
        runs = any(part.endswith(_ENTRIES) for part in command)
        if inside and runs and command[0].endswith((b"node", b"bun")):
            yield int(directory.name)


def _resident(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if match is None:
        raise ToolError(f"the memory of process {pid} cannot be read")
    return int(match[1]) / 1024


@contextmanager
def _started(service: Path, command: list[str], env: dict[str, str]) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=service, env=environment() | env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        except ToolError as error:
            log.seek(0)
            raise ToolError(f"{error}\n{log.read().decode(errors='replace')}") from error
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=_PATIENCE_SECONDS)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.01)
    raise ToolError("the service did not become ready")


def _run(service: Path, *command: str) -> None:
    if subprocess.run(command, cwd=service, env=environment(), check=False).returncode != 0:
        raise ToolError(f"`{' '.join(command)}` failed in {service}")
