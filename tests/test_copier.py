"""What people do without this checkout: `copier copy` from a git URL and `copier update`, with nothing to trust."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.copying import COPIER, LEAN_COPIER, answers, commit, copier, edit, git, update
from tools import DEFAULT_VARIANT, ROOT
from tools.render import snapshot


@dataclass
class Published:
    """The template in a bare repository, as on a git host: an older state of it, and the working tree's."""

    work: Path
    url: str
    older: str
    newer: str


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    work, bare = folder / "work", folder / "plinth.git"
    snapshot(work)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(work, "init", "--quiet", "--initial-branch=main")
    age(work)
    older = commit(work, "An older state")
    for part in ("template", "variants"):
        shutil.rmtree(work / part)
    snapshot(work)
    newer = commit(work, "The present state")
    git(work, "push", "--quiet", str(bare), "main")
    return Published(work, bare.as_uri(), older, newer)


def age(template: Path) -> None:
    """Makes a template older: lines that are gone since, a file that is gone since, one that has come since."""
    variant = template / "variants" / DEFAULT_VARIANT
    etag = template / "template" / "shared" / "http" / "etag.ts"
    etag.write_text("// An older first line.\n" + etag.read_text())
    module = variant / "src" / "app.module.ts"
    module.write_text("// An older first line.\n" + module.read_text())
    security = template / "template" / "SECURITY.md"
    security.write_text(security.read_text() + "\nAn older last line.\n")
    (variant / "src" / "retired.ts").write_text("export const retired = true;\n")
    (variant / ".nvmrc.jinja").unlink()
    edit(variant / "package-lock.json.jinja", '"lockfileVersion": 3', '"lockfileVersion": 2')


