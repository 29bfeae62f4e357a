"""What surrounds a service's code: workflows, images, manifests, migrations. Linted, pinned, and free of secrets."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conformance.drivers import Driver
from tests.conformance.linters import NOT_IN_GIT, Finding, Linters, files_of, waivers
from tests.conformance.processes import environment
from tests.conftest import Rendered
from tools.install import manager

pytestmark = pytest.mark.check(38)

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
CHART_VALUES = {
    "image": {"repository": "registry.example.com/service", "digest": f"sha256:{'a' * 64}"},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "certificate"},
}


@pytest.fixture(scope="session")
def linters() -> Linters:
    return Linters()


@pytest.fixture(scope="session")
def on_gitlab(driver: Driver, rendered: Rendered) -> Path:
    return rendered(driver.variant, ci="gitlab")


@pytest.fixture(scope="session")
def chart(driver: Driver, rendered: Rendered) -> Path:
    return rendered(driver.variant, kubernetes=True) / "deploy" / "helm"


LIMITS = "SET lock_timeout = '2s';\nSET statement_timeout = '5s';\n"
"""What the connection of a migration is set to."""


@pytest.fixture(scope="session")
def migrations(driver: Driver, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The SQL of each migration, with the limits that its connection has."""
    written = tmp_path_factory.mktemp("migrations")
    files = []
    for number, text in enumerate(SCRIPTS[driver.variant](folder)):
        files.append(written / f"{number}.sql")
        files[-1].write_text(LIMITS + text)
    assert files
    return files


def of_typeorm(folder: Path) -> list[str]:
    """What the classes run."""
    script = """
      import { pathToFileURL } from 'node:url';
      const { migrations } = await import(pathToFileURL('dist/database/migrations/index.js'));
      const scripts = await Promise.all(migrations.map(async (Migration) => {
        const statements = [];
        await new Migration().up({ query: async (sql) => void statements.push(sql.trim()) });
        return statements.map((sql) => `${sql};\\n`).join('');
      }));
      console.log(JSON.stringify(scripts));
    """
    command = ["node", "--input-type=module", "--eval", script]
    result = subprocess.run(command, cwd=folder, env=environment({}), capture_output=True, text=True, check=True)
    scripts: list[str] = json.loads(result.stdout)
    return scripts


def of_drizzle(folder: Path) -> list[str]:
    """The files, as they are."""
    return [path.read_text() for path in sorted((folder / "packages" / "database" / "migrations").glob("*.sql"))]


def of_prisma(folder: Path) -> list[str]:
    """The files, as they are."""
    return [path.read_text() for path in sorted((folder / "prisma" / "migrations").glob("*/migration.sql"))]


def of_bun(folder: Path) -> list[str]:
    """The files, as they are."""
    return [path.read_text() for path in sorted((folder / "apps/api/src/shared/db/migrations").glob("*.sql"))]


def of_supabase(folder: Path) -> list[str]:
    """The files, as they are."""
    return [path.read_text() for path in sorted((folder / "supabase" / "migrations").glob("*.sql"))]


SCRIPTS: dict[str, Callable[[Path], list[str]]] = {
    "nest-typeorm": of_typeorm,
    "nest-drizzle": of_drizzle,
    "fastify-bun": of_bun,
    "nest-prisma": of_prisma,
    "next-supabase": of_supabase,
}


@pytest.fixture(scope="session")
def found(
    linters: Linters,
    folder: Path,
    on_gitlab: Path,
    chart: Path,
    migrations: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Finding]:
    """Everything that any linter objects to, waived or not."""
    deployed = tmp_path_factory.mktemp("deployed") / "service"
    shutil.copytree(folder, deployed, ignore=shutil.ignore_patterns(*NOT_IN_GIT))
    shutil.copy(on_gitlab / ".gitlab-ci.yml", deployed)
    manifests = deployed / "manifests"
    manifests.mkdir()
    on_kubernetes = chart.parents[1]
    return [
        *linters.zizmor(folder),
        *linters.actionlint(folder),
        *linters.hadolint(folder),
        *linters.secrets(folder),
        *linters.secrets(on_kubernetes, *differing(on_kubernetes, folder)),
        *linters.schema("github-workflows", folder / ".github" / "workflows" / "ci.yml"),
        *linters.schema("gitlab-ci", on_gitlab / ".gitlab-ci.yml"),
        *linters.schema("compose-spec", folder / "compose.yaml"),
        *linters.schema("renovate", folder / "renovate.json"),
        *linters.squawk(*migrations),
        *linters.chart(chart, manifests, CHART_VALUES),
        *linters.manifests(manifests),
        *linters.checkov(deployed, "dockerfile", "github_actions", "gitlab_ci", "kubernetes"),
    ]


