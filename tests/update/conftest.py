"""The template as it is published, with its releases; and services that were made from each of them."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests import next_cache
from tests.conftest import run
from tests.copying import commit, copier, git, update
from tests.modules.adding import add_module, every_type
from tests.update.edits import EDITS, everywhere, newer_migration
from tools import ROOT, VARIANTS
from tools.install import install, manager, own, share
from tools.releases import Release, load
from tools.render import render, snapshot

COUNT = Path(__file__).with_name("count.py")


@dataclass(frozen=True)
class Published:
    """The template in a repository, as on a git host: its releases are tags, and main is the working tree."""

    url: str

    def copy(self, release: Release, variant: str, service: Path, *arguments: str) -> None:
        """A service as a user of that release has it, in git."""
        result = copier(
            *("copy", "--defaults", "--vcs-ref", release.tag, "--data", f"variant={variant}", *arguments),
            *(self.url, str(service)),
            folder=service.parent,
        )
        assert result.returncode == 0, result.stderr
        git(service, "init", "--quiet", "--initial-branch=main")
        commit(service, "Start from Plinth")


@dataclass(frozen=True)
class Updated:
    """A service of an earlier release, with its user's work in it, after `copier update` and `npm install`."""

    variant: str
    folder: Path
    work: str
    """The commit of the user's work."""
    rows: dict[str, int]
    """How many rows each table had, of the sample data of that release."""


@pytest.fixture(scope="session")
def history() -> None:
    """The commits of the releases, which a shallow checkout does not have."""
    missing = [entry.version for entry in load() if not exists(entry.commit)]
    if missing:
        pytest.fail(f"The history of this checkout lacks {', '.join(missing)}. Fetch it: git fetch --unshallow")


def exists(commit: str) -> bool:
    return subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, check=False).returncode == 0


@pytest.fixture(scope="session")
def published(history: None, tmp_path_factory: pytest.TempPathFactory) -> Published:  # noqa: ARG001 - it is needed
    folder = tmp_path_factory.mktemp("published")
    work, bare = folder / "work", folder / "plinth.git"
    git(ROOT, "clone", "--quiet", "--bare", ROOT.as_uri(), str(bare))
    for release in load():
        git(bare, "tag", "--force", release.tag, release.commit)
    git(ROOT, "clone", "--quiet", "--no-checkout", bare.as_uri(), str(work))
    snapshot(work)
    commit(work, "The working tree")
    git(work, "push", "--quiet", "origin", "HEAD")
    return Published(bare.as_uri())


def made() -> list[tuple[str, Release]]:
    """What there can be in the world: each variant that a release had, made from that release."""
    return [(variant, release) for release in load() for variant in release.variants]


Update = Callable[[str, Release], Updated]


@pytest.fixture(scope="session")
def bring_up_to_date(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Update:
    """Makes a service from a release, with its user's work in it, and updates it: each once."""

    @cache
    def make(variant: str, release: Release) -> Updated:
        published: Published = request.getfixturevalue("published")
        service = tmp_path_factory.mktemp("updated") / "service"
        published.copy(release, variant, service)
        install(service)
        newer_migration(service, variant)
        rows = rows_after(service, "db:migrate", "db:seed")
        if manager(service) == "npm":
            own(service)
        else:  # what other tests share would be written into
            for modules in [*service.glob("*/*/node_modules"), service / "node_modules"]:
                shutil.rmtree(modules)
        work = edited(service, variant)
        update(service, "--vcs-ref=HEAD")
        run(service, manager(service), "install")
        return Updated(variant, service, work, rows)

    return make


@pytest.fixture(scope="session", params=made(), ids=lambda pair: f"{pair[0]}-{pair[1]}")
def updated(request: pytest.FixtureRequest, bring_up_to_date: Update) -> Updated:
    return bring_up_to_date(*request.param)


def unreleased() -> list[tuple[str, None]]:
    """The variants that the next release will be the first to have."""
    return [(variant, None) for variant in VARIANTS if all(variant not in release.variants for release in load())]


@pytest.fixture(
    scope="session", params=[*made(), *unreleased()], ids=lambda pair: "-".join(str(part) for part in pair if part)
)
def with_modules(
    request: pytest.FixtureRequest, bring_up_to_date: Update, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An updated service with two modules beside its own: one with a field of each type, one that refers to that."""
    variant, release = request.param
    service = tmp_path_factory.mktemp("with-modules") / "service"
    if release is None:
        render(variant, service)
        install(service)
    else:
        before = bring_up_to_date(variant, release).folder
        shutil.copytree(before, service, symlinks=True, ignore=shutil.ignore_patterns("node_modules", ".data"))
        share(before, service)
    next_cache.take(service, shared)
    exhibit = {"module_singular": "exhibit", "module_fields": every_type(variant, "exhibits")}
    fields = [
        {"name": "title", "type": "string", "required": True},
        {"name": "exhibitId", "type": "reference", "to": "exhibits", "required": True},
    ]
    case = {"module_singular": "show-case", "module_fields": fields, "module_soft_delete": True}
    for answers in (exhibit, case):
        add_module(service, {"create": "module", **answers})
    return service


def edited(service: Path, variant: str) -> str:
    """Does its user's work in a service; the commit of that."""
    everywhere(service)
    EDITS[variant](service)
    return commit(service, "Our work")


def rows_after(service: Path, *scripts: str) -> dict[str, int]:
    """Runs scripts of the service beside its own servers, and counts the rows of each table then."""
    counted = service.with_name("rows.json")
    commands = [*([manager(service), "run", name] for name in scripts), [sys.executable, str(COUNT), str(counted)]]
    script = " && ".join(map(shlex.join, commands))
    run(service, "node", "scripts/services.mjs", "--", "sh", "-c", script)
    rows: dict[str, int] = json.loads(counted.read_text())
    return rows
