"""node_modules for rendered services: one `npm ci` per lockfile, hard links for every service that has it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import TOOLCHAIN, ToolError
from tools.toolchain import environment

_STORE = TOOLCHAIN / "modules"


def install(service: Path) -> None:
    """Gives a rendered service its node_modules, as `npm ci` would. The files are shared: do not write to them."""
    target = service / "node_modules"
    if target.exists():
        return
    key = hashlib.sha256(b"".join(_without_name(service / name) for name in ("package.json", "package-lock.json")))
    source = _provide(service, _STORE / key.hexdigest()[:16])
    draft = service / f".node_modules-{os.getpid()}"  # complete, or not there
    try:
        shutil.copytree(source / "node_modules", draft, symlinks=True, copy_function=os.link)
    except OSError:  # another file system
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source / "node_modules", draft, symlinks=True)
    draft.rename(target)


def _without_name(manifest: Path) -> bytes:
    """What decides the installed packages: the lines of a manifest without the service's own answers."""
    own = ('  "name":', '  "description":', '  "author":', '  "license":', '      "name":', '      "license":')
    lines = manifest.read_text().splitlines()
    return "\n".join(line for index, line in enumerate(lines) if index > 12 or not line.startswith(own)).encode()


def _provide(service: Path, store: Path) -> Path:
    store.parent.mkdir(parents=True, exist_ok=True)
    with (store.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if store.exists():
            return store
        work = Path(tempfile.mkdtemp(prefix="installing-", dir=store.parent))
        try:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                if (service / name).exists():
                    shutil.copy(service / name, work / name)
            command = ["npm", "ci", "--no-audit", "--no-fund"]
            result = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise ToolError(f"`npm ci` failed for {service}:\n{result.stdout}{result.stderr}")
            work.rename(store)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return store
