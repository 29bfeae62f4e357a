"""README.md and AGENTS.md say what is so: their tables, commands, paths and links are compared with the service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import StartService
from tests.conformance.drivers import Driver
from tests.conformance.processes import Postgres, environment, migrate
from tests.conftest import Rendered

DOCUMENTS = ("README.md", "AGENTS.md", "SECURITY.md")
BUILDING_BLOCKS = {"clean", "compile"}
"""Scripts that only other scripts call."""


def rows(folder: Path, header: str) -> dict[str, list[str]]:
    """The README's table under a header: the other cells of each row, by what its first cell names."""
    text = (folder / "README.md").read_text()
    assert header in text, f"the README has no table {header}"
    table = text.split(header + "\n", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in table]
    found = {name: rest for first, *rest in cells for name in re.findall(r"`([^`]+)`", first)}
    assert len(found) >= len(cells)
    return found


def evaluate(driver: Driver, folder: Path, script: str) -> Any:
    """What a script of the built service prints as JSON."""
    command = [*driver.evaluate, script]
    result = subprocess.run(command, cwd=folder, env=environment({}), capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_the_table_of_errors_is_the_catalog(driver: Driver, folder: Path) -> None:
    catalog = evaluate(
        driver,
        folder,
        f"const {{ PROBLEMS }} = await import('{driver.problems}');console.log(JSON.stringify(PROBLEMS));",
    )
    expected = {code: [str(problem["status"]), problem["title"]] for code, problem in catalog.items()}
    assert rows(folder, "| code | status | title |") == expected


def test_the_table_of_settings_has_every_setting_with_its_default(driver: Driver, folder: Path) -> None:
    defaults = evaluate(
        driver,
        folder,
        f"""
        const settings = await import('{driver.config}');
        const migration = await import('{driver.migration_config}');
        const env = {json.dumps(driver.required)};
        Object.assign(process.env, env); // next-supabase reads it once, and from there
        const own = settings.readConfig ? settings.readConfig(env) : settings.config();
        console.log(JSON.stringify({{ ...migration.readMigrationConfig?.(env), ...own }}));
        """,
    )
    documented = rows(folder, "| variable | default | meaning |")
    shown = {name: cells[0] for name, cells in documented.items()}
    for name, value in defaults.items():
        if name not in driver.required:
            text = value if isinstance(value, str) else json.dumps(value)
            assert shown[name] == ("none" if value == [] else f"`{text}`"), name
    without_default = {name for name, default in shown.items() if default in {"none", "required"}}
    assert shown.keys() - without_default == {
        name for name in defaults if name not in driver.required and defaults[name] != []
    }
    assert set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (folder / ".env.example").read_text(), re.M)) == shown.keys()


def test_the_example_of_settings_shows_the_defaults(folder: Path) -> None:
    documented = rows(folder, "| variable | default | meaning |")
    shown = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", (folder / ".env.example").read_text(), re.M))
    for name, (default, _) in documented.items():
        if default not in {"none", "required"}:
            assert f"`{shown[name]}`" == default, name


def test_every_command_exists_and_every_script_is_documented(folder: Path) -> None:
    scripts = json.loads((folder / "package.json").read_text())["scripts"]
    runner = re.compile(r"\b(?:npm|bun) run (?:--silent )?([a-z][a-z:]*)")
    named = {name for document in DOCUMENTS for name in runner.findall((folder / document).read_text())}
    assert named <= scripts.keys()
    documented = {command for row in rows(folder, "| command | what it does |") for command in runner.findall(row)}
    assert documented == scripts.keys() - BUILDING_BLOCKS


def mentioned_paths(text: str) -> Iterator[str]:
    """What looks like a path of the service: in backticks, with a slash, and in one of its folders or at its root."""
    for code in re.findall(r"`([^`\s]+)`", text):
        if re.search(r"[a-z]", code) and re.fullmatch(
            r"(?:\.?[\w-]+/)+[\w.*-]*|[\w-]+\.(?:ts|json|yaml|md)|\.[a-z][\w.-]+", code
        ):
            yield code


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_mentioned_exists(driver: Driver, document: str, folder: Path) -> None:
    elsewhere = {".env", ".data/", ".data/mail", ".next/", "bench/results.json", "dist/", "node_modules/"}  # made later
    source = folder / driver.source
    starting_points = [folder, source.parent, source, source.parent / "test", *source.iterdir()]
    for path in set(mentioned_paths((folder / document).read_text())) - elsewhere:
        if "venue" in path or "invoice" in path:
            continue  # of the module that the README adds as an example
        assert any(list(start.glob(path.rstrip("/"))) for start in starting_points if start.is_dir()), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str, folder: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (folder / document).read_text()):
        assert (folder / target).exists(), target


def test_the_layout_names_every_folder_and_nothing_else(driver: Driver, folder: Path) -> None:
    layout = (folder / "README.md").read_text().split(f"```\n{Path(driver.source).name}/\n", 1)[1].split("```", 1)[0]
    named = {name.strip("/ ") for name in re.findall(r"^  ([\w./-]+/)", layout, re.M)}
    assert named == {path.name for path in (folder / driver.source).iterdir() if path.is_dir()}


CURL = f"""#!{sys.executable}
import argparse, httpx
parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-i", action="store_true")
parser.add_argument("-s", action="store_true")
parser.add_argument("-N", action="store_true")
parser.add_argument("-X", default=None)
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default=None)
given = parser.parse_args()
headers = dict(header.split(": ", 1) for header in given.H)
answer = httpx.request(given.X or ("POST" if given.d else "GET"), given.url, headers=headers, content=given.d)
print(answer.text if given.s else f"{{answer.status_code}} {{answer.headers.get('idempotency-replayed', '-')}}")
"""
"""As much of curl as a README uses. What it would show is the status and whether the answer is a repeated one."""


def test_the_example_requests_do_what_they_say(
    folder: Path, driver: Driver, start_service: StartService, tmp_path: Path
) -> None:
    curl = tmp_path / "curl"
    curl.write_text(CURL)
    curl.chmod(0o755)
    examples = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.S)
    script = "".join(example for example in examples if "curl" in example)
    server = Postgres.start(folder, "--ephemeral")
    try:
        migrate(folder, (*driver.migrate, "--seed"), server.env)
        script = script.replace("http://localhost:3000", start_service(**server.env).url)
        issuers = {name: server.env[name] for name in driver.for_development}
        env = environment(issuers) | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(["/bin/sh", "-euc", script], env=env, capture_output=True, text=True, check=False)
    finally:
        server.stop()
    assert result.stderr == ""
    assert result.stdout.splitlines() == list(driver.shown_by_examples)


def test_the_documents_follow_the_answers(driver: Driver, rendered: Rendered) -> None:
    bare = rendered(
        driver.variant, kubernetes=False, devcontainer=False, ci="none", license="UNLICENSED", agents_md=False
    )
    text = (bare / "README.md").read_text()
    assert not re.search(r"helm|devcontainer|Licence|LICENSE", text, re.I)
    assert not (bare / "AGENTS.md").exists()
    full = rendered(driver.variant, kubernetes=True, port=4567)
    text = (full / "README.md").read_text()
    assert "deploy/helm" in text
    assert "localhost:4567" in text
    assert not re.search(r"\b3000\b", text.replace("`3000`", ""))
