"""Services of earlier releases, with their users' work in them, are brought to the present state."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import script
from tests.copying import COPIER, IDENTITY, answers, commit, copier, data, edit, git, update
from tests.update.conftest import Published, Updated, edited, made, rows_after
from tests.update.edits import DROPPED, PINNED, SAMPLE_DOMAIN
from tools.install import manager
from tools.releases import Release, load

IGNORED = {"package.json"}
"""npm writes it as well: it is compared by what it says."""
DASHBOARD = "deploy/observability/grafana/dashboards/service.json"
FILLED_BY_MIGRATIONS = {"private.retention"}
"""A migration that adds a table adds how long its rows are kept."""


def test_an_update_loses_no_line_that_its_user_wrote(updated: Updated) -> None:
    lost = []
    for name, added, removed in changes(updated.folder, updated.work):
        present = (updated.folder / name).read_text().splitlines() if (updated.folder / name).exists() else []
        lost += [f"{name}: {line}" for line in added if line not in present]
        before = git(updated.folder, "show", f"{updated.work}:{name}").splitlines() if present else []
        lost += [f"{name}: {line} is back" for line in removed if line in present and line not in before]
    assert lost == []


def test_an_update_brings_back_nothing_that_its_user_deleted(updated: Updated) -> None:
    deleted = git(updated.folder, "diff", "--name-only", "--diff-filter=D", f"{updated.work}~", updated.work)
    assert deleted
    assert [name for name in deleted.splitlines() if (updated.folder / name).exists()] == []


def test_an_update_has_no_conflict_where_only_one_side_changed(updated: Updated) -> None:
    assert conflicts(updated.folder) == set()
    assert "<<<<<<< " not in git(updated.folder, "diff", updated.work)
    assert list(updated.folder.glob("*.rej")) == []


def test_an_update_brings_what_a_new_service_has(updated: Updated, published: Published, tmp_path: Path) -> None:
    assert outdated(updated.folder, updated.work, published, tmp_path) == []


def outdated(service: Path, work: str, published: Published, folder: Path) -> list[str]:
    """The files that are not as in a new service with the same answers, but for those that the user's work changed."""
    fresh = folder / "fresh" / service.name
    fresh.parent.mkdir()
    stored = {name: value for name, value in answers(service).items() if not name.startswith("_")}
    given = data(fresh, **stored)
    result = copier("copy", "--defaults", "--vcs-ref=HEAD", *given, published.url, str(fresh), folder=folder)
    assert result.returncode == 0, result.stderr
    kept = set(git(service, "diff", "--name-only", f"{work}~", work).splitlines())
    kept |= {"package-lock.json", "bun.lock", ".copier-answers.yml"}
    wanted = {str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file()}
    there = set(git(service, "ls-files", "--cached", "--others", "--exclude-standard").splitlines())
    present = {name for name in there if (service / name).exists()}
    return sorted(
        name
        for name in (wanted | present) - kept
        if name not in wanted or name not in present or (service / name).read_bytes() != (fresh / name).read_bytes()
    )


def test_a_package_stays_at_the_version_that_its_user_chose(updated: Updated) -> None:
    package = json.loads((updated.folder / "package.json").read_text())
    assert package["scripts"]["lint:strict"] == "biome check --error-on-warnings ."
    name, version = PINNED[manager(updated.folder)]
    assert installed(updated, name) == package["devDependencies"][name] == version
    assert installed(updated, "picocolors") == package["dependencies"]["picocolors"] == "1.1.1"


def installed(updated: Updated, name: str) -> str:
    version: str = json.loads((updated.folder / "node_modules" / name / "package.json").read_text())["version"]
    return version


@pytest.mark.parametrize("command", ["lint", "typecheck", "db:check", "openapi --check", "test"])
def test_an_updated_service_to_which_modules_are_added_passes_its_own_checks(with_modules: Path, command: str) -> None:
    script(with_modules, *command.split())


def test_a_database_of_an_earlier_release_is_migrated_with_its_rows(updated: Updated) -> None:
    assert max(updated.rows.values()) > 0
    rows = rows_after(updated.folder, "db:migrate")
    before = {name: count for name, count in updated.rows.items() if "migrations" not in name}
    changed = {name: count for name, count in before.items() if rows[name] != count}
    assert changed.keys() <= FILLED_BY_MIGRATIONS
    assert {name: count for name, count in changed.items() if rows[name] < count} == {}


