"""What Next.js keeps of a build: the first one of a run leaves it for others, as its documentation advises for CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_CACHE = Path(".next") / "cache"


def take(service: Path, shared: Path) -> None:
    """Gives a service what an earlier build has kept, if there was one."""
    kept = shared / "next-cache"
    if (service / "next.config.mjs").exists() and kept.exists():
        shutil.copytree(kept, service / _CACHE, dirs_exist_ok=True)


def leave(service: Path, shared: Path) -> None:
    """Keeps it of a service that was built, if it is the first.

    Args:
        shared: a folder of this run, which all workers know
    """
    kept, draft = shared / "next-cache", shared / f"next-cache-{os.getpid()}"
    if (service / _CACHE).exists() and not kept.exists():
        shutil.copytree(service / _CACHE, draft)
        try:
            draft.rename(kept)
        except OSError:  # another worker was faster
            shutil.rmtree(draft)
