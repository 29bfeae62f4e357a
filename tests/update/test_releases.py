"""The list of releases, and what makes one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.copying import commit, git
from tools import ROOT, ToolError
from tools.releases import LIST, Release, check, load, release


def test_the_list_goes_up_and_the_changelog_tells_of_each() -> None:
    versions = [[int(part) for part in entry.version.split(".")] for entry in load()]
    assert versions == sorted(versions)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    dated = re.findall(r"(?m)^## (\d+\.\d+\.\d+), (\d{4}-\d{2}-\d{2})$", changelog)
    assert dated == [(entry.version, str(entry.date)) for entry in reversed(load())]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("entry", load(), ids=str)
def test_a_release_is_part_of_the_history(entry: Release) -> None:
    assert git(ROOT, "merge-base", "--is-ancestor", entry.commit, "HEAD") == ""


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("entry", load(), ids=str)
def test_migrations_that_were_released_are_as_they_were(entry: Release) -> None:
    listed = git(ROOT, "ls-tree", "-r", "--name-only", entry.commit, "variants", "template").splitlines()
    migrations = [
        name
        for name in listed
        if "/migrations/" in name and "/meta/" not in name and name.split("/")[1] in entry.variants
        if not name.endswith("/index.ts")  # lists those of later releases too
    ]
    assert migrations
    changed = [
        name
        for name in migrations
        if not (ROOT / name).exists()
        or (ROOT / name).read_text().rstrip("\n") != git(ROOT, "show", f"{entry.commit}:{name}")
    ]
    assert changed == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with what a release needs, and nothing else."""
    folder = tmp_path / "plinth"
    folder.mkdir()
    shutil.copy(ROOT / LIST, folder)
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 99.1.0, unreleased\n\nNews.\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    commit(folder, "All")
    return folder


def test_a_release_is_dated_committed_tagged_and_listed(checkout: Path) -> None:
    release("99.1.0", checkout)
    new = load(checkout)[-1]
    assert new.version == "99.1.0"
    assert git(checkout, "rev-parse", "v99.1.0^{commit}") == new.commit == git(checkout, "rev-parse", "HEAD~")
    assert f"## 99.1.0, {new.date}\n" in git(checkout, "show", f"{new.commit}:CHANGELOG.md")
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("", "Which version? For example: make release VERSION="),
        ("0.0.1", "'0.0.1' is not a version after"),
        ("v99.1.0", "'v99.1.0' is not a version after"),
        ("99.2.0", "CHANGELOG.md has no part '## 99.2.0, unreleased'"),
    ],
)
def test_what_cannot_be_released_is_explained_and_changes_nothing(checkout: Path, version: str, message: str) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    for action in (check, release):
        with pytest.raises(ToolError, match=re.escape(message)):
            action(version, checkout)
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")) == (before, "")


def test_changes_that_are_not_committed_are_not_released(checkout: Path) -> None:
    (checkout / "new").write_text("half a thought")
    with pytest.raises(ToolError, match="changes that are not committed"):
        release("99.1.0", checkout)


def test_a_version_is_released_once(checkout: Path) -> None:
    git(checkout, "tag", "v99.1.0")
    with pytest.raises(ToolError, match=r"There is a tag v99\.1\.0 already"):
        release("99.1.0", checkout)
