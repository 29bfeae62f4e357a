"""`make bench`: a service's own benchmark, on a service that is rendered for it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tools import ToolError
from tools.install import install
from tools.render import render
from tools.toolchain import environment


def bench(variant: str) -> None:
    """Renders and installs a variant and runs its `npm run bench`, which prints what it measured."""
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        service = render(variant, Path(folder) / "service")
        install(service)
        if subprocess.run(["npm", "run", "bench"], cwd=service, env=environment(), check=False).returncode != 0:
            raise ToolError(f"`npm run bench` failed for {variant}; what it said is above.")
