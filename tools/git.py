"""git, as the tools run it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools import ToolError


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder.

    Raises:
        ToolError: git failed; the message has what it said
    """
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"`git {' '.join(arguments)}` failed:\n{result.stderr}")
    return result.stdout.strip()
