"""Real PostgreSQL servers and real service processes, on free ports of the loopback interface."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shlex
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tools.ports import free_port

PATIENCE = 60.0
"""Seconds after which what should have happened has not. It bounds a failing test, and no passing one comes near it."""

LOOPBACK = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""What clients on this machine need of TLS, nothing: to read the certificates of all authorities takes 30 ms each."""

PROBE = httpx.Client(verify=LOOPBACK, timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
"""Asks a service how it is, on a connection that it keeps for nobody."""

Answer = TypeVar("Answer")


def eventually(what: str, read: Callable[[], Answer | None], patience: float = PATIENCE) -> Answer:
    """Asks again and again until there is an answer that is neither None nor False."""
    deadline = time.monotonic() + patience
    while (answer := read()) is None or answer is False:
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.02)
    return answer


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """What a process gets: where programs are, and nothing of the tests' own settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "NODE_COMPILE_CACHE") if name in os.environ}
    return kept | dict(changes)


def stop(process: subprocess.Popen[Any], patience: float = PATIENCE) -> int:
    """Asks a process to end, and makes it end where it does not. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@dataclass
class Postgres:
    """A PostgreSQL that the service's own launcher runs, and whatever else of servers the service needs."""

    env: dict[str, str]
    """The URLs of the servers, by the variables that hold them."""
    process: subprocess.Popen[str]
    data: Path
    """Where the launcher keeps what it makes."""

    @property
    def owner_url(self) -> str:
        """Of the role that owns the schema."""
        return self.env["MIGRATION_DATABASE_URL"]

    @property
    def admin_url(self) -> str:
        """Of a superuser, who sees every row whatever the policies say."""
        return self.as_admin(self.owner_url)

    def as_admin(self, url: str) -> str:
        """The URL of one of its databases, for the superuser."""
        [access] = self.data.rglob("postgres/access.json")
        password = json.loads(access.read_text())["passwords"]["postgres"]
        return str(httpx.URL(url).copy_with(username="postgres", password=password))

    @classmethod
    def start(cls, service: Path, *options: str, elsewhere: Mapping[str, str] | None = None) -> Postgres:
        """Starts the servers of a service.

        Args:
            elsewhere: URLs of those that run already
        """
        command = ["node", "scripts/services.mjs", *options, "--json"]
        data = service / ".data"
        if "--ephemeral" in options:
            data = Path(tempfile.mkdtemp(prefix="plinth-servers-"))
            data.chmod(0o755)  # as root, the servers run as another user
        process = subprocess.Popen(
            command,
            cwd=service,
            env=environment({"TMPDIR": str(data), **(elsewhere or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if readable else ""
        if not line:
            process.kill()
            raise AssertionError(f"`{' '.join(command)}` started no server:\n{process.communicate()[1]}")
        return cls(json.loads(line), process, data)

    def stop(self) -> None:
        stop(self.process)
        self.process.communicate()
        if self.data.name.startswith("plinth-servers-"):
            shutil.rmtree(self.data)


@dataclass
class Service:
    """A process of a built service, started with the command of `npm start`."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    """What it writes to stdout: JSON lines. What Node itself says on stderr is in another file beside."""

    @classmethod
    def start(cls, folder: Path, log_file: Path, env: Mapping[str, str]) -> Service:
        """Starts a service, and waits until it is ready."""
        port = free_port()
        errors = log_file.with_suffix(".stderr")
        with log_file.open("wb") as log, errors.open("wb") as stderr:
            process = subprocess.Popen(
                start_command(folder),
                cwd=folder,
                env=environment({"HOST": "127.0.0.1", "PORT": str(port), **env}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=stderr,
            )
        service = cls(f"http://127.0.0.1:{port}", process, log_file)
        try:
            eventually(f"{folder} is ready", service._is_ready)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return service

    def stop(self) -> int:
        return stop(self.process)

    def hold_up(self, seconds: float) -> None:
        """Lets the process do nothing for some time, as one that computes or gets no core."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def readiness(self) -> int | None:
        """The status of the readiness probe, None where nothing answers."""
        return self._probe("/health/ready")

    async def becomes(self, readiness: int) -> None:
        """Waits until the readiness probe is answered with a status."""
        await asyncio.to_thread(eventually, f"readiness {readiness}", lambda: self.readiness() == readiness)

    def liveness(self) -> int | None:
        """The status of the liveness probe, None where nothing answers."""
        return self._probe("/health/live")

    def metric(self, name: str, **labels: str) -> float | None:
        """The sum of a metric's samples that carry some labels; None where it has no such sample."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        samples = [
            float(value)
            for key, _, value in (line.rpartition(" ") for line in self.metrics().splitlines())
            if key.partition("{")[0] == name and all(label in key for label in wanted)
        ]
        return sum(samples) if samples else None

    def metrics(self) -> str:
        return PROBE.get(f"{self.url}/metrics").text

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log; the last may still be on its way."""
        return [json.loads(line) for line in self.log_file.read_text().split("\n")[:-1]]

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            said = self.log_file.read_text() + self.log_file.with_suffix(".stderr").read_text()
            raise AssertionError(f"it ended with {self.process.returncode}:\n{said}")
        return self.readiness() == httpx.codes.OK

    def _probe(self, path: str) -> int | None:
        try:
            return PROBE.get(f"{self.url}{path}").status_code
        except httpx.TransportError:
            return None


def start_command(folder: Path) -> list[str]:
    """What `npm start` runs, without npm between: npm swallows SIGTERM, and so nobody runs a service through it."""
    scripts: dict[str, str] = json.loads((folder / "package.json").read_text())["scripts"]
    return shlex.split(scripts["start"])


def migrate(folder: Path, command: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Applies a built service's migrations."""
    result = subprocess.run(
        command, cwd=folder, env=environment(env), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}{result.stderr}"
