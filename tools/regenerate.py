"""The files of a variant that a program writes: its lockfile and its OpenAPI document.

Both are written by the service's own tools in rendered trees, one for each combination of the variant's options, and go
back as one template, with the answers in place of what the sample answers put there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools import ROOT, ToolError
from tools.install import install
from tools.merge import Choice, choices, merged
from tools.render import render
from tools.toolchain import environment

_NAME = "plinth-sample-name"
_TEXT = "plinth sample description"
_LICENSE = "Apache-2.0"
SAMPLE = {"project_slug": _NAME, "description": _TEXT, "license": _LICENSE}


def regenerate(variant: str) -> None:
    """Rewrites package-lock.json.jinja and openapi.json.jinja of a variant from its package.json and its code."""
    source = ROOT / "variants" / variant
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        services: dict[Choice, Path] = {}
        for choice in choices(variant):
            print(f"{variant}: package-lock.json {_name(choice)}...", flush=True)
            service = render(variant, Path(folder) / str(len(services)), {**SAMPLE, **dict(choice)})
            if services:  # resolved once, for all options: the others leave something out
                shutil.copy(next(iter(services.values())) / "package-lock.json", service)
            # Kept where it still fits package.json: only what changed there is resolved anew.
            lock = ["npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved"]
            _run([*lock, "--no-audit", "--no-fund"], service)
            services[choice] = service
        _write(source, "package-lock.json", lockfile_template(_read(services, "package-lock.json")))
        for choice, service in services.items():
            print(f"{variant}: openapi.json {_name(choice)}...", flush=True)
            install(service)
            _run(["npm", "run", "openapi"], service)
        _write(source, "openapi.json", openapi_template(_read(services, "openapi.json")))


def lockfile_template(texts: Mapping[Choice, str]) -> str:
    """Lockfiles as one template, with the answers in place of the sample's."""
    documents = _parsed(texts)
    for document in documents.values():
        for path, package in document["packages"].items():
            if "node_modules/" not in path:  # the service itself, or one of its workspaces
                package["license"] = "[[ license ]]"
    return merged(documents).replace(f'"{_NAME}"', '"[[ project_slug ]]"')


def openapi_template(texts: Mapping[Choice, str]) -> str:
    """OpenAPI documents as one template, with the answers in place of the sample's."""
    return (
        merged(_parsed(texts))
        .replace(_NAME, "[[ project_slug ]]")
        .replace(json.dumps(_TEXT), "[[ description | to_json(ensure_ascii=False) ]]")
    )


def _parsed(texts: Mapping[Choice, str]) -> dict[Choice, Any]:
    for delimiter in ("[[", "]]", "[%", "%]", "[#", "#]"):
        if any(delimiter in text for text in texts.values()):
            raise ToolError(f"A generated file holds {delimiter}, which is the template's own delimiter.")
    return {choice: json.loads(text) for choice, text in texts.items()}


def _read(services: Mapping[Choice, Path], name: str) -> dict[Choice, str]:
    return {choice: (service / name).read_text() for choice, service in services.items()}


def _write(source: Path, name: str, template: str) -> None:
    (source / f"{name}.jinja").write_text(template)


def _name(choice: Choice) -> str:
    return "".join(f"{name}={value} " for name, value in choice)


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