def differing(tree: Path, other: Path) -> list[Path]:
    """The files of a tree that another has not, or not so."""
    pairs = [(path, other / path.relative_to(tree)) for path in files_of(tree)]
    return [path for path, twin in pairs if not twin.is_file() or twin.read_bytes() != path.read_bytes()]


def unexpected(findings: list[Finding], variant: str) -> list[str]:
    accepted = waivers(variant)
    return [str(finding) for finding in findings if not any(waiver.covers(finding) for waiver in accepted)]


def test_no_linter_finds_anything_that_is_not_waived(found: list[Finding], driver: Driver) -> None:
    assert unexpected(found, driver.variant) == []


def test_every_waiver_is_needed_and_says_why(found: list[Finding], driver: Driver) -> None:
    for waiver in waivers(driver.variant):
        assert any(waiver.covers(finding) for finding in found), f"{waiver} waives nothing"
        assert len(waiver.reason.split()) > 5, f"{waiver} needs a reason"


def test_every_image_is_pinned_by_digest(folder: Path, on_gitlab: Path) -> None:
    images = [
        *re.findall(r"^FROM (\S+)", (folder / "Dockerfile").read_text(), re.M),
        *re.findall(r"^\s+image: (\S+)", (folder / "compose.yaml").read_text(), re.M),
        *re.findall(r"^\s+(?:image|- name): (\S+)", (on_gitlab / ".gitlab-ci.yml").read_text(), re.M),
        *re.findall(r'"image": "([^"]+)"', (folder / ".devcontainer" / "devcontainer.json").read_text()),
    ]
    stages = {"base"}
    built_here = {image for image in images if image.endswith(":local")}
    assert len(images) > 8
    assert {image for image in images if not DIGEST.search(image)} == stages | built_here


def test_every_action_is_pinned_by_commit_and_says_its_version(folder: Path) -> None:
    used = re.findall(r"uses: (.*)", (folder / ".github" / "workflows" / "ci.yml").read_text())
    assert len(used) >= 3
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.of("nest-prisma")
def test_both_deployments_of_the_chart_get_the_credentials_of_firebase_and_the_settings_that_may_be_left_out(
    linters: Linters, chart: Path, tmp_path: Path
) -> None:
    assert linters.chart(chart, tmp_path, {**CHART_VALUES, "firebase": {"credentialsSecret": "firebase-key"}}) == []
    for name in ("deployment", "worker"):
        pod = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())["spec"]["template"]["spec"]
        [container] = pod["containers"]
        env = {entry["name"]: entry for entry in container["env"]}
        [volume], [mount] = pod["volumes"], container["volumeMounts"]
        assert volume == {"name": mount["name"], "secret": {"secretName": "firebase-key"}}
        assert mount["readOnly"] is True
        assert env["GOOGLE_APPLICATION_CREDENTIALS"]["value"] == f"{mount['mountPath']}/firebase.json"
        optional = {
            name for name, entry in env.items() if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("optional")
        }
        assert {"SERVICE_TOKEN_KEYS", "GOOGLE_CLIENT_SECRET", "GOOGLE_ADS_DEVELOPER_TOKEN"} <= optional
        assert not {"DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS"} & optional


@pytest.mark.of("fastify-bun")
def test_buns_lockfile_names_no_registry_and_checks_every_package(folder: Path) -> None:
    text = re.sub(r",(\s*[}\]])", r"\1", (folder / "bun.lock").read_text())  # JSON, but for commas too many
    packages = json.loads(text)["packages"]
    own = {name for name, package in packages.items() if "@workspace:" in package[0]}
    assert own == {"@app/api", "@app/shared"}
    assert len(packages) > 100
    fetched = {name: package for name, package in packages.items() if name not in own}
    assert [name for name, package in fetched.items() if package[1] != ""] == []
    assert [name for name, package in fetched.items() if not package[3].startswith("sha512-")] == []


@pytest.mark.of("nest-typeorm", "nest-drizzle", "nest-prisma")
def test_the_lockfile_names_no_registry_and_checks_every_package(folder: Path) -> None:
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    installed = {path: package for path, package in packages.items() if "node_modules/" in path}
    assert len(installed) > 100
    # A workspace is a link to its folder.
    linked = {path: package["resolved"] for path, package in installed.items() if package.get("link")}
    assert sorted(linked.values()) == sorted(path for path in packages if path and path not in installed)
    fetched = {path: package for path, package in installed.items() if path not in linked}
    assert [path for path, package in fetched.items() if "resolved" in package] == []
    assert [path for path, package in fetched.items() if not package["integrity"].startswith("sha512-")] == []


