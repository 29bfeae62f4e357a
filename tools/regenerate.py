"""The files of a variant that a program writes: its lockfile and its OpenAPI document.

Both are written by the service's own tools in a rendered tree and go back as templates, with the answers in place of
what the sample answers put there.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from tools import ROOT, ToolError
from tools.install import install
from tools.render import render
from tools.toolchain import environment

_NAME = "plinth-sample-name"
_TEXT = "plinth sample description"
SAMPLE = {"project_slug": _NAME, "description": _TEXT, "license": "Apache-2.0"}


def regenerate(variant: str) -> None:
    """Rewrites package-lock.json.jinja and openapi.json.jinja of a variant from its package.json and its code."""
    source = ROOT / "variants" / variant
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        service = render(variant, Path(folder) / "service", SAMPLE)
        print(f"{variant}: package-lock.json ...", flush=True)
        # Kept where it still fits package.json: only what changed there is resolved anew.
        lock = ["npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund"]
        _run(lock, service)
        (source / "package-lock.json.jinja").write_text(lockfile_template((service / "package-lock.json").read_text()))
        install(service)
        print(f"{variant}: openapi.json ...", flush=True)
        _run(["npm", "run", "openapi"], service)
        (source / "openapi.json.jinja").write_text(openapi_template((service / "openapi.json").read_text()))


def lockfile_template(text: str) -> str:
    """A lockfile with the answers in place of the sample's."""
    head, separator, rest = text.partition('"license": "Apache-2.0"')
    return head.replace(f'"{_NAME}"', '"[[ project_slug ]]"') + separator.replace("Apache-2.0", "[[ license ]]") + rest


def openapi_template(text: str) -> str:
    """An OpenAPI document with the answers in place of the sample's."""
    for delimiter in ("[[", "]]", "[%", "%]", "[#", "#]"):
        if delimiter in text:
            raise ToolError(f"openapi.json holds {delimiter}, which is the template's own delimiter.")
    return text.replace(_NAME, "[[ project_slug ]]").replace(json.dumps(_TEXT), "[[ description | tojson ]]")


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
