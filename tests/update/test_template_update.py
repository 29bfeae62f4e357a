"""`npm run template:update`: what CI runs every week, and a person when they like."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.copying import COPIER, IDENTITY, ON_BUN, commit, copier, edit, git
from tools import DEFAULT_VARIANT
from tools.install import manager
from tools.render import snapshot

OLD, NEW = "v99.0.0", "v99.1.0"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a template with two releases: the newer one has another first line in two files."""
    folder = tmp_path_factory.mktemp("released")
    work, bare = folder / "work", folder / "plinth.git"
    snapshot(work)
    git(work, "init", "--quiet", "--initial-branch=main")
    commit(work, "The old release")
    git(work, "tag", OLD)
    changed = [f"{DEFAULT_VARIANT}/vitest.config.ts", *(f"{name}/tsconfig.json" for name in (DEFAULT_VARIANT, *ON_BUN))]
    for name in changed:
        file = work / "variants" / name
        file.write_text("// New.\n" + file.read_text())
    commit(work, "The new release")
    git(work, "tag", NEW)
    git(work, "clone", "--quiet", "--bare", str(work), str(bare))
    return bare.as_uri()


@pytest.fixture(scope="module")
def made(released: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service of the old release, in git, with one edit that the new one collides with and checks of its own."""
    folder = tmp_path_factory.mktemp("made") / "service"
    result = copier("copy", "--defaults", "--vcs-ref", OLD, released, str(folder), folder=folder.parent)
    assert result.returncode == 0, result.stderr
    config = folder / "vitest.config.ts"
    config.write_text("// Ours.\n" + config.read_text())
    manifest = folder / "package.json"
    package = json.loads(manifest.read_text())
    # npm has nothing to fetch, and nothing runs for long.
    package |= {"dependencies": {}, "devDependencies": {}}
    package["scripts"] |= {
        "lint": "node -e 0",
        "typecheck": "node -e \"console.log('half a type');process.exit(1)\"",
        "test": "node -e 0",
    }
    manifest.write_text(json.dumps(package, indent=2) + "\n")
    (folder / "package-lock.json").unlink()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from Plinth, and go on")
    return folder


@pytest.fixture
def service(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "service"))


def template_update(
    service: Path, *arguments: str, path: str | None = None, runtime: str = "node"
) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(COPIER[0]).parent}:{os.environ['PATH']}" if path is None else path
    return subprocess.run(
        [shutil.which(runtime) or runtime, "scripts/template-update.mjs", *arguments],
        cwd=service,
        env=os.environ | IDENTITY | {"PATH": programs},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_check_tells_of_a_newer_release_and_changes_nothing(service: Path) -> None:
    result = template_update(service, "--check")
    assert (result.returncode, result.stdout) == (0, f"This service has {OLD} of its template, and {NEW} is out.\n")
    assert git(service, "status", "--porcelain") == ""


def test_an_update_is_committed_in_a_branch_with_a_report_of_conflicts_and_checks(
    service: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.md"
    result = template_update(service, "--branch", "--report", str(report))
    assert result.returncode == 0, result.stderr
    assert git(service, "branch", "--show-current") == f"template/{NEW}"
    assert git(service, "status", "--porcelain") == ""
    assert git(service, "show", "--format=%s", "--no-patch") == f"Update to {NEW} of the template"
    assert (service / "tsconfig.json").read_text().startswith("// New.\n")
    assert "<<<<<<< before updating\n// Ours.\n" in (service / "vitest.config.ts").read_text()
    text = report.read_text()
    assert f"has released {NEW}" in text
    assert text.count("- `vitest.config.ts`\n") == 1
    assert "tsconfig.json" not in text
    assert "- `npm run lint`: passes\n- `npm run typecheck`: **fails**\n" in text
    assert "half a type" in text
    assert text.endswith("- `npm run test`: passes\n")
    assert text in f"{result.stdout}\n"


@pytest.mark.parametrize("variant", ON_BUN)
def test_a_service_on_bun_is_installed_and_checked_by_bun(variant: str, released: str, tmp_path: Path) -> None:
    folder = tmp_path / "service"
    data = ("--data", f"variant={variant}")
    result = copier("copy", "--defaults", "--vcs-ref", OLD, *data, released, str(folder), folder=tmp_path)
    assert result.returncode == 0, result.stderr
    manager(folder)  # Bun is there
    manifest = folder / "package.json"
    package = json.loads(manifest.read_text())
    # Bun has nothing to fetch, and nothing runs for long.
    package |= {"workspaces": [], "dependencies": {}, "devDependencies": {}}
    package["scripts"] |= dict.fromkeys(("lint", "typecheck", "test"), "bun -e 0")
    manifest.write_text(json.dumps(package, indent=2) + "\n")
    (folder / "bun.lock").unlink()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from Plinth, and go on")

    result = template_update(folder, runtime="bun")
    assert result.returncode == 0, result.stderr
    assert (folder / "tsconfig.json").read_text().startswith("// New.\n")
    steps = ("install", "run lint", "run typecheck", "run test")
    assert result.stdout.endswith("".join(f"- `bun {step}`: passes\n" for step in steps))


def test_what_a_killed_copier_has_left_is_in_nobodys_way(
    service: Path, released: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("COPIER_CACHE_DIR", str(cache))
    assert copier("copy", "--defaults", released, str(tmp_path / "other"), folder=tmp_path).returncode == 0
    [mirror] = cache.glob("*.git")
    git(mirror, "worktree", "add", "--detach", str(tmp_path / "tree"), NEW)
    (mirror / "worktrees" / "tree" / "HEAD").write_text("0" * 40 + "\n")  # as it is before git has written the commit
    failed = copier("update", "--defaults", folder=service)
    assert "bad object worktrees/tree/HEAD" in failed.stderr
    assert git(service, "status", "--porcelain") == ""

    result = template_update(service)
    assert result.returncode == 0, result.stderr
    assert (service / "tsconfig.json").read_text().startswith("// New.\n")


def test_a_service_of_the_newest_release_is_up_to_date(service: Path, tmp_path: Path) -> None:
    edit(service / ".copier-answers.yml", f"_commit: {OLD}", f"_commit: {NEW}-3-gabcdef0")
    report = tmp_path / "report.md"
    result = template_update(service, "--branch", "--report", str(report))
    assert result.returncode == 0
    assert result.stdout == f"This service is up to date: the newest release of its template is {NEW}.\n"
    assert not report.exists()
    assert git(service, "branch", "--show-current") == "main"


def test_work_that_is_not_committed_is_left_alone(service: Path) -> None:
    (service / "half.ts").write_text("a thought")
    result = template_update(service)
    assert result.returncode == 1
    assert result.stderr == "There are changes that are not committed. Commit or stash them, and try again.\n"


def test_a_template_that_cannot_be_reached_is_named(service: Path) -> None:
    edit(service / ".copier-answers.yml", "file://", "file:///nowhere")
    result = template_update(service)
    assert result.returncode == 1
    assert "git ls-remote" in result.stderr
    assert "/nowhere" in result.stderr


def test_where_copier_is_missing_it_says_how_to_get_it(service: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(shutil.which("git") or "")
    result = template_update(service, path=str(tmp_path / "bin"))
    assert result.returncode == 1
    assert "Copier is needed, and there is none. Install pipx" in result.stderr


def test_a_bad_option_gets_the_usage(service: Path) -> None:
    result = template_update(service, "--force")
    assert result.returncode == 2
    assert "'--force'" in result.stderr
    assert "Usage: node scripts/template-update.mjs" in result.stderr
