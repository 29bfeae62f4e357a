"""The image, without Docker: what the Dockerfile says is done in folders, and what comes out is run as it would be."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from tests.conformance.drivers import Driver
from tests.conformance.processes import PATIENCE, Postgres, environment, eventually, stop
from tests.conftest import DISK
from tools import toolchain
from tools.install import install
from tools.ports import free_port

pytestmark = pytest.mark.check(39)

ANY_USER = 1000

ALL_PACKAGES = "npm ci --ignore-scripts --no-audit --no-fund"
"""What the tests have installed already. Scripts of packages concern servers, which nothing in a build starts."""


@dataclass
class Stage:
    """A stage of a Dockerfile: what it begins with, and what it does."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """The arguments of an instruction of which the last one counts."""
        return [arguments for name, arguments in self.steps if name == instruction][-1]


def stages(dockerfile: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by name, in their order."""
    found: dict[str, Stage] = {}
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.M)
    for line in filter(None, re.sub(r"\\\n\s*", "", text).splitlines()):
        instruction, arguments = line.split(maxsplit=1)
        if instruction == "FROM":
            base, name = arguments.split(" AS ")
            found[name] = Stage(base)
        else:
            list(found.values())[-1].steps.append((instruction, arguments))
    return found


def is_sent(path: Path, patterns: Sequence[str]) -> bool:
    """Whether .dockerignore lets a file of the repository through: its last pattern that matches says so."""
    sent = True
    for pattern in patterns:
        if any(fnmatch(str(part), pattern.lstrip("!")) for part in (path, *path.parents[:-1])):
            sent = pattern.startswith("!")
    return sent


