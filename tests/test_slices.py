"""Each test is in the main run or in one slice, and what a run selects."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import run, selection
from tests.copying import commit, git
from tests.selection import EVERYTHING, QUICK, Selection, of_changes
from tests.slices import MAIN, SLICES, find, of_commit, slice_of, table
from tools import ROOT, VARIANTS, ToolError


@pytest.fixture(scope="session")
def collected() -> list[str]:
    return run.collect()


def test_no_test_is_in_two_slices(collected: list[str]) -> None:
    holders = {nodeid: [each.name for each in SLICES if each.holds(nodeid)] for nodeid in collected}
    assert {nodeid: names for nodeid, names in holders.items() if len(names) > 1} == {}


def test_each_pattern_of_a_slice_matches_tests(collected: list[str]) -> None:
    patterns = [(each.name, pattern) for each in SLICES for pattern in each.patterns]
    files = [(name, pattern) for name, pattern in patterns if "no such service" not in pattern]
    assert [
        (name, pattern) for name, pattern in files if not any(re.match(f"tests/{pattern}", it) for it in collected)
    ] == []


def test_every_file_of_tests_is_collected(collected: list[str]) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert {nodeid.partition("::")[0] for nodeid in collected} == files


def test_the_main_run_has_the_scorecard_an_update_and_a_module_of_each_variant(collected: list[str]) -> None:
    names = [nodeid for nodeid in collected if slice_of(nodeid) == MAIN]
    assert [nodeid for nodeid in collected if "tests/conformance/" in nodeid and slice_of(nodeid) != MAIN] == []
    for variant in VARIANTS:
        for part in ("conformance/test_input.py", "update/test_updates.py", "test_service_scripts.py"):
            assert [nodeid for nodeid in names if nodeid.startswith(f"tests/{part}") and variant in nodeid], part
        assert [nodeid for nodeid in names if f"[{variant}-module" in nodeid]


def test_the_files_of_a_slice_hold_its_tests(collected: list[str]) -> None:
    for each in SLICES:
        assert {nodeid.partition("::")[0] for nodeid in collected if each.holds(nodeid)} == set(each.files)


def test_every_mutant_is_in_a_slice(collected: list[str]) -> None:
    tried = [nodeid for nodeid in collected if re.match(r"tests/mutants/.*_killed\[", nodeid)]
    assert tried
    assert [nodeid for nodeid in tried if not slice_of(nodeid).startswith("mutants-")] == []


def test_pytest_runs_the_tests_of_a_slice_alone(collected: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", f"--slice={MAIN}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(r"(?m)^tests/.*::.*$", done.stdout)
    assert sorted(found) == sorted(nodeid for nodeid in collected if slice_of(nodeid) == MAIN)


def test_a_slice_is_found_by_number_and_name() -> None:
    for number, each in enumerate(SLICES, 1):
        assert find(str(number)) == find(each.name) == each
    with pytest.raises(ToolError, match=r"No slice '0'"):
        find("0")


def test_commits_choose_all_slices() -> None:
    assert {of_commit(f"{number:040x}") for number in range(len(SLICES))} == set(SLICES)


def test_contributing_lists_the_slices() -> None:
    """`.venv/bin/python -m tests.slices` prints the table."""
    assert table() in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("variants/nest-drizzle/package.json.jinja", Selection(variants=frozenset({"nest-drizzle"}))),
        ("modules/fastify-bun/index.ts.jinja", Selection(variants=frozenset({"fastify-bun"}))),
        ("tests/conformance/test_input.py", Selection(paths=frozenset({"tests/conformance/test_input.py"}))),
        ("tests/conformance/processes.py", Selection(paths=frozenset({"tests/conformance/"}))),
        ("tests/mutants/nest-prisma.toml", Selection(paths=frozenset({"tests/mutants/"}))),
        ("README.md", Selection(paths=frozenset(QUICK))),
        ("template/errors.ts", EVERYTHING),
        ("copier.yml", EVERYTHING),
        ("tools/install.py", EVERYTHING),
        ("tests/conftest.py", EVERYTHING),
        ("an/unknown.file", EVERYTHING),
    ],
)
def test_a_changed_file_selects_all_that_it_can_break(path: str, chosen: Selection) -> None:
    assert of_changes([path]) == chosen
    assert of_changes([path, "variants/nest-typeorm/README.md"]).everything == chosen.everything


def test_changed_files_are_those_since_main_and_the_uncommitted(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name in ("kept", "edited", "deleted"):
        (tmp_path / name).write_text(name)
    commit(tmp_path, "Begin")
    git(tmp_path, "checkout", "--quiet", "-b", "work")
    (tmp_path / "committed").write_text("new")
    commit(tmp_path, "Add")
    (tmp_path / "edited").write_text("edited twice")
    (tmp_path / "deleted").unlink()
    (tmp_path / "new").write_text("new")
    assert selection.changed_files(tmp_path) == ["committed", "deleted", "edited", "new"]


def test_a_selection_by_variant_has_its_tests_and_the_quick_ones() -> None:
    chosen = Selection(variants=frozenset({"nest-prisma"}))
    assert chosen.has("tests/conformance/test_input.py::test_x[nest-prisma-module]")
    assert chosen.has("tests/test_repository.py::test_x")
    assert not chosen.has("tests/test_repository.py::test_x[nest-drizzle]")
    assert not chosen.has("tests/conformance/test_input.py::test_x[nest-drizzle]")
    assert not chosen.has("tests/test_make.py::test_x")


def test_a_part_of_the_main_run_names_the_slices_with_further_tests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mutant = "tests/mutants/test_mutants.py::test_a_mutant_is_killed[nest-drizzle 1: x]"
    ids = ["tests/test_render.py::test_x[nest-drizzle]", "tests/test_render.py::test_x[nest-prisma]", mutant]
    ran: list[tuple[str, ...]] = []

    def pytest_of(*options: str) -> int:
        ran.append(options)
        return 0

    monkeypatch.setattr(run, "collect", lambda: ids)
    monkeypatch.setattr(run, "pytest", pytest_of)
    monkeypatch.setenv("VARIANT", "nest-drizzle")
    assert run.main(["test"]) == 0
    assert ran == [(f"--slice={MAIN}", "--variant=nest-drizzle")]
    assert "not part of this run (make test-slice SLICE=...): mutants-nest-drizzle\n" in capsys.readouterr().out

    ran.clear()
    monkeypatch.setattr(selection, "changed_files", lambda: ["tests/mutants/nest-drizzle.toml"])
    monkeypatch.setenv("CHANGED", "1")
    assert run.main(["test"]) == 0
    assert ran == []  # the slice has them all


def test_the_tree_of_a_working_copy_has_its_uncommitted_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    trees = [run.working_tree()]
    assert git(tmp_path, "status", "--porcelain") == "?? file"
    commit(tmp_path, "One")
    trees.append(run.working_tree())
    (tmp_path / "file").write_text("two")
    trees.append(run.working_tree())
    assert trees[0] == trees[1] == git(tmp_path, "rev-parse", "HEAD^{tree}")
    assert trees[2] != trees[1]


def test_all_runs_what_has_not_passed_at_this_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing, ran = {SLICES[1].name}, []

    def pytest_of(option: str, *_: str) -> int:
        ran.append(option.removeprefix("--slice="))
        return int(ran[-1] in failing)

    monkeypatch.setattr(run, "PASSED", tmp_path)
    monkeypatch.setattr(run, "pytest", pytest_of)
    monkeypatch.setattr(run, "working_tree", lambda: "a-tree")
    every = [MAIN, *(each.name for each in SLICES)]

    assert run.main(["all"]) == 1
    output = capsys.readouterr()
    assert ran == every
    assert f"Repeat it: make test-slice SLICE={SLICES[1].name}" in output.err
    assert f"1 of {len(every)} failed" in output.out

    failing.clear()
    ran.clear()
    assert run.main(["all"]) == 0
    assert ran == [SLICES[1].name]
    assert f"All {len(every)} have passed at this tree" in capsys.readouterr().out

    monkeypatch.setattr(run, "working_tree", lambda: "another-tree")
    ran.clear()
    assert run.main(["all"]) == 0
    assert ran == every
