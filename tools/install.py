"""node_modules for rendered services: installed once per lockfile, hard links for every service that has it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import TOOLCHAIN, ToolError
from tools.toolchain import environment, provide_bun

_STORE = TOOLCHAIN / "modules"
_COMMANDS = {
    "npm": ["npm", "ci", "--no-audit", "--no-fund"],
    "bun": ["bun", "install", "--frozen-lockfile"],
}


def manager(service: Path) -> str:
    """The program that installs a service's packages and runs its scripts: npm or bun. It is there then."""
    if not (service / "bun.lock").exists():
        return "npm"
    provide_bun()
    return "bun"


def install(service: Path) -> None:
    """Gives a rendered service its node_modules, as its lockfile says. The files are shared: do not write to them."""
    target = service / "node_modules"
    if target.exists():
        return
    key = hashlib.sha256(b"".join(_without_answers(manifest) for manifest in [*_manifests(service), _lock(service)]))
    source = _provide(service, _STORE / key.hexdigest()[:16])
    for manifest in _manifests(source)[1:]:
        workspace = manifest.parent / "node_modules"
        if workspace.exists():
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
    workspaces = [found for folder in ("apps", "packages") for found in service.glob(f"{folder}/*/package.json")]
    return [service / "package.json", *sorted(workspaces)]


def _lock(service: Path) -> Path:
    lock = service / "bun.lock"
    return lock if lock.exists() else service / "package-lock.json"


def _without_answers(manifest: Path) -> bytes:
    """What decides the installed packages: a manifest without what the service was asked for."""
    if manifest.name == "bun.lock":  # JSON with commas too many; the service's own name comes first
        return re.sub(r'"name": "[^"]*"', "", manifest.read_text(), count=1).encode()
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
            settings = [path for path in (service / ".npmrc", service / "bunfig.toml") if path.exists()]
            for path in [*_manifests(service), _lock(service), *settings]:
                (work / path.relative_to(service)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, work / path.relative_to(service))
            command = _COMMANDS[manager(service)]
            result = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise ToolError(f"`{' '.join(command)}` failed for {service}:\n{result.stdout}{result.stderr}")
            work.rename(store)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return store