@dataclass(frozen=True)
class Image:
    """What `docker build` would make, in a folder."""

    folder: Path
    stage: Stage
    env: dict[str, str]

    @classmethod
    def build(cls, service: Path, work: Path) -> Image:
        """Does what the Dockerfile says. A stage is a folder, which stands for its WORKDIR."""
        context = work / "context"
        patterns = [line for line in (service / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
        for path in (found for top in service.iterdir() if top.name != "node_modules" for found in _files(top)):
            name = path.relative_to(service)
            if is_sent(name, patterns):
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, context / name)

        plan = stages(service / "Dockerfile")
        for stage_name, stage in plan.items():
            if stage.base in plan:
                shutil.copytree(work / stage.base, work / stage_name, symlinks=True)
            else:
                (work / stage_name).mkdir()
            for instruction, arguments in stage.steps:
                if instruction == "RUN":
                    _execute(re.sub(r"--mount=\S+ ", "", arguments), work / stage_name)
                elif instruction == "COPY":
                    _copy(arguments, context, work, work / stage_name)
        last, final = list(plan.items())[-1]
        return cls(work / last, final, dict(word.split("=", 1) for word in shlex.split(final.last("ENV"))))

    @contextmanager
    def started(self, *command: str, **env: str) -> Iterator[subprocess.Popen[str]]:
        """A process as the container has it: not root, with the image's environment and what it is given."""
        as_root = os.geteuid() == 0
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": environment({})["PATH"], "HOME": "/nonexistent"} | self.env | env,
            user=ANY_USER if as_root else None,
            group=ANY_USER if as_root else None,
            extra_groups=[] if as_root else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            stop(process)

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A command in a container of its own, to its end."""
        with self.started(*command, **env) as process:
            out, err = process.communicate(timeout=PATIENCE)
            return subprocess.CompletedProcess(command, process.returncode, out, err)

    @property
    def command(self) -> list[str]:
        """CMD. Were it not in the exec form, a shell would be process 1 and keep SIGTERM to itself."""
        command: list[str] = json.loads(self.stage.last("CMD"))
        return command

    @property
    def health_check(self) -> list[str]:
        command: list[str] = json.loads(self.stage.last("HEALTHCHECK").split("CMD ", 1)[1])
        return command

    def files(self) -> dict[Path, float]:
        """When each file was changed."""
        return {path: path.lstat().st_mtime for path in self.folder.rglob("*")}


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]


def _copy(arguments: str, context: Path, work: Path, target: Path) -> None:
    *sources, destination = arguments.split()
    origin = context
    place: Callable[[Any, Any], object] = shutil.copy2
    if sources[0].startswith("--from="):
        origin, place = work / sources.pop(0).removeprefix("--from="), _link
        sources = [str(Path(source).relative_to("/app")) for source in sources]
    if destination.endswith("/"):
        (target / destination).mkdir(parents=True, exist_ok=True)
    if destination.startswith("/"):  # a program on PATH, where the tests have their own
        return
    for source in sources:
        path = origin / source
        if path.is_dir():
            shutil.copytree(path, target / destination, symlinks=True, dirs_exist_ok=True, copy_function=place)
        else:
            shutil.copy2(path, target / destination)


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    os.link(source, target)


def _execute(command: str, folder: Path) -> None:
    if command == ALL_PACKAGES:
        install(folder)
        return
    shell = ["/bin/sh", "-c", command]
    env = toolchain.environment()
    result = subprocess.run(shell, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"RUN {command} failed:\n{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="session")
def image(folder: Path) -> Iterator[Image]:
    """Built once. Nobody who runs it may write to it."""
    work = Path(tempfile.mkdtemp(prefix="image-", dir=DISK))
    work.chmod(0o755)
    try:
        built = Image.build(folder, work)
        folders = [built.folder, *(path for path in built.folder.rglob("*") if path.is_dir() and not path.is_symlink())]
        for path in folders:
            path.chmod(0o555)
        yield built
        for path in folders:
            path.chmod(0o755)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@pytest.mark.of("fastify-bun")
def test_the_image_holds_the_packages_of_the_service_alone_and_no_source(image: Image, folder: Path) -> None:
    manifests = {path: json.loads((folder / path / "package.json").read_text()) for path in ("", "apps/api")}
    there = {path.name.rpartition("@")[0] for path in (image.folder / "node_modules/.bun").iterdir()}
    everything = {path.name.rpartition("@")[0] for path in (folder / "node_modules/.bun").iterdir()}
    for name in manifests["apps/api"]["dependencies"].keys() - {"@app/shared"}:
        assert (image.folder / "apps/api/node_modules" / name).exists(), name
    for name in manifests[""]["devDependencies"]:
        assert name.replace("/", "+") not in there, name
    assert len(everything - there) > 20
    assert {path.name for path in (image.folder / "apps/api").iterdir()} <= {"dist", "node_modules", "package.json"}
    assert {path.name for path in (image.folder / "packages/shared").iterdir()} <= {"node_modules", "package.json"}
    holds = {path.name for path in image.folder.iterdir()}
    assert holds <= {"apps", "packages", "node_modules", "package.json", "bun.lock", "bunfig.toml"}


@pytest.mark.of("nest-typeorm", "nest-drizzle", "nest-prisma", "next-supabase")
def test_the_image_holds_no_development_dependency_and_no_source(image: Image, driver: Driver) -> None:
    packages = json.loads((image.folder / "package-lock.json").read_text())["packages"]
    there = {path for path in packages if (image.folder / path).exists()}
    own = {path for path in packages if "node_modules/" not in path}
    assert own <= there
    for workspace in own:
        for name in packages[workspace].get("dependencies", {}):
            places = [image.folder / workspace / "node_modules" / name, image.folder / "node_modules" / name]
            assert any(place.exists() for place in places), name

    for_development = {path for path, package in packages.items() if package.get("dev")}
    assert len(for_development) > 20
    # What development uses and something that runs may use: where nothing asks for it, it is not there either.
    asked_for = {
        name
        for path in there
        for name in packages[path].get("dependencies", {}) | packages[path].get("optionalDependencies", {})
    }
    for_development |= {
        path
        for path, package in packages.items()
        if package.get("devOptional") and path.rpartition("node_modules/")[2] not in asked_for
    }
    assert for_development & there == set()

    holds = {path.name for path in image.folder.iterdir()}
    assert holds <= driver.shipped | {"node_modules", "package.json", "package-lock.json", ".npmrc"}
    for workspace in own - {""}:
        holds = {path.name for path in (image.folder / workspace).iterdir()}
        assert holds <= {"dist", "migrations", "node_modules", "package.json"}


def test_the_image_says_that_its_user_is_not_root(folder: Path) -> None:
    *_, last = stages(folder / "Dockerfile").values()
    user, group = last.last("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_migrates_serves_and_stops_without_writing_a_file(
    image: Image, driver: Driver, postgres: Postgres
) -> None:
    before = image.files()
    if (image.folder / driver.migrate[1]).exists():  # Supabase's CLI migrates from outside
        migration = image.run(*driver.migrate, **postgres.env)
        assert migration.returncode == 0, migration.stderr

    port = str(free_port())
    url = f"http://127.0.0.1:{port}/health/ready"
    env = {**driver.required, **running(postgres, driver.for_development), "PORT": port, "LOG_LEVEL": "silent"}
    with image.started(*image.command, **env) as process:
        eventually("the image serves", lambda: process.poll() is not None or _answers(url))
        assert process.poll() is None, process.communicate()
        assert image.run(*image.health_check, PORT=port).returncode == 0
        assert stop(process) == 0
    assert image.run(*image.health_check, PORT=port).returncode == 1
    assert image.files() == before


@pytest.mark.of("nest-drizzle")
def test_the_image_runs_jobs_where_compose_says_so(
    folder: Path, image: Image, driver: Driver, postgres: Postgres, database: psycopg.Connection[tuple[Any, ...]]
) -> None:
    command = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["worker"]["command"]
    listeners = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN outbox'"
    before = database.execute(listeners).fetchone()
    with image.started(*command, **{**driver.required, **running(postgres), "LOG_LEVEL": "silent"}) as process:
        eventually(
            "it waits for events",
            lambda: process.poll() is not None or database.execute(listeners).fetchone() != before,
        )
        assert process.poll() is None, process.communicate()
        assert stop(process) == 0


def running(postgres: Postgres, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """The URLs that a running service gets: not that of the schema's owner."""
    return {name: url for name, url in postgres.env.items() if name not in {"MIGRATION_DATABASE_URL", *without}}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://app@localhost/app"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://app:dev_0123@localhost/app"}, "DATABASE_URL"),  # pragma: allowlist secret
        ({"DATABASE_URL": "postgresql://app:secret@localhost/app", "PORT": "http"}, "PORT"),
    ],
    ids=["missing", "malformed", "a secret of development", "another one malformed"],
)
def test_a_setting_that_is_not_usable_stops_the_start_by_name(
    image: Image, driver: Driver, given: dict[str, str], named: str
) -> None:
    others = {name: value for name, value in driver.required.items() if name != "DATABASE_URL"}
    result = image.run(*image.command, **others, **given)
    assert result.returncode == 1
    assert f"- {named}" in result.stderr
    assert "dev_0123" not in result.stderr


def test_the_environment_of_development_works_in_the_image_too(
    image: Image, driver: Driver, postgres: Postgres
) -> None:
    """compose.yaml runs it so: pino-pretty, which that environment logs with, is a development dependency."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}/health/ready"
    settings = {"NODE_ENV": "development", "PORT": port, "LOG_LEVEL": "error"}
    env = {**driver.required, **driver.settings, **running(postgres), **settings}
    with image.started(*image.command, **env) as process:
        eventually("the image serves", lambda: process.poll() is not None or _answers(url))
        assert process.poll() is None, process.communicate()
