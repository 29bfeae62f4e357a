"""A service of 0.2.0 with a migration of its own, to which an update adds older ones."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from tests.conftest import run, script
from tests.copying import commit, edit, git, update
from tests.update.conftest import Published
from tools.install import install, share
from tools.releases import load
from tools.render import render

MIGRATIONS = Path("packages", "database", "migrations")
META = MIGRATIONS / "meta"
JOURNAL = META / "_journal.json"
SCHEMA = Path("packages", "database", "src", "schema", "work.ts")
OWN = "0003_add_budgets"
TIME = 1_796_000_000_000
NAME = "    name: text('name').notNull(),\n"


def test_own_migrations_are_moved_behind_those_of_an_update(published: Published, tmp_path: Path) -> None:
    service = tmp_path / "service"
    published.copy(next(release for release in load() if release.version == "0.2.0"), "nest-drizzle", service)
    add_budgets(service)
    commit(service, "Budgets")
    update(service, "--vcs-ref=HEAD")
    fresh = tmp_path / "fresh"
    render("nest-drizzle", fresh)
    install(fresh)
    share(fresh, service)
    script(service, "compile")
    assert "npm run db:rebase" in refusal(service, "check-migrations.mjs")

    settle(service)
    assert "two migrations have the number 3" in refusal(service, "check-migrations.mjs")
    assert "two migrations have the number 3" in refusal(service, "generate-migration.mjs", "add_more")
    script(service, "db:rebase", OWN)
    entries = read(service / JOURNAL)["entries"]
    assert [entry["idx"] for entry in entries] == list(range(len(entries)))
    assert entries[-1]["tag"] == f"{entries[-1]['idx']:04}_add_budgets"
    assert entries[-1]["when"] == TIME
    script(service, "db:check")

    files = migrations(service)
    run(service, "node", "scripts/generate-migration.mjs", "nothing")
    assert migrations(service) == files
    edit(service / SCHEMA, NAME, f"{NAME}    spent: integer('spent'),\n")
    script(service, "db:generate", "add_spent")
    [added] = migrations(service) - files
    assert (service / MIGRATIONS / added).read_text() == 'ALTER TABLE "projects" ADD COLUMN "spent" integer;\n'


def add_budgets(service: Path) -> None:
    """What `db:generate` wrote in 0.2.0 for a column."""
    edit(service / SCHEMA, NAME, f"{NAME}    budget: integer('budget'),\n")
    (service / MIGRATIONS / f"{OWN}.sql").write_text('ALTER TABLE "projects" ADD COLUMN "budget" integer;\n')
    journal = read(service / JOURNAL)
    journal["entries"].append({"idx": 3, "version": "7", "when": TIME, "tag": OWN, "breakpoints": True})
    (service / JOURNAL).write_text(json.dumps(journal, indent=2))
    snapshot = read(service / META / "0002_snapshot.json")
    snapshot |= {"prevId": snapshot["id"], "id": str(uuid.uuid4())}
    column = {"name": "budget", "type": "integer", "primaryKey": False, "notNull": False}
    snapshot["tables"]["public.projects"]["columns"]["budget"] = column
    (service / META / "0003_snapshot.json").write_text(json.dumps(snapshot, indent=2))


def settle(service: Path) -> None:
    """Settles the conflicts as the README asks: all entries of the journal, any side of the snapshots."""
    unmerged = set(git(service, "diff", "--name-only", "--diff-filter=U").splitlines())
    assert unmerged == {str(JOURNAL), str(META / "0003_snapshot.json")}
    ours, theirs = (json.loads(git(service, "show", f":{stage}:{JOURNAL}")) for stage in (2, 3))
    ours["entries"] += [entry for entry in theirs["entries"] if entry not in ours["entries"]]
    (service / JOURNAL).write_text(json.dumps(ours, indent=2))
    git(service, "checkout", "--theirs", "--", str(META / "0003_snapshot.json"))


def refusal(service: Path, name: str, *arguments: str) -> str:
    result = run(service, "node", f"scripts/{name}", *arguments, check=False)
    assert result.returncode == 1
    return result.stderr


def read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def migrations(service: Path) -> set[str]:
    return {path.name for path in (service / MIGRATIONS).glob("*.sql")}
