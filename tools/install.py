"""node_modules for rendered services: one `npm ci` per lockfile, hard links for every service that has it."""

from __future__ import annotations

import fcntl
import hashlib
import json
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
    key = hashlib.sha256(b"".join(_without_answers(manifest) for manifest in [*_manifests(service), _lock(service)]))
    source = _provide(service, _STORE / key.hexdigest()[:16])
    for workspace in source.glob("packages/*/node_modules"):
        _place(workspace, service / workspace.relative_to(source))
    _place(source / "node_modules", target)


def _place(source: Path, target: Path) -> None:
    draft = target.with_name(f".node_modules-{os.getpid()}")  # complete, or not there
    try:
        shutil.copytree(source, draft, symlinks=True, copy_function=os.link)
    except OSError:  # another file system
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
    draft.rename(target)


def _manifests(service: Path) -> list[Path]:
    """The service's package.json, and those of its workspaces."""
    return [service / "package.json", *sorted(service.glob("packages/*/package.json"))]


def _lock(service: Path) -> Path:
    return service / "package-lock.json"


def _without_answers(manifest: Path) -> bytes:
    """What decides the installed packages: a manifest without what the service was asked for."""
    document = json.loads(manifest.read_text())
    own = [document, *(entry for path, entry in document.get("packages", {}).items() if "node_modules/" not in path)]
    for entry in own:
        for answer in ("name", "description", "author", "license"):
            entry.pop(answer, None)
    return json.dumps(document).encode()


def _provide(service: Path, store: Path) -> Path:
    store.parent.mkdir(parents=True, exist_ok=True)
    with store.with_suffix(".lock").open("w") as lock:  # of its own: others need not wait for this one
        fcntl.flock(lock, fcntl.LOCK_EX)
        if store.exists():
            return store
        work = Path(tempfile.mkdtemp(prefix="installing-", dir=store.parent))
        try:
            for path in [*_manifests(service), _lock(service), service / ".npmrc"]:
                (work / path.relative_to(service)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, work / path.relative_to(service))
            command = ["npm", "ci", "--no-audit", "--no-fund"]
            result = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise ToolError(f"`npm ci` failed for {service}:\n{result.stdout}{result.stderr}")
            work.rename(store)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return store
