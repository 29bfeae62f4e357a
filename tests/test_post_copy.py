"""What `make new` does after the copy, on machines that lack something."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Rendered
from tests.copying import ON_BUN
from tools import DEFAULT_VARIANT, ROOT
from tools.install import install, manager

HOOK = ROOT / "hooks" / "post_copy.py"
Hook = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=[DEFAULT_VARIANT, *ON_BUN])
def fresh(request: pytest.FixtureRequest, rendered: Rendered, tmp_path: Path) -> Path:
    """A service as Copier leaves it, in a folder with a space and a letter that is not ASCII."""
    folder = tmp_path / "my services" / "Köln"
    shutil.copytree(rendered(request.param), folder)
    return folder


@pytest.fixture
def tool(fresh: Path) -> str:
    """What installs its packages: npm or Bun."""
    return manager(fresh)


@pytest.fixture
def runtime(tool: str) -> str:
    """What runs it: Node or Bun."""
    return "bun" if tool == "bun" else "node"


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """Runs the hook where only the given programs are installed, without a network unless told otherwise."""

    def run(
        folder: Path, *programs: str, arguments: tuple[str, ...] = (), network: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]:
        offline = {
            "HOME": str(tmp_path),
            "npm_config_registry": "http://127.0.0.1:1/",
            "npm_config_cache": str(tmp_path / "npm-cache"),
            "npm_config_fetch_retry_mintimeout": "1",
            "npm_config_fetch_retry_maxtimeout": "1",
        }
        own = {
            "PATH": str(only(tmp_path / "programs", *programs)),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        command = [sys.executable, str(HOOK), str(folder), *arguments]
        every = (dict(os.environ) if network else offline) | own | env
        return subprocess.run(command, env=every, capture_output=True, text=True, check=False, timeout=300)

    return run


def only(folder: Path, *programs: str) -> Path:
    """A folder that holds the named programs and a shell to run them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in dict.fromkeys(["sh", *programs]):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_everything_is_prepared_where_nothing_is_missing(fresh: Path, hook: Hook, runtime: str, tool: str) -> None:
    result = hook(fresh, "git", runtime, tool, network=True)
    assert result.returncode == 0, result.stderr
    assert (fresh / "node_modules" / "typescript").is_dir(), result.stdout
    assert re.findall(r"(?m)^(\S+): (.*)$", result.stdout) == [
        (".env", "written, with fresh secrets."),
        ("git", "a repository with a first commit."),
        ("packages", f"{tool} installs them ..."),
        ("packages", "installed."),
    ]
    assert result.stdout.endswith(f"\nNext:\n\n    cd '{fresh}'\n    {tool} run dev\n\n")


def test_env_holds_fresh_secrets_for_this_user_alone(fresh: Path, hook: Hook, runtime: str) -> None:
    hook(fresh, "git", runtime)
    text = (fresh / ".env").read_text()
    secrets = re.findall(r"(?m)^\w+=(dev_[0-9a-f]{64})$", text)
    assert secrets
    assert len(secrets) == len(set(secrets))
    assert "=<secret>" not in text
    assert stat.S_IMODE((fresh / ".env").stat().st_mode) == 0o600


def test_the_first_commit_holds_all_but_secrets_and_packages(fresh: Path, hook: Hook, runtime: str) -> None:
    install(fresh)
    hook(fresh, "git", runtime)
    assert git(fresh, "status", "--porcelain") == ""
    assert git(fresh, "rev-list", "--count", "HEAD") == "1"
    assert git(fresh, "branch", "--show-current") == "main"
    tracked = git(fresh, "-c", "core.quotePath=false", "ls-files").splitlines()
    lock = "bun.lock" if runtime == "bun" else "package-lock.json"
    assert {"package.json", lock, ".env.example", ".copier-answers.yml"} <= set(tracked)
    assert [name for name in tracked if name == ".env" or "node_modules/" in name or name.startswith(".data/")] == []


def test_running_it_twice_changes_nothing(fresh: Path, hook: Hook, runtime: str, tool: str) -> None:
    install(fresh)
    hook(fresh, "git", runtime, tool)
    before = (
        git(fresh, "rev-parse", "HEAD"),
        (fresh / ".env").read_text(),
        (fresh / "node_modules").stat().st_mtime_ns,
    )
    result = hook(fresh, "git", runtime, tool)
    after = (git(fresh, "rev-parse", "HEAD"), (fresh / ".env").read_text(), (fresh / "node_modules").stat().st_mtime_ns)
    assert result.returncode == 0
    assert before == after
    assert result.stdout.count("as it is") + result.stdout.count("as they are") == 3


def test_an_env_that_is_there_is_kept(fresh: Path, hook: Hook, runtime: str) -> None:
    (fresh / ".env").write_text("PORT=4000\n")
    hook(fresh, "git", runtime)
    assert (fresh / ".env").read_text() == "PORT=4000\n"


