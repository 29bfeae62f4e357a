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
_COMPLETE = ["npm", "install", "--no-audit", "--no-fund"]
"""`npm ci` would begin by deleting what is there."""
_HIDDEN_LOCK = ".package-lock.json"
"""npm writes this one file of node_modules in place."""


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
    share(_provide(service, _STORE / key.hexdigest()[:16]), service)


def own(service: Path) -> None:
    """Lets npm go on from what was installed: the one file that it writes in place is shared no more."""
    hidden = service / "node_modules" / _HIDDEN_LOCK
    if hidden.exists():
        text = hidden.read_bytes()
        hidden.unlink()
        hidden.write_bytes(text)


def share(source: Path, service: Path) -> None:
    """Gives a service what is installed in another.

    The node_modules of the workspaces come first, and then those of the service itself: with these it is installed.
    """
    for manifest in reversed(_manifests(source)):
        modules = manifest.parent / "node_modules"
        if modules.exists():
            _place(modules, service / modules.relative_to(source))


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
            nearest = _nearest(service)
            if nearest is not None:
                command = _COMPLETE
                share(nearest, work)
                own(work)
            result = subprocess.run(command, cwd=work, env=environment(), capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise ToolError(f"`{' '.join(command)}` failed for {service}:\n{result.stdout}{result.stderr}")
            if _lock(work).read_bytes() != _lock(service).read_bytes():
                raise ToolError(
                    f"The lockfile of {service} does not fit its package.json: `{' '.join(command)}` changes it."
                )
            work.rename(store)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return store


def _nearest(service: Path) -> Path | None:
    """The install that has nearly all of a service's packages: other answers leave out a few of them, or add some.

    What is taken over from it is neither stored nor unpacked again. Bun does not need that: it links to its own cache.
    """
    wanted = packages(service)
    others = [(len(wanted & packages(lock.parent)), lock.parent) for lock in _STORE.glob("[0-9a-f]*/package-lock.json")]
    common, nearest = max(others, default=(0, None))
    return nearest if common > 0.8 * len(wanted) else None


def packages(service: Path) -> set[tuple[str, str]]:
    """Where below a service npm installs which version of a package; nothing where the lockfile is Bun's."""
    lock = service / "package-lock.json"
    entries = json.loads(lock.read_text())["packages"] if lock.exists() else {}
    return {
        (path, entry["version"]) for path, entry in entries.items() if "node_modules/" in path and "version" in entry
    }


def workspaces(service: Path) -> list[Path]:
    """The folders of a service's own packages, beside the one that it is itself."""
    return [manifest.parent for manifest in _manifests(service)[1:]]