@pytest.mark.of("next-supabase")
def test_the_lockfile_names_no_registry_and_checks_every_package_of_the_image(folder: Path) -> None:
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert len(installed) > 100
    assert [path for path, package in installed.items() if "resolved" in package] == []
    # Tools and Next.js have builds for systems that the registry lacked with which it was resolved. npm checks them
    # against nothing the first time, and adds what it found to the lockfile.
    elsewhere = {
        path
        for path, package in installed.items()
        if package.get("optional") and (package.get("dev") or "linux" not in package.get("os", []))
    }
    assert [
        path
        for path, package in installed.items()
        if path not in elsewhere and not package["integrity"].startswith("sha512-")
    ] == []


def test_the_hooks_of_a_service_are_its_own_scripts_and_a_pinned_search_for_secrets(folder: Path) -> None:
    config = folder / ".pre-commit-config.yaml"
    pre_commit = [sys.executable, "-m", "pre_commit", "validate-config", str(config)]
    assert subprocess.run(pre_commit, capture_output=True, check=False).returncode == 0
    hooks = [hook for repo in yaml.safe_load(config.read_text())["repos"] for hook in repo["hooks"]]
    scripts = json.loads((folder / "package.json").read_text())["scripts"]
    own = {hook["entry"].split()[2] for hook in hooks if hook["language"] == "system"}
    assert {"lint", "typecheck"} <= own <= scripts.keys()
    installed = [name for hook in hooks for name in hook.get("additional_dependencies", [])]
    assert installed
    assert all("==" in name for name in installed)


@pytest.mark.parametrize(
    ("linter", "file", "before", "after"),
    [
        ("zizmor", ".github/workflows/ci.yml", "npm ci", "echo ${{ github.head_ref }} && npm ci"),
        ("actionlint", ".github/workflows/ci.yml", "npm run lint", "npm run ${{ matrix.script }}"),
        ("hadolint", "Dockerfile", "USER 1000:1000", "USER root"),
        ("checkov", "Dockerfile", "HEALTHCHECK", "LABEL healthcheck=none #"),
        ("secrets", "{source}/main.ts", "import", "const key = 'AKIAIOSFODNN7EXAMPLE';\nimport"),
    ],
)
def test_a_planted_fault_is_found(
    linters: Linters, rendered: Rendered, driver: Driver, linter: str, file: str, before: str, after: str
) -> None:
    tree = rendered(driver.variant)
    sabotaged = tree / file.format(source="server" if driver.variant == "next-supabase" else driver.source)
    if manager(tree) == "bun":
        sabotaged = sabotaged.with_name(sabotaged.name.replace("main.ts", "index.ts"))
        before, after = (
            text.replace("npm ci", "bun install --frozen-lockfile").replace("npm run", "bun run")
            for text in (before, after)
        )
    assert before in sabotaged.read_text()
    sabotaged.write_text(sabotaged.read_text().replace(before, after))
    arguments = {"checkov": (tree, "dockerfile"), "secrets": (tree, sabotaged)}.get(linter, (tree,))
    assert unexpected(getattr(linters, linter)(*arguments), driver.variant)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("templates/deployment.yaml", "containerPort: 3000", "containerPorts: 3000"),
        ("templates/_helpers.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("templates/service.yaml", "{{ .Values.service.port }}", "{{ .Values.nothing.port }}"),
        ("values.yaml", "minReplicas: 2", "minReplicas: two"),
    ],
)
def test_a_fault_of_the_chart_is_found(
    linters: Linters, driver: Driver, chart: Path, tmp_path: Path, file: str, before: str, after: str
) -> None:
    copy = tmp_path / "helm"
    shutil.copytree(chart, copy)
    assert before in (copy / file).read_text()
    (copy / file).write_text((copy / file).read_text().replace(before, after))
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    findings = linters.chart(copy, manifests, CHART_VALUES) or linters.manifests(manifests)
    assert unexpected(findings or linters.checkov(manifests, "kubernetes"), driver.variant)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("compose-spec", "services: { service: { imagee: postgres } }"),
        ("gitlab-ci", "image: { script: [make] }"),
        ("renovate", '{ "extends": 1 }'),
        ("github-workflows", "on: push\njobs: { check: { steps: [] } }"),
    ],
)
def test_a_file_that_its_tool_would_refuse_is_found(linters: Linters, tmp_path: Path, schema: str, text: str) -> None:
    file = tmp_path / ("file.json" if text.startswith("{") else "file.yaml")
    file.write_text(text)
    assert linters.schema(schema, file)


def test_squawk_notices_a_migration_that_would_block_its_table(linters: Linters, tmp_path: Path) -> None:
    sql = tmp_path / "blocking.sql"
    sql.write_text('ALTER TABLE "events" ADD CONSTRAINT "UQ" UNIQUE ("name");\n')
    assert {finding.rule for finding in linters.squawk(sql)} >= {"disallowed-unique-constraint"}
