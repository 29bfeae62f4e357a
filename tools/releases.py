"""The releases of the template: a list in releases.toml, tags, and the headings of CHANGELOG.md."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools import ROOT, VARIANTS, ToolError
from tools.git import git

LIST = "releases.toml"
CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True)
class Release:
    version: str
    commit: str
    date: datetime.date
    variants: tuple[str, ...]
    """What it offered."""

    @property
    def tag(self) -> str:
        """By which Copier finds it."""
        return f"v{self.version}"

    def __str__(self) -> str:
        return self.tag


def load(root: Path = ROOT) -> list[Release]:
    """The releases, oldest first."""
    entries = tomllib.loads((root / LIST).read_text())["release"]
    return [Release(**{**entry, "variants": tuple(entry["variants"])}) for entry in entries]


def check(version: str, root: Path = ROOT) -> Release:
    """What would be released, before the tests are run for it.

    Raises:
        ToolError: the version, the changelog or the checkout is not as a release needs it
    """
    new = _parse(version, load(root))
    if git(root, "status", "--porcelain"):
        raise ToolError("The checkout has changes that are not committed. Commit them, and release what was tested.")
    if git(root, "tag", "--list", new.tag):
        raise ToolError(
            f"There is a tag {new.tag} already. Remove it (git tag --delete {new.tag}), or raise the version."
        )
    heading = _heading(version)
    if heading not in (root / CHANGELOG).read_text():
        raise ToolError(f"{CHANGELOG} has no part '{heading.strip()}' that says what changes in a service. Write it.")
    return new


def release(version: str, root: Path = ROOT) -> None:
    """Dates the version's part of CHANGELOG.md, commits and tags that, and adds the commit to the list.

    The list names a commit, so it comes in a commit of its own, after the one that is released.

    Raises:
        ToolError: as check(); nothing has been changed
    """
    new = check(version, root)
    changelog = root / CHANGELOG
    changelog.write_text(changelog.read_text().replace(_heading(version), f"## {version}, {new.date}\n"))
    git(root, "commit", "--quiet", "--message", f"Release {version}", "--", CHANGELOG)
    commit = git(root, "rev-parse", "HEAD")
    git(root, "tag", "--annotate", "--message", f"Plinth {version}", new.tag)
    with (root / LIST).open("a") as file:
        lines = [f'version = "{version}"', f'commit = "{commit}"', f"date = {new.date}"]
        file.write("\n".join(["", "[[release]]", *lines, f"variants = {json.dumps(new.variants)}", ""]))
    git(root, "commit", "--quiet", "--message", f"List release {version}", "--", LIST)
    print(f"Released {version}. Publish it with: git push --follow-tags")


def _heading(version: str) -> str:
    return f"## {version}, unreleased\n"


def _parse(version: str, released: list[Release]) -> Release:
    last = released[-1].version
    example = re.sub(r"\d+$", lambda patch: str(int(patch[0]) + 1), last)
    if not version:
        raise ToolError(f"Which version? For example: make release VERSION={example}")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or _key(version) <= _key(last):
        raise ToolError(f"{version!r} is not a version after {last}, for example {example}.")
    return Release(version, "", datetime.datetime.now(datetime.UTC).date(), VARIANTS)


def _key(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