def test_without_a_network_all_but_the_packages_is_done(fresh: Path, hook: Hook, runtime: str, tool: str) -> None:
    result = hook(fresh, "git", runtime, tool)
    assert result.returncode == 0
    assert re.search(rf"packages: left out \({'npm ' if tool == 'npm' else ''}error.+\)\. Later: ", result.stdout)
    assert f"Later: cd '{fresh}' && {tool} install" in result.stdout
    assert result.stdout.endswith(f"    cd '{fresh}'\n    {tool} install && {tool} run dev\n\n")
    assert not (fresh / "node_modules").exists()
    assert git(fresh, "rev-list", "--count", "HEAD") == "1"
    assert (fresh / ".env").exists()


def test_without_git_the_command_for_later_is_given(fresh: Path, hook: Hook, runtime: str, tool: str) -> None:
    install(fresh)
    result = hook(fresh, runtime, tool)
    assert result.returncode == 0
    by_hand = f"cd '{fresh}' && git init -b main && git add -A && git commit -m 'Start from Plinth'"
    assert f"git: left out (git is not installed). Later: {by_hand}" in result.stdout
    assert (fresh / ".env").exists()
    assert not (fresh / ".git").exists()


def test_without_its_installer_the_command_for_later_is_given(fresh: Path, hook: Hook, tool: str) -> None:
    result = hook(fresh, "git", "node")
    assert result.returncode == 0
    assert f"packages: left out ({tool} is not installed). Later: cd '{fresh}' && {tool} install" in result.stdout


def test_without_its_runtime_it_says_which_one_is_needed(fresh: Path, hook: Hook, runtime: str, tool: str) -> None:
    result = hook(fresh, "git")
    assert result.returncode == 0
    assert f".env: left out ({runtime} is not installed" in result.stdout
    assert f"The first `{tool} run dev` writes it." in result.stdout
    assert f"{runtime}: the service needs {runtime.capitalize()} >=" in result.stdout
    assert "the one on PATH is missing." in result.stdout
    assert ("npm install --global bun@" in result.stdout) == (runtime == "bun")
    assert not (fresh / ".env").exists()
    assert git(fresh, "rev-list", "--count", "HEAD") == "1"


def test_an_old_runtime_is_named_with_the_version_that_is_needed(
    fresh: Path, hook: Hook, tmp_path: Path, runtime: str
) -> None:
    old = tmp_path / "old" / runtime
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho " + {"node": "v20.11.1", "bun": "1.4.4"}[runtime] + "\n")
    old.chmod(0o755)
    path = f"{old.parent}{os.pathsep}{only(tmp_path / 'others', 'git')}"
    result = hook(fresh, PATH=path)
    assert result.returncode == 0
    needed = {"node": r"Node >=24\S*, and the one on PATH is v20\.11\.1\.$", "bun": r"Bun >=1\.4\.5, .* is 1\.4\.4\. "}
    assert re.search(f"(?m)^{runtime}: the service needs {needed[runtime]}", result.stdout)
    assert ".env: left out" in result.stdout
    assert not (fresh / ".env").exists()


def test_a_newer_runtime_can_be_given_and_the_next_commands_use_it(
    fresh: Path, hook: Hook, tmp_path: Path, runtime: str, tool: str
) -> None:
    install(fresh)
    given = only(tmp_path / "given programs", runtime, tool)
    result = hook(fresh, "git", arguments=("--path", str(given)))
    assert result.returncode == 0
    assert (fresh / ".env").exists()
    assert f"    export PATH='{given}':\"$PATH\"\n    cd '{fresh}'\n    {tool} run dev\n" in result.stdout


def test_a_repository_around_the_service_is_left_alone(fresh: Path, hook: Hook) -> None:
    around = fresh.parent
    git(around, "init", "--quiet")
    (around / "committed").write_text("1\n")
    git(around, "add", "committed")
    git(around, "commit", "--quiet", "--message", "Their work")
    (around / "staged").write_text("2\n")
    git(around, "add", "staged")
    before = (git(around, "rev-parse", "HEAD"), git(around, "status", "--porcelain"))
    result = hook(fresh, "git", "node")
    assert "git: the folder is in a repository already, which stays as it is." in result.stdout
    assert (git(around, "rev-parse", "HEAD"), git(around, "status", "--porcelain")) == before
    assert git(around, "diff", "--cached", "--name-only") == "staged"
    assert not (fresh / ".git").exists()


def test_a_repository_without_a_commit_is_left_alone(fresh: Path, hook: Hook) -> None:
    git(fresh, "init", "--quiet", "--initial-branch=trunk")
    result = hook(fresh, "git", "node")
    assert "git: the folder is in a repository already, which stays as it is." in result.stdout
    assert git(fresh, "branch", "--show-current") == "trunk"
    assert git(fresh, "diff", "--cached", "--name-only") == ""


def test_without_an_identity_no_half_made_repository_is_left(fresh: Path, hook: Hook, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    nobody = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "")
    result = hook(fresh, "git", "node", **nobody)
    assert result.returncode == 0
    assert re.search(r"git: left out \(.*(identity|ident|email).*\)\. Later: cd ", result.stdout)
    assert not (fresh / ".git").exists()


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_that_is_no_service_is_refused(tmp_path: Path, hook: Hook, name: str) -> None:
    (tmp_path / "empty").mkdir()
    result = hook(tmp_path / name, "git", "node", "npm")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {tmp_path / name} is not a service that Plinth wrote")
    assert "for example: " in result.stderr
    assert list((tmp_path / "empty").iterdir()) == []