@pytest.fixture(scope="module")
def made(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service from the older state, in git, with work of its user in it."""
    folder = tmp_path_factory.mktemp("made") / "ticket shop"
    choices = ["project_name=Corner Shop", "port=4000", "ci=none", "agents_md=false"]
    data = [word for choice in choices for word in ("--data", choice)]
    result = copier(
        "copy", "--defaults", "--vcs-ref", published.older, *data, published.url, str(folder), folder=folder.parent
    )
    assert result.returncode == 0, result.stderr
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Start from Plinth")
    etag = folder / "src" / "common" / "http" / "etag.ts"
    etag.write_text(etag.read_text() + "\nexport const mine = 'kept';\n")
    (folder / "src" / "mine.ts").write_text("export const mine = 'kept';\n")
    readme = folder / "README.md"
    readme.write_text(readme.read_text() + "\n## Ours\n\nKept.\n")
    (folder / ".editorconfig").unlink()
    (folder / "package-lock.json").write_text('{ "reconciled": "by npm install" }\n')
    (folder / ".env").write_text("PORT=4001\n")
    commit(folder, "Our work")
    return folder


@pytest.fixture
def service(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_the_template_has_nothing_that_needs_trust(published: Published, tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text())
    assert {"_tasks", "_migrations", "_jinja_extensions"} & settings.keys() == set()
    result = copier("copy", "--defaults", published.url, str(tmp_path / "service"), folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "trust" not in (result.stdout + result.stderr).lower()


def test_a_copy_from_a_git_url_names_the_next_commands(published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    result = copier("copy", "--defaults", published.url, str(folder), folder=tmp_path)
    assert f"cd '{folder}'\n    npm install && npm run dev\n" in result.stdout + result.stderr
    assert "git init -b main" in result.stdout + result.stderr
    stored = answers(folder)
    assert stored["_src_path"] == published.url
    assert published.newer.startswith(stored["_commit"])
    assert (folder / "package.json").is_file()


def test_the_copier_of_the_tests_writes_what_copier_itself_does(
    published: Published, made: Path, tmp_path: Path
) -> None:
    def trees(program: Sequence[str], folder: Path) -> list[str]:
        """What a copy and an update have in them."""
        new = folder / "new"
        git(tmp_path, "init", "--quiet", str(new))
        old = Path(shutil.copytree(made, folder / "old"))
        copied = copier("copy", "--defaults", published.url, str(new), folder=folder, program=program)
        assert copied.returncode == 0, copied.stderr
        updated = copier("update", "--defaults", folder=old, program=program)
        assert updated.returncode == 0, updated.stderr
        for service in (new, old):
            git(service, "add", "--all")
        return [git(service, "write-tree") for service in (new, old)]

    assert trees(LEAN_COPIER, tmp_path / "lean") == trees(COPIER, tmp_path / "usual")


def test_a_bad_answer_is_explained_and_leaves_no_folder(published: Published, tmp_path: Path) -> None:
    folder = tmp_path / "service"
    result = copier("copy", "--defaults", "--data", "port=abc", published.url, str(folder), folder=tmp_path)
    assert result.returncode != 0
    assert "question 'port': Choose a port from 1024 to 65535, for example: 3000" in result.stderr
    assert not folder.exists()


def test_an_update_brings_what_the_template_has_learnt(published: Published, service: Path) -> None:
    result = update(service)
    assert "older" not in (service / "src" / "app.module.ts").read_text()
    assert "An older last line." not in (service / "SECURITY.md").read_text()
    assert (service / ".nvmrc").is_file()
    assert not (service / "src" / "retired.ts").exists()
    assert published.newer.startswith(answers(service)["_commit"])
    assert "npm install && npm run lint && npm run typecheck && npm test" in result.stdout + result.stderr


def test_an_update_keeps_what_the_user_has_written(service: Path) -> None:
    before = {name: (service / name).read_bytes() for name in ("package-lock.json", ".env", "src/mine.ts")}
    update(service)
    etag = (service / "src" / "common" / "http" / "etag.ts").read_text()
    assert etag.endswith("\nexport const mine = 'kept';\n")
    assert "older" not in etag
    assert (service / "README.md").read_text().endswith("\n## Ours\n\nKept.\n")
    assert {name: (service / name).read_bytes() for name in before} == before
    assert "<<<<<<<" not in git(service, "diff")
    assert list(service.rglob("*.rej")) == []


def test_an_update_keeps_the_answers_and_what_they_left_out(service: Path) -> None:
    before = {name: value for name, value in answers(service).items() if not name.startswith("_")}
    update(service)
    assert {name: value for name, value in answers(service).items() if not name.startswith("_")} == before
    left_out = [".github", ".gitlab-ci.yml", "deploy/helm", "AGENTS.md"]
    assert [name for name in left_out if (service / name).exists()] == []


def test_an_update_does_not_bring_back_what_the_user_has_deleted(service: Path) -> None:
    (service / "SECURITY.md").unlink()  # the template has changed it since
    commit(service, "We have our own")
    update(service)
    assert not (service / ".editorconfig").exists()
    assert not (service / "SECURITY.md").exists()


def test_an_update_shows_a_conflict_where_both_changed_the_same_line(service: Path) -> None:
    edit(service / "src" / "app.module.ts", "// An older first line.", "// Our first line.")
    commit(service, "Ours")
    update(service)
    text = (service / "src" / "app.module.ts").read_text()
    assert re.search(r"(?s)<<<<<<< before updating\n// Our first line\.\n.*=======\n.*>>>>>>> after updating", text)
    assert "UU src/app.module.ts" in git(service, "status", "--porcelain")


def test_an_update_with_another_answer_exchanges_what_it_brings(service: Path) -> None:
    update(service, "--data", "ci=gitlab", "--data", "kubernetes=true")
    assert (service / ".gitlab-ci.yml").is_file()
    assert (service / "deploy" / "helm" / "Chart.yaml").is_file()
    commit(service, "GitLab")
    update(service, "--data", "ci=github", "--data", "kubernetes=false")
    assert (service / ".github" / "workflows" / "ci.yml").is_file()
    assert not (service / ".gitlab-ci.yml").exists()
    assert not (service / "deploy" / "helm" / "Chart.yaml").exists()
    assert (service / "README.md").read_text().endswith("\n## Ours\n\nKept.\n")


def test_a_second_update_changes_nothing(service: Path) -> None:
    update(service)
    commit(service, "Updated")
    update(service)
    assert git(service, "status", "--porcelain") == ""


def test_a_render_of_the_previous_commit_is_updated_with_the_users_work_in_place(tmp_path: Path) -> None:
    # In a checkout without history the previous commit is the present one.
    previous = git(ROOT, "rev-list", "--max-count=2", "HEAD").splitlines()[-1]
    work = tmp_path / "work"
    work.mkdir()
    archive = tmp_path / "previous.tar"
    git(ROOT, "archive", f"--output={archive}", previous, "copier.yml", "template", "variants")
    shutil.unpack_archive(archive, work, filter="data")
    git(work, "init", "--quiet", "--initial-branch=main")
    commit(work, "The previous commit")
    service = tmp_path / "service"
    assert copier("copy", "--defaults", "--vcs-ref=HEAD", str(work), str(service), folder=tmp_path).returncode == 0
    git(service, "init", "--quiet", "--initial-branch=main")
    for name in ("README.md", "src/app.module.ts"):
        (service / name).write_text((service / name).read_text() + "// our last line\n")
    commit(service, "Start from Plinth, with an edit")

    for part in ("template", "variants"):
        shutil.rmtree(work / part)
    snapshot(work)
    git(work, "commit", "--quiet", "--allow-empty", "--message", "An empty one: the trees may be the same")
    present = commit(work, "The working tree") if git(work, "status", "--porcelain") else git(work, "rev-parse", "HEAD")
    update(service, "--vcs-ref=HEAD")
    assert present.startswith(answers(service)["_commit"])
    for name in ("README.md", "src/app.module.ts"):
        assert "// our last line\n" in (service / name).read_text()
