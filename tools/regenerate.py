"""The files of a variant that a program writes: its lockfile and its OpenAPI document.

Both are written by the service's own tools in rendered trees, one for each combination of the variant's options, and go
back as one template, with the answers in place of what the sample answers put there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tools import ROOT, ToolError
from tools.install import install, manager, packages, workspaces
from tools.merge import Choice, answers, choices, merged, merged_lines
from tools.render import render
from tools.toolchain import environment

_NAME = "plinth-sample-name"
_TEXT = "plinth sample description"
_LICENSE = "Apache-2.0"
_LIST = "plinth-sample-list-"
SAMPLE = {"project_slug": _NAME, "description": _TEXT, "license": _LICENSE}
# Kept where it still fits package.json: only what changed there is resolved anew.
_RESOLVE = {
    "npm": ["npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund"],
    "bun": ["bun", "install", "--lockfile-only"],
}


def regenerate(variant: str) -> None:
    """Rewrites the templates of a variant's lockfile and OpenAPI document from its package.json and its code."""
    source = ROOT / "variants" / variant
    with tempfile.TemporaryDirectory(prefix="plinth-") as folder:
        services: dict[Choice, Path] = {}
        for choice in choices(variant):
            service = render(variant, Path(folder) / str(len(services)), {**SAMPLE, **answers(choice)})
            program = manager(service)
            lockfile, document = GENERATED[program]
            print(f"{variant}: {lockfile} {_name(choice)}...", flush=True)
            if services:  # resolved once, for all options: the others leave something out
                shutil.copy(next(iter(services.values())) / lockfile, service)
            _run(_RESOLVE[program], service)
            services[choice] = service
        _write(source, lockfile, GENERATED[program][lockfile](_read(services, lockfile)))
        # Those with the most packages first: others can do with what these have installed.
        fullest = sorted(services.items(), key=lambda item: len(packages(item[1])), reverse=True)
        for choice, service in fullest:
            print(f"{variant}: {document} {_name(choice)}...", flush=True)
            _equip(service, services.values())
            _run([program, "run", "openapi"], service)
        _write(source, document, GENERATED[program][document](_read(services, document)))


def lockfile_template(texts: Mapping[Choice, str]) -> str:
    """npm's lockfiles as one template, with the answers in place of the sample's."""
    documents = _parsed(texts)
    for document in documents.values():
        for path, package in document["packages"].items():
            if "node_modules/" not in path:  # the service itself, or one of its workspaces
                package["license"] = "[[ license ]]"
    return merged(documents).replace(f'"{_NAME}"', '"[[ project_slug ]]"')


def bun_lockfile_template(texts: Mapping[Choice, str]) -> str:
    """Bun's lockfiles as one template. They are not quite JSON, and have a line for each package."""
    _check(texts)
    return merged_lines(texts).replace(f'"{_NAME}"', '"[[ project_slug ]]"')


def openapi_template(texts: Mapping[Choice, str]) -> str:
    """OpenAPI documents as one template, with the answers in place of the sample's."""
    documents = {choice: _with_choices(document, answers(choice)) for choice, document in _parsed(texts).items()}
    text = (
        merged(documents)
        .replace(_NAME, "[[ project_slug ]]")
        .replace(json.dumps(_TEXT), "[[ description | to_json(ensure_ascii=False) ]]")
        .replace(f'"name": "{_LICENSE}"', '"name": "[[ license ]]"')
    )
    return re.sub(
        rf'(?m)^( *)(.*)"{_LIST}(\w+)"',
        lambda match: f"{match[1]}{match[2]}[[ {match[3]} | tojson(indent=2) | indent({len(match[1])}) ]]",
        text,
    )


def _with_choices(value: object, given: Mapping[str, object]) -> object:
    """A document with a mark in place of each list of what was chosen, unless that is nothing: so are many lists."""
    if isinstance(value, dict):
        return {name: _with_choices(member, given) for name, member in value.items()}
    if isinstance(value, list):
        names = [name for name, chosen in given.items() if value and chosen == value]
        return f"{_LIST}{names[0]}" if names else [_with_choices(item, given) for item in value]
    return value


def _parsed(texts: Mapping[Choice, str]) -> dict[Choice, Any]:
    _check(texts)
    return {choice: json.loads(text) for choice, text in texts.items()}


def _check(texts: Mapping[Choice, str]) -> None:
    for delimiter in ("[[", "]]", "[%", "%]", "[#", "#]"):
        if any(delimiter in text for text in texts.values()):
            raise ToolError(f"A generated file holds {delimiter}, which is the template's own delimiter.")


GENERATED: Mapping[str, Mapping[str, Callable[[Mapping[Choice, str]], str]]] = {
    "npm": {"package-lock.json": lockfile_template, "openapi.json": openapi_template},
    "bun": {"bun.lock": bun_lockfile_template, "openapi.json": openapi_template},
}
"""What is written by which program of a service's, its lockfile first, and how it becomes a template."""


def _equip(service: Path, others: Iterable[Path]) -> None:
    """Gives a service its packages, or those of another one that has all of them."""
    needed = set() if workspaces(service) else packages(service)  # the node_modules of some link to their own code
    for other in others:
        if needed and (other / "node_modules").is_dir() and needed <= packages(other):
            (service / "node_modules").symlink_to((other / "node_modules").resolve())
            return
    install(service)


def _read(services: Mapping[Choice, Path], name: str) -> dict[Choice, str]:
    return {choice: (service / name).read_text() for choice, service in services.items()}


def _write(source: Path, name: str, template: str) -> None:
    (source / f"{name}.jinja").write_text(template)


def _name(choice: Choice) -> str:
    given = {name: ",".join(value) if isinstance(value, list) else value for name, value in answers(choice).items()}
    return "".join(f"{name}={value} " for name, value in given.items())


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
