"""Copier and git, as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tools import ROOT, VARIANTS

COPIER = [str(Path(sys.executable).with_name("copier"))]
LEAN_COPIER = [sys.executable, "-P", str(Path(__file__).with_name("lean_copier.py"))]
ON_BUN = [name for name in VARIANTS if (ROOT / "variants" / name / "bun.lock.jinja").exists()]
"""The variants that Bun runs and installs."""

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | IDENTITY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def copier(*arguments: str, folder: Path, program: Sequence[str] = LEAN_COPIER) -> subprocess.CompletedProcess[str]:
    """The program as a user runs it, at no terminal."""
    return subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=os.environ | IDENTITY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def answers(service: Path) -> dict[str, Any]:
    stored: dict[str, Any] = yaml.safe_load((service / ".copier-answers.yml").read_text())
    return stored


def data(folder: Path, **given: object) -> list[str]:
    """Answers for Copier, in a file beside the service."""
    file = folder.with_name("data.yml")
    file.write_text(yaml.safe_dump(given))
    return ["--data-file", str(file)]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{file} has changed: this test needs {old!r} in it"
    file.write_text(text.replace(old, new, 1))


def update(service: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    result = copier("update", "--defaults", *arguments, folder=service)
    assert result.returncode == 0, result.stderr
    return result