def conflicts(service: Path) -> set[str]:
    """The files that git says are to be settled."""
    return set(git(service, "diff", "--name-only", "--diff-filter=U").splitlines())


def changes(service: Path, commit: str) -> list[tuple[str, list[str], list[str]]]:
    """The files that a commit changed, each with the lines that it added and those that it removed."""
    found: list[tuple[str, list[str], list[str]]] = []
    for line in git(service, "diff", "--unified=0", "--diff-filter=AM", f"{commit}~", commit).splitlines():
        if line.startswith("+++ b/"):
            found.append((line.removeprefix("+++ b/"), [], []))
        elif found and line.startswith("+"):
            found[-1][1].append(line[1:])
        elif found and line.startswith("-") and not line.startswith("---"):
            found[-1][2].append(line[1:])
    return [entry for entry in found if entry[0] not in IGNORED]


def of_some_variant() -> list[tuple[str, Release]]:
    """Each release, with one of its variants: what Copier and git do is the same in all, and each has its turn."""
    return [(release.variants[number % len(release.variants)], release) for number, release in enumerate(load())]


Worked = Callable[[str, Release], Path]


@pytest.fixture(scope="module")
def worked(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Worked:
    """Makes a service of a release, with its user's work in it: once, and tests work on copies."""

    @cache
    def make(variant: str, release: Release) -> Path:
        service = tmp_path_factory.mktemp(f"{variant}-{release}") / "service"
        published.copy(release, variant, service)
        edited(service, variant)
        return service

    return make


@pytest.fixture
def service(request: pytest.FixtureRequest, worked: Worked, tmp_path: Path) -> Path:
    return Path(shutil.copytree(worked(*request.param), tmp_path / "service"))


def services(pairs: list[tuple[str, Release]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", pairs, ids=lambda pair: f"{pair[0]}-{pair[1]}", indirect=True)


@services(made())
def test_an_update_may_change_answers(
    service: Path, published: Published, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    variant, _ = request.node.callspec.params["service"]
    changed = {"kubernetes": True, "project_name": "Box Office", "port": 4100, **DROPPED[variant]}
    work = git(service, "rev-parse", "HEAD")
    update(service, "--vcs-ref=HEAD", *data(service, **changed))
    assert (service / "deploy" / "helm" / "Chart.yaml").is_file()
    assert (service / "README.md").read_text().startswith("# Box Office\n")
    assert "PORT=4100" in (service / ".env.example").read_text().splitlines()
    assert (service / "README.md").read_text().endswith("\n## On call\n\nRing the box office.\n")
    assert conflicts(service) == {DASHBOARD}  # it has the name in a line, and its user has put all lines differently
    assert changed.items() <= answers(service).items()
    assert outdated(service, work, published, tmp_path) == []


@services(of_some_variant())
def test_a_sample_domain_that_its_user_has_removed_stays_away(service: Path, request: pytest.FixtureRequest) -> None:
    variant, _ = request.node.callspec.params["service"]
    for folder in SAMPLE_DOMAIN[variant]:
        shutil.rmtree(service / folder)
    commit(service, "Our own domain instead")
    update(service, "--vcs-ref=HEAD")
    assert [folder for folder in SAMPLE_DOMAIN[variant] if (service / folder).exists()] == []
    assert conflicts(service) == set()


@services(of_some_variant())
def test_a_conflict_is_marked_where_both_sides_changed_and_the_rest_is_merged(service: Path) -> None:
    readme = service / "README.md"
    title = readme.read_text().splitlines()[0]
    edit(readme, f"{title}\n", f"{title}, by the river\n")
    commit(service, "Our title")
    result = update(service, "--vcs-ref=HEAD", "--data", "project_name=Box Office")
    assert conflicts(service) == {"README.md", DASHBOARD}
    assert f"<<<<<<< before updating\n{title}, by the river\n" in readme.read_text()
    assert "git status" in result.stdout + result.stderr


@services(of_some_variant())
def test_an_update_of_uncommitted_work_is_refused_and_says_what_to_do(service: Path) -> None:
    (service / "README.md").write_text("Half a sentence")
    result = copier("update", "--defaults", "--vcs-ref=HEAD", folder=service)
    assert result.returncode != 0
    assert "commit or stash" in result.stderr
    assert git(service, "status", "--porcelain").strip() == "M README.md"


@dataclass(frozen=True)
class Interruption:
    """The git command of `copier update`, in the service's folder, at which the update is killed."""

    command: str
    occurrence: int = 1
    lock: bool = False
    """Whether the index lock stays, as it does if git is killed while it writes the index."""

    def git(self, service: Path, folder: Path) -> None:
        """Writes a `git` that kills its process group at this command."""
        script = f"""#!/bin/sh
if [ "$PWD" = {shlex.quote(str(service))} ]; then
  case "$*" in {shlex.quote(self.command)}*)
    echo >> {shlex.quote(str(folder / "commands"))}
    if [ "$(wc -l < {shlex.quote(str(folder / "commands"))})" -eq {self.occurrence} ]; then
      {"touch .git/index.lock" if self.lock else ":"}
      kill -KILL 0
    fi ;;
  esac
fi
exec {shlex.quote(shutil.which("git") or "git")} "$@"
"""
        (folder / "git").write_text(script)
        (folder / "git").chmod(0o755)


INTERRUPTIONS = {
    "fetching": Interruption("worktree add"),
    "before-writing": Interruption("status --porcelain --", lock=True),
    "writing": Interruption("config --type=bool", occurrence=30),
    "before-merging": Interruption("apply"),
    "merged": Interruption("status --porcelain --ignored", lock=True),
}


@services(of_some_variant())
@pytest.mark.parametrize("interruption", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_an_update_that_was_interrupted_can_be_taken_back_and_repeated(
    service: Path, interruption: Interruption, tmp_path: Path
) -> None:
    before = git(service, "rev-parse", "HEAD^{tree}")
    programs = tmp_path / "programs"
    programs.mkdir()
    interruption.git(service, programs)
    killed = subprocess.run(
        [*COPIER, "update", "--defaults", "--vcs-ref=HEAD"],
        cwd=service,
        # Copier's cache may be unreadable after this: README reports it, and template:update does not use it.
        env=os.environ
        | IDENTITY
        | {
            "COPIER_CACHE_DIR": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path),
            "PATH": f"{programs}:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
        timeout=300,
    )
    assert killed.returncode == -signal.SIGKILL
    if interruption.lock:  # git names the file to remove, as README does
        refused = subprocess.run(["git", "reset", "--hard"], cwd=service, capture_output=True, text=True, check=False)
        assert ".git/index.lock" in refused.stderr
        (service / ".git" / "index.lock").unlink()
    git(service, "reset", "--quiet", "--hard")
    git(service, "clean", "--quiet", "--force", "-d")
    git(service, "add", "--all")
    assert git(service, "write-tree") == before
    update(service, "--vcs-ref=HEAD")
    assert conflicts(service) == set()


@services(of_some_variant())
def test_recopy_overwrites_in_the_working_tree_what_git_still_has(service: Path) -> None:
    result = copier("recopy", "--defaults", "--overwrite", "--vcs-ref=HEAD", folder=service)
    assert result.returncode == 0, result.stderr
    assert "On call" not in (service / "README.md").read_text()
    added = git(service, "diff", "--name-only", "--diff-filter=A", "HEAD~", "HEAD").splitlines()
    assert added
    assert all((service / name).exists() for name in added)
    git(service, "checkout", "--quiet", "HEAD", "--", "README.md")
    assert "On call" in (service / "README.md").read_text()


def test_an_update_goes_through_releases_one_after_the_other(worked: Worked, tmp_path: Path) -> None:
    first = worked(*made()[0])
    service, straight = (Path(shutil.copytree(first, tmp_path / name)) for name in ("service", "straight"))
    later: list[Release] = load()[1:]
    for reference in [*(release.tag for release in later), "HEAD"]:
        update(service, f"--vcs-ref={reference}")
        commit(service, f"Update to {reference}")
    update(straight, "--vcs-ref=HEAD")
    git(straight, "add", "--all")
    assert git(straight, "write-tree") == git(service, "rev-parse", "HEAD^{tree}")
