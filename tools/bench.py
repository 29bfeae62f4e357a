"""`make bench`: runs the benchmarks of services, `dev` and Copier, and writes the README's figures."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import httpx

from tools import ROOT, ToolError, bench_copier
from tools.figures import COPIER, Figure, Results, in_turns, publish, with_section
from tools.git import git
from tools.install import install, manager
from tools.ports import free_port
from tools.render import render, snapshot
from tools.toolchain import environment

_ROUNDS = 5
_PATIENCE_SECONDS = 60


def bench(name: str, *, quick: bool = False) -> None:
    """Measures a variant, or Copier. A quick run shows that the benchmark works, and writes nothing."""
    with_section((ROOT / "README.md").read_text(), "")  # fails now, and not after the measurements
    rounds = 1 if quick else _ROUNDS
    results = _copier(rounds) if name == COPIER else _service(name, rounds, quick)
    if quick:
        print("The benchmark works. Figures of a quick run are not kept.")
        return
    publish(name, results)


def _copier(rounds: int) -> Results:
    print("copier copy and copier update ...", flush=True)
    versions = f"Copier {version('copier')}, Python {platform.python_version()}"
    return _results(versions, {}, bench_copier.measure(rounds))


def _service(variant: str, rounds: int, quick: bool) -> Results:
    with tempfile.TemporaryDirectory(prefix="plinth-bench-") as folder:
        service = render(variant, Path(folder) / "service")
        install(service)
        _run(service, manager(service), "run", "bench", *(["--", "--quick"] if quick else []))
        measured = json.loads((service / "bench" / "results.json").read_text())
    return _results(measured["versions"], measured["settings"], [*measured["figures"], *_starts(variant, rounds)])


def _starts(variant: str, rounds: int) -> list[Figure]:
    """How long `npm run dev`, or Bun's, takes to the first 200 of /health/ready."""
    print(f"{variant}: starting dev ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="plinth-bench-") as name:
        source = snapshot(Path(name) / "template")
        service = Path(name) / "service"

        def first() -> float:
            nonlocal service
            service = Path(tempfile.mkdtemp(dir=name)) / "service"
            render(variant, service, source=source)
            install(service)
            return time_to_first_answer(service)

        taken = in_turns({"first": first, "later": lambda: time_to_first_answer(service)}, rounds)
        command = f"`{manager(service)} run dev`"
    to = "to the first 200 of `/health/ready`, packages installed"
    return [
        Figure(name=f"{command} in a new service", unit="s", rounds=taken["first"], how=f"{to}, servers included"),
        Figure(name=f"{command} the second time", unit="s", rounds=taken["later"], how=f"{to}, servers included"),
    ]


def time_to_first_answer(service: Path) -> float:
    """Seconds from `npm run dev`, or Bun's, to the first 200 of /health/ready."""
    port = free_port()
    began = time.monotonic()
    with _started(service, [manager(service), "run", "--silent", "dev"], {"PORT": str(port)}):
        _wait_until_ready(port)
        return time.monotonic() - began


def _results(versions: str, settings: dict[str, str], figures: list[Figure]) -> Results:
    return Results(
        plinth=plinth(),
        commit=_commit(),
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        versions=versions,
        settings=settings,
        figures=figures,
    )


def plinth() -> str:
    """The version in the first heading of CHANGELOG.md."""
    match = re.search(r"(?m)^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text())
    if match is None:
        raise ToolError("CHANGELOG.md names no version")
    return match[1]


def _commit() -> str:
    changed = git(ROOT, "status", "--porcelain", "--", ".", ":!README.md", ":!docs/benchmarks")
    return git(ROOT, "rev-parse", "--short", "HEAD").strip() + (" with changes" * bool(changed.strip()))


def machine() -> str:
    """Returns cores, processor, memory and kernel."""
    model = re.search(r"(?m)^model name\s*: (.+)$", _read("/proc/cpuinfo"))
    kibibytes = re.search(r"(?m)^MemTotal: +(\d+) kB$", _read("/proc/meminfo"))
    parts = [
        f"{os.cpu_count()} cores ({model[1].strip() if model else platform.machine()})",
        *([f"{int(kibibytes[1]) / 2**20:.0f} GiB"] if kibibytes else []),
        f"{platform.system()} {platform.release()}",
    ]
    return ", ".join(parts)


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


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
