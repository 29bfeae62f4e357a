"""Rendered, installed and built services that the tests share."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import next_cache
from tests.lean_copier import lean_copier
from tests.selection import QUICK, Selection
from tests.slices import MAIN, SLICES, slice_of
from tools import ROOT, TOOLCHAIN, VARIANTS
from tools.install import install, manager
from tools.render import render, snapshot
from tools.toolchain import environment

Rendered = Callable[..., Path]
SETTINGS = (
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "NATS_URL",
    "JWT_KEYS",
    "PORT",
    "HOST",
    "NODE_ENV",
    "LOG_LEVEL",
)
"""What a developer's shell may hold, and would change what a service does."""
DISK = tempfile.gettempdir()
"""For what takes gigabytes, or is to be linked to."""
MEMORY = Path("/dev/shm")  # noqa: S108 - tempfile makes a folder in it, whose name nobody can guess
ROOM = 4 * 2**30
"""Bytes that must be free in memory before anything is put there."""
LONGEST = (
    "conformance",
    "mutants",
    "test_updates.py",
    "test_modules.py",
    "test_service_scripts.py",
    "test_bench.py",
    "test_copier.py",
    "test_services.py",
    "test_render.py",
)
"""The parts of the suite that take minutes: begun first, so that no worker waits for another at the end."""


class ByService(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types of its schedulers
    """Gives to one worker what shares a built service: a part of the suite, for one variant."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, partial=bool(self.config.option.variant))


def scope_of(nodeid: str, *, partial: bool = False) -> str:
    """Returns what tests have in common that one worker runs.

    Args:
        partial: whether a part of the suite runs, of few services: two workers then build one each
    """
    part, parameters = part_of(nodeid), nodeid.partition("[")[2]
    if part == "mutants":
        return nodeid if "_killed[" in nodeid else f"mutants {subject_of(parameters)}"
    if part == "conformance":
        half = zlib.crc32(nodeid.partition("::")[0].encode()) % 2 if partial else 0
        return f"conformance {subject_of(parameters)} {half}"
    return f"{part} {subject_of(parameters)}"


def subject_of(parameters: str) -> str:
    """The services that parameters name: with a module that `copier copy` has written, or without."""
    return " ".join(
        f"{name}-module" if f"{name}-module" in parameters else name for name in VARIANTS if name in parameters
    )


def part_of(nodeid: str) -> str:
    """A file of tests, or a folder whose files share services."""
    file = Path(nodeid.partition("::")[0])
    return file.parent.name if file.parent.name in {"conformance", "mutants"} else file.name


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ", ".join([MAIN, *(each.name for each in SLICES)])
    parser.addoption("--slice", metavar="NAME", help=f"only the tests of a slice: {names}")
    parser.addoption("--variant", metavar="NAME", action="append", default=[], help="only the tests that name it")
    parser.addoption("--path", metavar="PATH", action="append", default=[], help="the tests of this file or folder too")


class Failures:
    """Names each test when it fails: the summary of a long run comes late."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_line("")
            terminal.write_line(f"{report.outcome.upper()} {report.nodeid}: {_reason(report)}", red=True)


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message.partition("\n")[0] if crash else report.when or ""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = Selection(frozenset(config.option.variant), frozenset(config.option.path))
    partial = chosen != Selection()
    left_out = [
        item
        for item in items
        if config.option.slice not in {None, slice_of(item.nodeid)} or (partial and not chosen.has(item.nodeid))
    ]
    if left_out:
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=left_out)
    place = {part: number for number, part in enumerate(LONGEST)}
    items.sort(
        key=lambda item: (
            partial and item.nodeid.partition("::")[0] not in QUICK,
            place.get(part_of(item.nodeid), len(LONGEST)),
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByService:
    return ByService(config, log)


@pytest.fixture(scope="session", autouse=True)
def toolchain_env() -> Iterator[dict[str, str]]:
    """The pinned Node and npm, first on PATH for everything that the tests start, and no settings of a service."""
    changed = {name: value for name, value in environment().items() if name not in SETTINGS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", changed["PATH"])
        # Node compiles what it loads once, and not in each of a thousand processes.
        patch.setenv("NODE_COMPILE_CACHE", str(TOOLCHAIN / "compiled"))
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        yield changed


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, but what a test has made stays until all have passed.

    For some minutes ext4 passes over an inode that was freed, one by one, when it looks for a free one. With thousands
    deleted after each test that was a third of the time of an update.
    """
    name: str = request.node.name
    return tmp_path_factory.mktemp(re.sub(r"\W", "_", name)[:30])


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all workers know."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def packages_can_be_linked(shared: Path) -> Iterator[None]:
    """Packages are installed on the file system of the tests' folders: a copy for each service would be 20 GB."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            os.link(ROOT / "Makefile", shared / f"linked-{os.getpid()}")
        except OSError:
            patch.setattr("tools.install._STORE", shared / "modules")
        yield


@pytest.fixture(scope="session", autouse=True)
def copier_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Copier keeps what it fetches in a folder of the tests: nobody needs their templates afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPIER_CACHE_DIR", str(tmp_path_factory.mktemp("copier-cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def own_copier() -> Iterator[None]:
    """Rendering in the tests' own process takes half of the time."""
    with lean_copier():
        yield


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The data of short-lived servers and what Copier checks out is in memory where there is room.

    That halves the time until a server is there. Whatever programs leave behind goes at the end.
    """
    tmp_path_factory.getbasetemp()  # is settled before: the tests' own folders stay on the disk
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(
            prefix="plinth-tests-", dir=MEMORY if room() >= ROOM else DISK, ignore_cleanup_errors=True
        ) as folder,
    ):
        Path(folder).chmod(0o1777)  # servers that root starts run as another user
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


def room() -> int:
    """Bytes that can be kept in memory; none where the system does not say, or lets no program be run from there."""
    try:
        if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            return 0
        available = re.search(r"^MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        return min(shutil.disk_usage(MEMORY).free, int(available[1]) * 2**10) if available else 0
    except OSError:
        return 0


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family as it is in the working tree."""
    return snapshot(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Renders a variant with some answers into a folder of its own; what was rendered before is copied."""
    before: dict[str, Path] = {}

    def make(variant: str, **answers: object) -> Path:
        key = json.dumps([variant, answers], sort_keys=True)
        if key not in before:
            before[key] = render(variant, tmp_path_factory.mktemp(variant) / "untouched", answers, template)
        return shutil.copytree(before[key], tmp_path_factory.mktemp(variant) / "service")

    return make


@pytest.fixture(scope="session", params=VARIANTS)
def service(request: pytest.FixtureRequest, rendered: Rendered, shared: Path) -> Path:
    """Each variant with its defaults and its packages. Tests read it and run its scripts; they change no file of it."""
    folder = rendered(request.param)
    install(folder)
    next_cache.take(folder, shared)
    return folder


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of a service, and shows what it said where it fails."""
    result = subprocess.run(
        command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False, timeout=900
    )
    if check and result.returncode != 0:
        pytest.fail(f"`{' '.join(command)}` ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return result


def script(service: Path, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a script of a service. npm wants dashes before what it hands on, and Bun would hand them on too."""
    program = manager(service)
    dashes = ["--"] if program == "npm" and arguments else []
    return run(service, program, "run", "--silent", name, *dashes, *arguments, check=check)
